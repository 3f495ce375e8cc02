"""The figures of a report, one function each: data -> inline SVG. Chosen by the kind of figure, never by the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from deepwell.reports.svg import ACCENT, GRID, GROUND, INK, MUTED, SECOND, WIDTH, canvas, drawing, inline
from deepwell.tracking.text import measured, number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Data = Mapping[str, Any]
POINTS = 800
"""Most points drawn of one curve or cloud; more are thinned evenly."""
MOST_COLOURS = 12
"""Labels that points of a map are coloured by."""
LARGEST = 1e100
"""Beyond this, distances between numbers, and what matplotlib makes of them, leave the range of floats."""


def thin(values: Sequence[Any], most: int = POINTS) -> list[Any]:
    """At most `most` of the values, evenly spread, first and last among them."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _floats(values: Sequence[Any], low: float = -LARGEST) -> NDArray[np.float64]:
    """JSON numbers as floats, null as NaN: a gap in the curve. Raises ValueError for others than low to LARGEST."""
    floats = np.array([np.nan if v is None else v for v in values], np.float64)
    outside = floats[(floats < low) | (floats > LARGEST)]
    if len(outside):
        raise ValueError(f"{outside[0]:g} is not a number that can be drawn here")
    return floats


def _grid(axes: Axes, axis: str = "y") -> None:
    axes.grid(axis=axis, color=GRID, linewidth=0.6)  # type: ignore[arg-type]
    axes.tick_params(length=0)


def forest(rows: Sequence[Data], label: str, prefix: str) -> Markup:
    """Scores with their intervals, one line each: [{name, kind, value, low, high}], the network first.

    A trivial baseline so far off that it would squeeze the others together is written at the edge instead.
    """
    with drawing():
        figure, axes = canvas(0.62 + 0.3 * len(rows))
        limits = _limits(rows)
        for i, row in enumerate(rows):
            colour = ACCENT if i == 0 else MUTED
            value, low, high = _floats([row["value"], row["low"], row["high"]])
            if limits and not limits[0] <= value <= limits[1]:
                text, side = (f"← {number(row['value'])}", 0) if value < limits[0] else (f"{number(row['value'])} →", 1)
                axes.text(limits[side], -i, text, fontsize=8, ha=("left", "right")[side], va="center", color=MUTED)
                continue
            axes.plot([low, high], [-i, -i], color=colour, linewidth=2.4, solid_capstyle="round")
            axes.plot([value], [-i], "o", color=colour, markersize=6.5 if i == 0 else 5)
        axes.axvline(float(_floats([rows[0]["value"]])[0]), color=ACCENT, linewidth=0.7, linestyle=(0, (3, 3)))
        axes.set_yticks([-i for i in range(len(rows))], [visible(r["name"], 24) for r in rows])
        axes.get_yticklabels()[0].set_color(INK)
        axes.set_ylim(-len(rows) + 0.45, 0.55)
        axes.set_xlim(limits) if limits else axes.margins(x=0.06)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(visible(label, 60))
        _grid(axes, "x")
        said = "; ".join("{}: {} ({})".format(r["name"], *measured(r["value"], r["low"], r["high"])) for r in rows)
        return inline(figure, f"{label}: network and baselines", said, prefix)


def _limits(rows: Sequence[Data]) -> tuple[float, float] | None:
    """The range of all but the trivial baselines where it is less than a quarter of the whole range; else None."""
    near = [r for r in rows if r.get("kind") != "trivial"]
    ends = _floats([r[k] for r in rows for k in ("low", "high")])
    inner = _floats([r[k] for r in near for k in ("low", "high")])
    if len(near) < 2 or not np.isfinite(ends).all():
        return None
    span = float(np.ptp(inner))
    if not 0 < 4 * span < np.ptp(ends):
        return None
    return float(inner.min()) - 0.2 * span, float(inner.max()) + 0.2 * span


def curves(lines: Sequence[Data], label: str, best: Any, prefix: str) -> Markup:
    """Values over steps: lines [{name, colour, steps, values}]; best: the step whose weights were kept, or None.

    Losses that span more than a factor of 50 stand on a logarithmic scale.
    """
    with drawing():
        figure, axes = canvas(2.3)
        seen = []
        for line in lines:
            points = thin(list(zip(line["steps"], line["values"], strict=True)))
            steps, values = _floats([p[0] for p in points]), _floats([p[1] for p in points])
            mark, width = (".", 1.6) if len(points) <= 40 else ("", 1.0)
            axes.plot(
                steps, values, color=line["colour"], marker=mark, markersize=5, linewidth=width, label=line["name"]
            )
            seen.append(values[np.isfinite(values)])
        every = np.concatenate(seen)
        if "loss" in label and len(every) and every.min() > 0 and every.max() > 50 * every.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: number(float(value)))
            axes.yaxis.set_minor_formatter("")
        if best is not None:
            axes.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), label="kept")
        axes.set_xlabel("step")
        axes.set_ylabel(visible(label, 40))
        if len(lines) > 1 or best is not None:
            figure.legend(loc="outside upper left", ncols=4, handlelength=1.2, columnspacing=1.2)
        _grid(axes)
        ends = [f"{v['name']} from {number(v['values'][0])} to {number(v['values'][-1])}" for v in lines if v["values"]]
        return inline(figure, f"{label} over steps", "; ".join(ends), prefix)


