"""Events -> Story: the record gathered by what it is about. Where something was said twice, the last word counts.

A record may stop anywhere (a kill, a failure, a run still going): every member may be empty, and `state` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepwell.tracking.text import number

Event = Mapping[str, Any]


@dataclass
class Story:
    """One run. single: event name -> its last event. Lists keep the order of the record."""

    single: dict[str, Event] = field(default_factory=dict)
    scores: dict[str, Event] = field(default_factory=dict)
    baselines: dict[str, Event] = field(default_factory=dict)
    figures: dict[tuple[str, ...], Event] = field(default_factory=dict)
    examples: dict[str, Event] = field(default_factory=dict)
    calibrations: list[Event] = field(default_factory=list)
    decisions: list[Event] = field(default_factory=list)
    progress: list[Event] = field(default_factory=list)
    checks: list[Event] = field(default_factory=list)
    phases: dict[str, Event] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def get(self, name: str) -> Event:
        """The last event of that name; an empty one if there was none."""
        return self.single.get(name, {})

    @property
    def state(self) -> str:
        """done, interrupted, failed, or unfinished (the record has no end)."""
        return str(self.get("end").get("status", "unfinished"))


def tell(events: Sequence[Event]) -> Story:
    """Gathers the events of a record; names it does not know are left alone."""
    story = Story()
    for event in events:
        name = str(event.get("event"))
        if name == "scores":
            story.scores[str(event.get("part"))] = event
        elif name == "baseline":
            story.baselines[str(event.get("name"))] = event
        elif name == "figure":
            story.figures[tuple(str(event.get(k)) for k in ("kind", "target", "title"))] = event
        elif name == "examples":
            story.examples[str(event.get("title"))] = event
        elif name == "calibration":
            story.calibrations.append(event)
        elif name == "decision":
            story.decisions.append(event)
        elif name == "progress":
            _append(story.progress, event)
        elif name == "check":
            _append(story.checks, event)
        elif name == "phase" and wall(event).get("seconds") is not None:
            story.phases[str(event.get("name"))] = event
        elif name == "note":
            story.notes.append(str(event.get("text")))
        elif name == "rewind":
            step = event.get("step")
            story.notes.append(f"the run was resumed {f'after step {number(step)}' if step else 'from its beginning'}")
        else:
            story.single[name] = event
    return story


def _append(points: list[Event], event: Event) -> None:
    """Adds a point of a curve. A resumed run goes back some steps: what it did again replaces what it did before."""
    step = event.get("step")
    if not isinstance(step, int | float):
        return
    if points and points[-1]["step"] > step:
        points[:] = [p for p in points if p["step"] < step]
    points.append(event)


def wall(event: Event) -> Mapping[str, Any]:
    """The clock and machine figures of an event; empty if it has none."""
    found = event.get("wall")
    return found if isinstance(found, Mapping) else {}
