"""The report: says what the record says, asks for nothing, and cannot be made to act by what stands in the data."""

from __future__ import annotations

import html.parser
import itertools
import random
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reports.fake_events import png, score
from tests.reports.fake_records import ALL, classification, images, regression

from deepwell.reports import render
from deepwell.tracking.record import plain

VOID = set("area base br col embed hr img input link meta source track wbr".split())
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg></style><script>",
    "{{ 7*7 }}{% raw %}",
    "$\\frac{1}{$",
    "$5 to $10",
    "javascript:alert(1)",
    "\x00\x1b[31m\u202e\ud800",
    "名前" * 200,
    "x" * 5000,
    "שלום עולם",
    "]]>&amp;<!--",
    "",
    "1\n2",
]


class Page(html.parser.HTMLParser):
    """What a browser would find: balanced tags, every attribute, visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, k, v or "") for k, v in attrs]
        self.ids += [v or "" for k, v in attrs if k == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def check_harmless(page: Page) -> None:
    """No scripts, handlers or addresses; ids are unique; every reference inside the page finds its target."""
    assert not set(page.tags) & {"script", "iframe", "object", "embed", "form", "base"}
    assert page.tags.count("style") == 1
    for tag, key, value in page.attributes:
        assert not key.startswith("on"), (tag, key)
        if key in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:image/png;base64,", "data:,")), (tag, value[:80])
        if "url(" in value:
            assert re.findall(r"url\((?!#)", value) == []
    assert len(page.ids) == len(set(page.ids))
    used = {v[1:] for _, k, v in page.attributes if k == "href" and v.startswith("#")}
    used |= {name for _, _, v in page.attributes for name in re.findall(r"url\(#([^)]+)\)", v)}
    used |= {name for _, k, v in page.attributes if k == "aria-labelledby" for name in v.split()}
    assert used <= set(page.ids)


@pytest.fixture(scope="module", params=list(ALL))
def drawn(request: pytest.FixtureRequest) -> tuple[list[dict[str, Any]], str]:
    events = plain(ALL[request.param]())
    return events, render(events)


def test_the_page_is_well_formed_and_asks_for_nothing(drawn: tuple[list[dict[str, Any]], str]) -> None:
    _, text = drawn
    check_harmless(Page(text))
    assert "default-src 'none'" in text
    assert "cannot be drawn" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_every_figure_can_be_read_without_seeing_it(drawn: tuple[list[dict[str, Any]], str]) -> None:
    page = Page(drawn[1])
    named = [t for t, k, _ in page.attributes if k in ("aria-labelledby", "aria-label") and t == "svg"]
    assert len(named) == page.tags.count("svg") >= 5
    assert [v for t, k, v in page.attributes if t == "img" and k == "alt"].count("") == 0


def test_the_page_follows_the_readers_colours(drawn: tuple[list[dict[str, Any]], str]) -> None:
    _, text = drawn
    assert "prefers-color-scheme: dark" in text
    assert not re.findall(r"#0[1-6]0[1-6]0[1-6]", text)  # the marker colours of figures have all become variables
    assert "var(--accent)" in text


def test_the_same_record_gives_the_same_bytes() -> None:
    assert render(plain(classification())) == render(plain(classification()))


def test_the_verdict_comes_first_and_the_facts_are_there() -> None:
    page = Page(render(plain(classification())))
    words = page.words
    assert words.index("not distinguishable") < words.index("Scores against baselines")
    facts = """0.8712|0.8660 to 0.8759|majority|boosting|not clear|27,677|adult-train.csv, line 3017|52 equal rows
        |text with 16 different values|horizon|46 s are left|9f2c9f2c|2.13.0|812 MB|The part was opened once
        |deepwell train adult-train.csv --test adult-test.csv"""
    for fact in (fact.strip() for fact in facts.split("|")):
        assert fact in words, fact


def test_a_test_part_opened_again_is_said_loudly() -> None:
    assert "opened 2 times" in Page(render(plain(images()))).words


@pytest.mark.parametrize("first", range(0, len(HOSTILE), 4))
def test_hostile_text_anywhere_changes_nothing_but_text(first: int) -> None:
    names = itertools.cycle(HOSTILE[first:] + HOSTILE[:first])
    fixed = "event kind role direction better status png chosen part".split()

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: poison(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(v, key) for v in value]
        return next(names) if isinstance(value, str) and key not in fixed else value

    others = [e for e in plain([*regression(), *images()]) if e["event"] in ("figure", "examples")]
    events = [poison(event) for event in [*_short(plain(classification())), *others]]
    for event in events:
        for key in ("counts", "versions", "config", "values"):
            if key in event:
                event[key] = {next(names): value for value in event[key].values()}
    text = render(events)
    page = Page(text)
    check_harmless(page)
    assert "cannot be drawn" not in page.words
    text.encode()
    assert not set(text) & set("\x00\x1b\u202e")


def _short(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The record without most of its progress: the same page, sooner."""
    return [e for i, e in enumerate(events) if e["event"] not in ("progress", "check") or i % 60 == 0]


