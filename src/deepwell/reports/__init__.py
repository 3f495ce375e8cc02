"""The report: a record drawn as one self-contained HTML page. It reads events, never runs a model, needs no network.

Unusual: every value that the template prints passes through `visible`, so nothing that came from data can act: not as
markup, not as a control or direction-changing character. The page forbids itself scripts and outside addresses.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deepwell.reports.sections import cards, sections
from deepwell.reports.story import Story, tell
from deepwell.tracking.text import duration, number, plural, visible

__all__ = ["render"]

_STATES = {
    "interrupted": "This run was stopped on request before its time. What was best until then is what you see.",
    "failed": "This run failed. The record ends where it happened; nothing below is a finished result.",
    "unfinished": "This record has no end: the run was still going, or was killed. The page shows what was done until then.",
}
_MOST_TEXT = 4000


def render(events: Sequence[Mapping[str, Any]]) -> str:
    """The page for the events of one run (as tracking.record.read gives them), complete or cut off anywhere.

    Returns HTML that holds its style and pictures and asks for nothing else.
    """
    import jinja2
    from markupsafe import Markup

    files = importlib.resources.files(__name__)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printed
    )
    environment.filters.update(number=number, duration=duration, plural=plural)
    page = environment.from_string((files / "page.html").read_text("utf-8"))
    drawn: Any = environment.from_string((files / "sections.html").read_text("utf-8")).module

    def draw(name: str, view: Mapping[str, Any]) -> Markup:
        """One section; a value that is missing is a KeyError like any other."""
        try:
            return Markup(drawn.section(name, view))  # noqa: S704 the macro escapes
        except jinja2.UndefinedError as fault:
            raise KeyError(str(fault)) from None

    story = tell(events)
    return page.render(
        css=Markup((files / "page.css").read_text("utf-8")),  # noqa: S704 a file of this package
        head=_head(story),
        cards=cards(story),
        sections=sections(story, draw),
        notes=story.notes,
    )


def _printed(value: Any) -> Any:
    """What the template prints for a value: markup as it is, all else made visible (and then escaped by jinja)."""
    return value if hasattr(value, "__html__") or value is None else visible(value, _MOST_TEXT)


def _head(story: Story) -> dict[str, Any]:
    """Title line: the verdict if there is one, else the state of the run."""
    verdict, run, end = story.get("verdict"), story.get("run"), story.get("end")
    state = story.state
    sentence = verdict.get("text") or {"done": "The run is done; it has no verdict."}.get(
        state, f"No verdict: {state}."
    )
    # What stands in parentheses (intervals) is set lighter.
    # Neither an interval nor `n = 154` is broken between two lines.
    whole = re.sub(r"(?<=\d) to (?=[-+\d])|(?<=\bn) = ", lambda m: m[0].replace(" ", "\u00a0"), str(sentence))
    pieces = [piece for piece in re.split(r"(\([^()]*\))", whole) if piece]
    winner = str(verdict.get("winner", "neither"))
    tone = {"network": "wins", "neither": "open"}.get(winner, "loses")
    last = next((p for p in story.progress[::-1]), {})
    return {
        "sentence": pieces, "tone": tone, "state": state,
        "warning": _STATES.get(state, ""), "reason": end.get("reason", ""), "run": visible(run.get("id", ""), 100),
        "task": str(run.get("task", "")).replace("_", " "), "step": last.get("step"), "of": last.get("of"),
    }  # fmt: skip
