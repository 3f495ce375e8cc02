"""matplotlib figure -> inline SVG that follows the page: its colours, its font, its width, light and dark.

Unusual: figures are drawn in six marker colours that no one would choose; in the SVG each becomes a CSS variable of the page.
The SVG is parsed and rewritten (no ids that clash, no style sheet that leaks into the page, no namespace prefixes).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from deepwell.tracking.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, ACCENT, SECOND, GROUND = (f"#0{i}0{i}0{i}" for i in range(1, 7))
_VARIABLES = dict(
    zip((INK, MUTED, GRID, ACCENT, SECOND, GROUND), "ink muted grid accent second ground".split(), strict=True)
)
FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RuntimeWarning, UserWarning)
"""What drawing values of unexpected types, shapes and sizes can raise."""
WIDTH = 4.4
"""Inches (72 units each) of every figure: near the width of a phone, so that text stays readable when it is scaled."""

_RC: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "deepwell", "text.parse_math": False, "font.size": 8.5,
    "axes.edgecolor": GRID, "axes.labelcolor": MUTED, "axes.labelsize": 8.5, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": True,
    "xtick.color": GRID, "ytick.color": GRID, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "text.color": INK, "lines.linewidth": 1.6,
    "figure.facecolor": "none", "axes.facecolor": "none", "legend.frameon": False, "legend.fontsize": 8,
    "path.simplify_threshold": 0.5,
}  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Figures made and saved inside have our style; matplotlib's own settings are put back.

    Raises FAULTS for what cannot be drawn: wrong types and shapes, numbers out of range, labels that leave no room.
    """
    import matplotlib as mpl

    with mpl.rc_context(_RC), warnings.catch_warnings():
        # Where numpy or the layout would warn and draw nonsense, there is nothing to draw.
        warnings.filterwarnings("error", category=RuntimeWarning)
        warnings.filterwarnings("error", message="constrained_layout not applied")
        # The page's fonts draw the text, so a letter that matplotlib's own font lacks does no harm.
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph.*missing")
        yield


def canvas(height: float) -> tuple[Figure, Axes]:
    """An empty figure of our width and the given height in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    return figure, axes


def inline(figure: Figure, title: str, description: str, prefix: str) -> Markup:
    """The figure as an <svg> element. title, description: for those who cannot see it. prefix: unique on the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 our own output, not a foreign document
    _strip(root)
    _rename(root, prefix)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{prefix}-title {prefix}-desc", "class": "figure"})
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = visible(text, 300)
        root.insert(0, element)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 ElementTree escaped every text


def _strip(root: ElementTree.Element) -> None:
    """Plain tag names; no metadata; no <style>, which would act on the whole page; page colours and font."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
        parent.tag = parent.tag.rpartition("}")[2]
        parent.attrib.update({k.rpartition("}")[2]: parent.attrib.pop(k) for k in list(parent.attrib)})
        if "style" in parent.attrib:
            style = re.sub(r"#0\d0\d0\d\b", lambda m: f"var(--{_VARIABLES[m[0]]})", parent.attrib["style"])
            style = re.sub(r"font: ([^;]*?)([\d.]+px)[^;]*", r"font-size: \2", style)
            parent.attrib["style"] = style


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Only the ids that something refers to stay, and they carry the prefix."""
    text = " ".join(v for e in root.iter() for v in e.attrib.values())
    used = set(re.findall(r"#([\w.-]+)", text))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.attrib["id"] = f"{prefix}-{name}"
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                element.attrib[key] = f"#{prefix}-{value[1:]}"
            elif "url(#" in value:
                element.attrib[key] = value.replace("url(#", f"url(#{prefix}-")


def bars(counts: Sequence[Any], description: str) -> Markup:
    """A distribution as a few bars, the size of a word. Drawn by hand: a wide table has hundreds of them."""
    top = max([float(c) for c in counts], default=0.0)
    if top <= 0:
        return Markup("")
    step = 96 / len(counts)
    gap = min(1.0, step / 4)
    path = "".join(
        f"M{i * step:.1f} 24v-{max(float(c) / top * 23, 0.6 if c else 0):.1f}h{step - gap:.1f}V24z"
        for i, c in enumerate(counts)
    )
    return Markup('<svg class="spark" viewBox="0 0 96 24" role="img" aria-label="{}"><path d="{}"/></svg>').format(
        visible(description), path
    )