def reliability(data: Data, prefix: str) -> list[Markup]:
    """bins [{confidence, accuracy, count}]: how often answers of a stated confidence are right; marker area ~ count."""
    bins = [b for b in data["bins"] if b["count"]]
    with drawing():
        figure, axes = canvas(3.4)
        confidence, accuracy, count = (
            _floats([b[k] for b in bins], low=0) for k in ("confidence", "accuracy", "count")
        )
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="perfectly calibrated")
        axes.vlines(confidence, confidence, accuracy, color=SECOND, linewidth=1.4, label="gap")
        axes.plot(confidence, accuracy, color=ACCENT, linewidth=1.2)
        if len(bins):
            axes.scatter(confidence, accuracy, s=10 + 60 * count / count.max(), color=ACCENT, zorder=3)
        start = max(0.0, np.floor(min([1.0, *confidence, *accuracy]) * 10 - 0.5) / 10)
        axes.set(xlim=(start, 1.03), ylim=(start, 1.04), xlabel="stated confidence", ylabel="share that was right")
        figure.legend(loc="outside upper left", ncols=2, handlelength=1.6)
        _grid(axes, "both")
        said = "; ".join(f"{number(b['confidence'], 2)} stated, {number(b['accuracy'], 2)} right" for b in bins)
        return [inline(figure, "Reliability: stated confidence against the share that was right", said, prefix)]


def confusion(data: Data, prefix: str) -> list[Markup]:
    """labels [c], counts [c][c]: true class down, answered class across; shading: share of the true class.

    Raises ValueError where counts are not one row and one column per label.
    """
    counts = np.array([_floats(row, low=0) for row in data["counts"]])
    labels = [visible(label, 14) for label in data["labels"]]
    classes = len(labels)
    if counts.shape != (classes, classes):
        raise ValueError(f"a confusion of {classes} labels has counts of shape {counts.shape}")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Two mid tones that stand out on light and dark ground alike (right, wrong); their opacity carries the value.
    on_diagonal = np.eye(classes, dtype=bool)[..., None]
    tone = np.where(on_diagonal, [0.10, 0.55, 0.55], [0.85, 0.42, 0.12])
    opacity = np.where(on_diagonal, 0.7 * share[..., None], 0.12 + 0.58 * np.sqrt(share[..., None]))
    shade = np.concatenate([tone, opacity * (counts > 0)[..., None]], axis=2)
    with drawing():
        figure, axes = canvas(min(WIDTH, 1.5 + 0.36 * classes))
        axes.imshow(shade, interpolation="nearest", aspect="auto")
        every = max(1, -(-classes // 24))
        ticks = list(range(0, classes, every))
        wide = max(map(len, labels), default=0) * classes > 44
        axes.set_xticks(ticks, [labels[i] for i in ticks], rotation=90 if wide else 0)
        axes.set_yticks(ticks, [labels[i] for i in ticks])
        axes.set(xlabel="answered", ylabel="true")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if classes <= 12:
            for i, j in np.argwhere(counts > 0):
                axes.text(
                    j, i, number(float(counts[i, j])), ha="center", va="center", fontsize=8 if classes <= 8 else 7
                )
        right = np.trace(counts) / max(counts.sum(), 1)
        wrong = counts * (1 - np.eye(classes))
        said = f"{number(float(right))} on the diagonal"
        if wrong.any():
            i, j = divmod(int(wrong.argmax()), classes)
            said += (
                f"; most frequent confusion: true {labels[i]}, answered {labels[j]}, {number(float(wrong[i, j]))} times"
            )
        return [inline(figure, "Confusion matrix: true class down, answered class across", said, prefix)]


def roc(data: Data, prefix: str) -> list[Markup]:
    """points [[false positive rate, true positive rate]], from (0, 0) to (1, 1)."""
    points = np.array([_floats(point) for point in thin(data["points"])])
    with drawing():
        figure, axes = canvas(3.2)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.plot(points[:, 0], points[:, 1], color=ACCENT)
        axes.fill_between(points[:, 0], points[:, 1], color=ACCENT, alpha=0.12, linewidth=0)
        axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.04), xlabel="false positive rate", ylabel="true positive rate")
        _grid(axes, "both")
        area = float(np.trapezoid(points[:, 1], points[:, 0]))
        return [inline(figure, "ROC curve", f"area under the curve {number(area)}", prefix)]