def test_a_metric_that_no_check_could_tell_has_no_curve() -> None:
    events = [e for e in plain(classification()) if e["event"] in ("run", "progress", "check", "network")]
    for place, event in enumerate(e for e in events if e["event"] == "check"):
        event["values"] |= {"never_known": None, "later_known": 0.5 if place > 1 else None}
    text = render(events)
    assert "later known" in text
    assert "never known" not in text


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_a_run_that_did_not_finish_says_so(state: str) -> None:
    events = [e for e in _short(plain(classification())) if e["event"] not in ("verdict", "scores", "bundle", "end")]
    words = Page(render([*events, {"event": "end", "status": state, "reason": "the loss is not finite"}])).words
    assert f"No verdict: {state}." in words
    assert "the loss is not finite" in words
    assert "This record has no end" in Page(render(events)).words


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1000))
def test_a_record_cut_or_thinned_anywhere_still_gives_a_page(seed: int) -> None:
    draw = random.Random(seed)
    events = [e for e in _short(plain(classification())) if draw.random() < 0.6]
    check_harmless(Page(render(events[: draw.randrange(len(events) + 1)])))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1000))
def test_a_record_of_wrong_values_still_gives_a_page(seed: int) -> None:
    draw = random.Random(seed)

    def spoil(value: Any) -> Any:
        if draw.random() < 0.02:
            return draw.choice([None, "", -1, [], {}, True, "text", 1e308, 10**400, float("nan")])
        if isinstance(value, dict):
            return {k: v if k == "event" else spoil(v) for k, v in value.items()}
        return [spoil(v) for v in value] if isinstance(value, list) else value

    events = _short(plain(classification()))
    check_harmless(Page(render([{k: v if k == "event" else spoil(v) for k, v in e.items()} for e in events])))


def test_an_empty_record_gives_a_page() -> None:
    assert "This record has no end" in Page(render([])).words