def residuals(data: Data, prefix: str) -> list[Markup]:
    """truth [n], answer [n]: answers against the truth, and the distribution of their difference.

    edges [b + 1], counts [b]: that distribution, where it was counted over more rows than these.
    """
    pairs = np.stack([_floats(data["truth"]), _floats(data["answer"])], 1)
    pairs = pairs[np.isfinite(pairs).all(1)]
    if not len(pairs):
        raise ValueError("no row has both a truth and an answer")
    some = np.array(thin(list(pairs)))
    with drawing():
        figure, axes = canvas(3.2)
        low, high = float(pairs.min()), float(pairs.max())
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.plot(some[:, 0], some[:, 1], "o", color=ACCENT, markersize=3.2, alpha=0.35, markeredgewidth=0)
        axes.set(xlabel="true", ylabel="answered")
        _grid(axes, "both")
        said = f"{len(pairs):,} answers; correlation {number(_correlation(pairs))}"
        cloud = inline(figure, "Answers against the truth", said, f"{prefix}-cloud")
    if "counts" in data:
        counts, edges = data["counts"], data["edges"]
    else:
        counts, edges = np.histogram(pairs[:, 1] - pairs[:, 0], bins=min(40, max(8, round(np.sqrt(len(pairs))))))
    return [cloud, *histogram({"edges": edges, "counts": counts, "label": "answered minus true"}, f"{prefix}-error")]


def _correlation(pairs: NDArray[np.float64]) -> float:
    if len(pairs) < 2 or not pairs.std(0).all():
        return float("nan")
    return float(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1])


def histogram(data: Data, prefix: str) -> list[Markup]:
    """edges [b + 1], counts [b]; label: of the horizontal axis."""
    edges, counts = _floats(data["edges"]), _floats(data["counts"], low=0)
    label = visible(data.get("label", "value"), 60)
    with drawing():
        figure, axes = canvas(2.3)
        axes.stairs(counts, edges, fill=True, color=ACCENT, alpha=0.75)
        if edges[0] < 0 < edges[-1]:
            axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(xlabel=label, ylabel="count")
        _grid(axes)
        said = f"{number(float(counts.sum()))} values from {number(float(edges[0]))} to {number(float(edges[-1]))}"
        return [inline(figure, f"Distribution of {label}", said, prefix)]


def bars(data: Data, prefix: str) -> list[Markup]:
    """labels [n], values [n]: horizontal bars, at most 30 of them."""
    labels, values = [visible(v, 28) for v in data["labels"]][:30], _floats(data["values"])[:30]
    with drawing():
        figure, axes = canvas(0.6 + 0.24 * len(labels))
        axes.barh(range(len(labels)), values, color=ACCENT, alpha=0.8, height=0.68, edgecolor=GROUND)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        _grid(axes, "x")
        said = "; ".join(f"{a}: {number(float(b))}" for a, b in zip(labels, values, strict=True))
        return [inline(figure, "Values by name", said, prefix)]


def fan(data: Data, prefix: str) -> list[Markup]:
    """A forecast: history [b], then truth, answer, low, high [h] and labels [b + h] of the steps; null where unknown.

    low, high: the interval of each step, empty where there is none. Raises ValueError where the lengths do not fit together.
    """
    history, truth, answer, low, high = (_floats(data[k]) for k in ("history", "truth", "answer", "low", "high"))
    labels, before, ahead = [visible(v, 24) for v in data["labels"]], len(history), len(answer)
    if len(truth) != ahead or len(low) != len(high) or len(low) not in (0, ahead) or len(labels) != before + ahead:
        raise ValueError(f"a forecast of {ahead} steps after {before} has other numbers of values or labels")
    steps = np.arange(before, before + ahead)
    with drawing():
        figure, axes = canvas(2.5)
        if len(low):
            axes.fill_between(steps, low, high, color=ACCENT, alpha=0.2, linewidth=0, label="interval")
        mark = "." if before + ahead <= 60 else ""
        known = np.concatenate([history, truth])
        axes.plot(
            np.arange(before + ahead), known, color=MUTED, marker=mark, markersize=4, linewidth=1.1, label="truth"
        )
        axes.plot(steps, answer, color=ACCENT, marker=mark, markersize=4, linewidth=1.6, label="answer")
        if before:
            axes.axvline(before - 0.5, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        _named_ticks(axes, labels)
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
        _grid(axes)
        missed = np.abs(answer - truth)
        error = number(float(np.nanmean(missed))) if np.isfinite(missed).any() else number(None)
        said = f"{ahead} steps after {before}; mean absolute error {error}"
        if len(low) and np.isfinite(missed).any():
            inside = ((truth >= low) & (truth <= high))[np.isfinite(missed)]
            said += f"; {number(100 * float(inside.mean()), 3)}% of the truth inside the interval"
        return [inline(figure, "Forecast against the truth", said, prefix)]


def _named_ticks(axes: Axes, labels: Sequence[str]) -> None:
    """Names at some places of the horizontal axis, few enough to stand side by side."""
    longest = max(map(len, labels), default=1)
    few = max(2, min(6, 54 // max(1, longest)))
    places = [int(p) for p in np.linspace(0, len(labels) - 1, min(few, len(labels))).round()]
    axes.set_xticks(places, [labels[p] for p in places])
    if len(places) > 1 and longest > 12:  # the outer ones stay within the figure
        ticks = axes.get_xticklabels()
        ticks[0].set_horizontalalignment("left")
        ticks[-1].set_horizontalalignment("right")


def lines(data: Data, prefix: str) -> list[Markup]:
    """x [n] (numbers or names), series [{name, values [n]}], x_label, y_label: at most 8 curves over one axis."""
    named = all(isinstance(v, str) for v in data["x"])
    x = np.arange(len(data["x"])) if named else _floats(data["x"])
    looks = [(colour, style) for style in ("-", (0, (4, 2))) for colour in (ACCENT, SECOND, MUTED, INK)]
    x_label, y_label = visible(data.get("x_label", ""), 60), visible(data.get("y_label", ""), 40)
    with drawing():
        figure, axes = canvas(2.5)
        said = []
        for series, (colour, style) in zip(data["series"], looks, strict=False):
            values, name = _floats(series["values"]), visible(series["name"], 24)
            if len(values) != len(x):
                raise ValueError(f"the curve {name!r} has {len(values)} values for {len(x)} places")
            mark = "." if len(x) <= 40 else ""
            axes.plot(x, values, color=colour, linestyle=style, linewidth=1.4, marker=mark, markersize=4, label=name)
            seen = values[np.isfinite(values)]
            said += [f"{name} from {number(float(seen[0]))} to {number(float(seen[-1]))}"] if len(seen) else []
        axes.set(xlabel=x_label, ylabel=y_label)
        if named:
            _named_ticks(axes, [visible(v, 24) for v in data["x"]])
        if len(data["series"]) > 1:
            figure.legend(loc="outside upper left", ncols=4, handlelength=1.6, columnspacing=1.2)
        _grid(axes)
        return [inline(figure, f"{y_label or 'Values'} by {x_label or 'place'}", "; ".join(said), prefix)]


def map_(data: Data, prefix: str) -> list[Markup]:
    """Points x, y [n], and label [n] of each (or none at all): a plane, coloured by the most frequent labels."""
    x, y = _floats(data["x"]), _floats(data["y"])
    label = [visible(v, 18) for v in data.get("label", [])]
    if len(x) != len(y) or len(label) not in (0, len(x)):
        raise ValueError(f"a map of {len(x)} points has {len(y)} heights and {len(label)} labels")
    names = sorted(set(label), key=lambda name: (-label.count(name), name))[:MOST_COLOURS]
    chosen = np.array([names.index(name) if name in names else -1 for name in label] or np.zeros(len(x)))
    from matplotlib.colors import hsv_to_rgb

    with drawing():
        figure, axes = canvas(4.2)
        axes.scatter(x[chosen < 0], y[chosen < 0], s=7, color=MUTED, alpha=0.5, linewidths=0)
        for place, name in enumerate(names or [""]):
            colour = hsv_to_rgb((place / max(1, len(names)), 0.62, 0.72)) if len(names) > 1 else ACCENT
            axes.scatter(
                x[chosen == place], y[chosen == place], s=9, color=colour, alpha=0.75, linewidths=0, label=name
            )
        axes.set(xlabel=visible(data.get("x_label", ""), 60), ylabel=visible(data.get("y_label", ""), 40))
        if names:
            figure.legend(loc="outside right upper", markerscale=2, handletextpad=0.2)
        said = f"{len(x)} points" + (f"; most frequent: {', '.join(names)}" if names else "")
        return [inline(figure, "Rows on a plane", said, prefix)]


BY_KIND = {
    "confusion": confusion, "reliability": reliability, "roc": roc, "residuals": residuals, "scatter": residuals,
    "histogram": histogram, "bars": bars, "fan": fan, "lines": lines, "map": map_,
}  # fmt: skip
"""The figure events that a report can draw: kind -> (data, id prefix) -> one or more pictures."""


def draw(event: Mapping[str, Any], prefix: str) -> list[Markup]:
    """A figure event as pictures. Raises ValueError for a kind that nothing here draws."""
    kind = str(event.get("kind"))
    if kind not in BY_KIND:
        raise ValueError(f"no figure is of the kind {kind!r}")
    return BY_KIND[kind](event["data"], prefix)