def test_only_real_pictures_are_shown() -> None:
    def page(cell: Any) -> Page:
        return Page(
            render([{"event": "examples", "title": "t", "columns": [{"name": "p", "kind": "image"}], "rows": [[cell]]}])
        )

    import numpy as np

    large = png(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    shown = [v for t, k, v in page({"png": large}).attributes if (t, k) == ("img", "src")]
    assert shown == [f"data:image/png;base64,{large}"]  # whole, however long
    for wrong in ("PHN2Zz4=", "not base64!", "", '"><script>', None, 7):
        assert "img" not in page({"png": wrong}).tags


def test_the_plan_stands_field_by_field_with_its_reasons() -> None:
    plan = {"device": "cpu", "batch_size": 64, "reasons": {"device": "no CUDA device", "batch_size": "a power of two"}}
    event = {"event": "decision", "step": 0, "what": "plan", "value": plan, "why": "cpu, 64 examples a step"}
    words = Page(render([event])).words
    assert "device cpu no CUDA device batch size 64 a power of two" in words
    assert "reasons" not in words


def test_one_figure_that_cannot_be_drawn_leaves_the_others() -> None:
    good = {"event": "figure", "kind": "bars", "target": "y", "title": "good", "data": {"labels": ["a"], "values": [1]}}
    bad = [{**good, "title": "bad", "data": {"labels": ["a"], "values": [1e300]}}, {**good, "kind": "unheard of"}]
    page = Page(render([good, *bad]))
    assert page.tags.count("figure") == 1
    assert "1e+300 is not a number that can be drawn here" in page.words
    assert "no figure is of the kind 'unheard of'" in page.words


def test_a_folder_that_all_examples_share_is_left_out() -> None:
    rows = [["/data/pets/cat/7.png", 1], ["/data/pets/dog/7.png", 2]]
    columns = [{"name": "row", "kind": "text"}, {"name": "age", "kind": "number"}]
    words = Page(render([{"event": "examples", "title": "t", "columns": columns, "rows": rows}])).words
    assert " cat/7.png" in words
    assert "pets" not in words


def test_a_resumed_run_draws_each_step_once() -> None:
    from deepwell.reports.story import tell

    steps = [10, 20, 30, 20, 30, 40]
    story = tell([{"event": "progress", "step": s, "loss": i} for i, s in enumerate(steps)])
    assert [(p["step"], p["loss"]) for p in story.progress] == [(10, 0), (20, 3), (30, 4), (40, 5)]


def test_hundreds_of_columns_are_folded_away() -> None:
    fields = [{"name": f"c{i}", "kind": "number", "role": "input", "reason": "r", "facts": {}} for i in range(500)]
    text = render([{"event": "schema", "fields": fields, "task_reason": ""}])
    assert "460 more columns" in text
    assert Page(text).words.count("number, input") == 500


def test_scores_of_a_part_without_baselines_are_drawn_and_undefined_ones_are_dashes() -> None:
    nothing = {**score("R²", 0, 0, 5), "value": None, "low": None, "high": None}
    events = [{"event": "scores", "part": "test", "scores": [nothing, score("RMSE", 1, 0.1, 5)], "opened": 1}]
    assert "cannot be drawn" not in render(events)
    baseline = {
        "event": "baseline",
        "name": "mean",
        "kind": "trivial",
        "scores": [nothing, score("RMSE", 2, 0.1, 5)],
        "differences": [],
    }
    assert "cannot be drawn" not in render([*events, baseline])


def test_importing_the_report_loads_nothing_heavy() -> None:
    code = "import deepwell.reports, sys; print(sorted({'torch', 'matplotlib', 'polars', 'rich', 'jinja2'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_what_evaluation_measures_can_be_drawn() -> None:
    """The keys that evaluation.figures writes are those that the report reads."""
    import numpy as np

    from deepwell.core.fields import Field, Schema
    from deepwell.evaluation.figures import figures

    class Classes:
        def classes(self, name: str) -> list[str]:
            return ["no", "yes"]

    draw = np.random.default_rng(0)
    shares = draw.dirichlet([1, 1], 200)
    columns = {
        "sick.truth": draw.integers(0, 2, 200), "sick.answer": shares.argmax(1), "sick.probabilities": shares,
        "sick.nll": draw.random(200), "dose.truth": draw.normal(size=200), "dose.answer": draw.normal(size=200),
    }  # fmt: skip
    schema = Schema((Field("sick", "category", "target"), Field("dose", "number", "target")))
    events = figures(schema, Classes(), columns)  # type: ignore[arg-type]
    assert {e["kind"] for e in events} == {"confusion", "reliability", "bars", "roc", "residuals"}
    text = render(plain(events))
    assert "cannot be drawn" not in text
    assert Page(text).tags.count("figure") == len(events) + 1  # residuals are two pictures


def test_the_page_says_what_was_expected_and_what_it_became() -> None:
    wall = {"seconds": 60.0, "at_most": True, "memory": 1.1e9, "checkpoint": 12e6, "every": 30.0}
    phases = {"read": 1.1, "train": 46.0, "other": 2.3}
    events = [e for e in plain(classification()) if e["event"] != "end"]
    events.insert(5, {"event": "expected", "wall": wall})
    events.append({"event": "end", "status": "done", "wall": {"seconds": 58.3, "peak_bytes": 812e6, "phases": phases}})
    words = Page(render(events)).words
    assert "other 2.3 s whole run 58 s expected before training at most 1 min 00 s, 1.1 GB of memory" in words
    without = Page(
        render(plain(classification()))
    ).words  # older records have phases of their own, and nothing expected
    assert "evaluate 5.9 s seal 0.4 s whole run 58 s" in without
    assert "expected before training" not in without


def test_the_page_says_that_a_run_was_resumed() -> None:
    events = plain(classification())
    events.insert(9, {"event": "rewind", "step": 1240, "opened": 0})
    events.insert(9, {"event": "rewind", "step": 0, "opened": 0})
    words = Page(render(events)).words
    assert "the run was resumed after step 1,240" in words
    assert "the run was resumed from its beginning" in words
