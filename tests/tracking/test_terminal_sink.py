"""What the terminal shows: the same facts with and without a terminal, no codes in files, nothing from data that acts."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.tracking.lines import SHOWN_COLUMNS
from deepwell.tracking.terminal import Terminal, fit_line

SCORE = {
    "name": "accuracy",
    "value": 0.87123,
    "low": 0.866,
    "high": 0.876,
    "n": 16281,
    "unit": "share",
    "direction": "higher",
}
VERDICT = {"event": "verdict", "text": "The network reaches accuracy 0.871.", "winner": "network"}


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def printed(*events: dict[str, Any], mode: str = "auto", stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    terminal = Terminal(mode, stream)
    for event in events:
        terminal.emit(event)
    return stream.getvalue()


def progress(step: int, of: int = 1000) -> dict[str, Any]:
    wall = {"rate": 12345.6, "left": 65.0, "seconds": 1.0}
    return {
        "event": "progress",
        "step": step,
        "of": of,
        "epoch": 1.0,
        "loss": 0.25,
        "learning_rate": 1e-3,
        "wall": wall,
    }


def field(name: str, kind: str = "number", role: str = "input") -> dict[str, Any]:
    return {"name": name, "kind": kind, "role": role, "reason": "numbers with 73 different values"}


def test_scores_have_intervals_and_their_part() -> None:
    text = printed({"event": "scores", "part": "test", "scores": [SCORE], "opened": 1})
    assert "test part on 16,281 units" in text
    assert "0.8712  (0.8660 to 0.8760) share" in text
    assert "opened" not in text
    assert "opened 3 times" in printed({"event": "scores", "part": "test", "scores": [SCORE], "opened": 3})


def test_an_undefined_score_is_a_dash() -> None:
    nothing = {**SCORE, "value": None, "low": None, "high": None}
    assert "–" in printed({"event": "scores", "part": "test", "scores": [nothing], "opened": 1})


def test_a_baseline_says_who_is_better_beyond_the_interval() -> None:
    difference = {
        "name": "accuracy",
        "value": -0.0029,
        "low": -0.0068,
        "high": 0.001,
        "direction": "higher",
        "better": "neither",
    }
    event = {
        "event": "baseline",
        "name": "boosting",
        "kind": "classical",
        "scores": [SCORE],
        "differences": [difference],
    }
    assert "no clear difference: -0.0029 (-0.0068 to +0.0010)" in printed(event)
    better = {**event, "differences": [{**difference, "value": 0.02, "low": 0.01, "high": 0.03, "better": "network"}]}
    assert "the network is better: +0.020 (+0.010 to +0.030)" in printed(better)


def test_a_baseline_without_a_figure_says_so() -> None:
    score = {**SCORE, "name": "nats", "value": None, "low": None, "high": None}
    gap = {"name": "nats", "value": None, "low": None, "high": None, "direction": "lower", "better": "neither"}
    said = printed(
        {"event": "baseline", "name": "components", "kind": "classical", "scores": [score], "differences": [gap]}
    )
    assert "components (classical)" in said
    assert "has no nats to compare" in said
    assert "no clear difference" not in said


def test_a_schema_says_kind_and_reason_of_each_column() -> None:
    text = printed({"event": "schema", "fields": [field("age"), field("income", "category", "target")]})
    assert text.splitlines()[0].split("  ")[0] == "columns"
    assert "income  category  target  numbers with 73 different values" in text


def test_a_long_schema_is_abbreviated_and_keeps_the_target() -> None:
    fields = [field(f"c{i}", "category" if i % 3 else "number") for i in range(300)] + [field("y", "number", "target")]
    lines = printed({"event": "schema", "fields": fields}).splitlines()
    assert len(lines) == SHOWN_COLUMNS + 1
    assert any(line.split()[0] == "y" for line in lines)
    assert "and 277 more columns: 185 category, 92 number" in lines[-1]


def test_the_plan_is_one_line_and_what_shows_anyway_is_not_printed() -> None:
    plan = {"device": "cpu", "threads": 2, "reasons": {"device": "no CUDA device", "threads": "asked for"}}
    decision = {"event": "decision", "step": 0, "what": "plan", "value": plan, "why": "cpu, 2 threads, float32"}
    assert printed(decision) == "decision    plan: cpu, 2 threads, float32\n"
    assert printed({"event": "decision", "step": 0, "what": "horizon", "value": 3240, "why": "all epochs"}) == ""
    stopped = {
        "event": "decision",
        "step": 403,
        "what": "cool down to step",
        "value": 443,
        "why": "10 checks without gain",
    }
    said = "decision    step 403, cool down to step: 443; 10 checks without gain"
    assert printed(decision, progress(1), stopped).splitlines()[-1] == said


@pytest.mark.parametrize(
    ("wall", "said"),
    [
        (
            {"seconds": 60.0, "at_most": True, "memory": 1.1e9, "checkpoint": 12.04e6, "every": 30.0},
            "at most 1 min 00 s, 1.1 GB of memory; state saved every 30 s, 12.0 MB each",
        ),
        ({"seconds": 4.21, "at_most": False, "steps": 3240}, "about 4.2 s, 3,240 steps"),
        ({"steps": 1, "checkpoint": 900}, "1 step; state saved, 900 B each"),
    ],
)
def test_what_is_expected_is_one_line(wall: dict[str, Any], said: str) -> None:
    assert printed({"event": "expected", "wall": wall}) == f"expected    {said}\n"


def test_the_speed_that_was_reached_is_one_line() -> None:
    wall = {"rate": 5345.6, "flops_per_example": 1e7, "peak": 9.43e11, "peak_precision": "bfloat16", "share": 0.0567}
    said = "5,346 examples/s, 5.7% of the 943 GFLOP/s (bfloat16) that its matrix product reaches"
    assert printed({"event": "speed", "wall": wall}) == f"speed       {said}\n"
    assert printed({"event": "speed", "wall": {}}) == ""


def test_nothing_expected_is_nothing_said() -> None:
    assert printed({"event": "expected", "wall": {}}, {"event": "expected"}) == ""


def test_a_resumed_run_says_from_where() -> None:
    assert printed({"event": "rewind", "step": 1240, "opened": 0}) == "resumed     goes on after step 1,240\n"
    text = printed({"event": "rewind", "step": 0, "opened": 2})
    assert "begins again: no state had been saved" in text
    assert "the test part was opened 2 times before" in text


def test_the_end_says_how_the_time_was_spent() -> None:
    phases = {"read": 1.13, "train": 40.2, "other": 2.04}
    end = {"event": "end", "status": "done", "wall": {"seconds": 43.4, "peak_bytes": 583e6, "phases": phases}}
    lines = printed(end).splitlines()
    assert lines[0] == "end         done after 43 s, peak memory 583 MB"
    assert lines[1].strip() == "time: read 1.1 s, train 40 s, other 2.0 s"


def test_a_long_path_is_shown_by_its_end() -> None:
    path = "/somewhere/" + "deep/" * 20 + "data.csv"
    text = printed({"event": "run", "id": "tabular/001", "data": {"files": [{"path": path}], "rows": 3}})
    assert "deep/data.csv" in text
    assert "somewhere" not in text


def test_many_files_are_named_by_their_folder() -> None:
    files = [{"path": f"/data/pets/{kind}/{i}.png"} for kind in ("cat", "dog") for i in range(32)]
    text = printed({"event": "run", "id": "i/001", "data": {"files": files, "file_count": 900, "rows": 900}})
    assert "900 files in /data/pets/ · 900 rows" in text


def test_plain_progress_is_at_most_one_line_in_ten_seconds_and_the_last() -> None:
    stream, clock = io.StringIO(), Clock()
    terminal = Terminal("auto", stream, clock)
    for step in range(1, 101):
        terminal.emit(progress(step, 100))
        clock.now += 0.25
    lines = stream.getvalue().splitlines()
    assert [line.split()[2] for line in lines] == ["1/100", "41/100", "81/100", "100/100"]
    assert "loss 0.2500" in lines[0]
    assert "1 min 05 s left" in lines[0]
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_the_live_line_is_rewritten_in_place_and_gives_way_to_text() -> None:
    stream, clock = Screen(), Clock()
    terminal = Terminal("auto", stream, clock)
    terminal.emit({"event": "check", "step": 1, "values": {"accuracy": 0.9}, "chosen": "ema", "best": True})
    for step in (1, 2, 3):
        terminal.emit(progress(step))
        clock.now += 1
    terminal.emit(VERDICT)
    text = stream.getvalue()
    assert text.count("\r\x1b[2K") == 4  # three draws and one erasure before the verdict
    assert "\n" not in text[: text.index("verdict")]
    assert "select accuracy 0.9000" in text


@given(
    st.lists(st.text("abc 0", min_size=1, max_size=30), max_size=5),
    st.none() | st.floats(-0.5, 1.5),
    st.integers(10, 200),
)
def test_the_live_line_never_wraps(facts: list[str], share: float | None, width: int) -> None:
    assert len(fit_line("step 1/2", facts, share, width)) <= width


def test_json_mode_gives_back_the_events() -> None:
    events = [{"event": "run", "task": "größe\n"}, progress(1), VERDICT]
    assert [json.loads(line) for line in printed(*events, mode="json").splitlines()] == events


def test_quiet_mode_says_the_verdict_and_failures_only() -> None:
    end = {"event": "end", "status": "done", "wall": {"seconds": 3.0}}
    failed = {"event": "end", "status": "failed", "reason": "the loss is not finite"}
    shown = printed({"event": "run", "task": "tabular"}, progress(1), VERDICT, end, mode="quiet")
    assert shown == "verdict     The network reaches accuracy 0.871.\n"
    assert "failed: the loss is not finite" in printed(failed, mode="quiet")


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
@pytest.mark.parametrize(
    "name", ["\x1b[2J\x1b[31mred", "[bold red]x[/]", "a\nb\rc", "\u202egpj.exe", "\x07\x9b5n", "\ud800"]
)
def test_names_from_data_cannot_act_on_the_terminal(stream: type[io.StringIO], name: str) -> None:
    def shown(text: str) -> str:
        events = [
            {"event": "run", "id": text, "task": text, "data": {"files": [{"path": text}]}},
            {"event": "schema", "fields": [{"name": text, "kind": "number", "role": text, "reason": text}]},
            {"event": "parts", "counts": {text: 1}, "reason": text, "notes": [text]},
            {"event": "rejected", "read": 2, "count": 1, "rows": [{"where": text, "reason": text}]},
            {"event": "decision", "step": 1, "what": text, "value": {text: [text]}, "why": text},
            {"event": "scores", "part": text, "scores": [{**SCORE, "name": text, "unit": text}], "opened": 1},
            {"event": "baseline", "name": text, "kind": "trivial", "scores": [{**SCORE, "name": text}], "differences": []},
            {"event": "verdict", "text": text}, {"event": "note", "text": text},
            {"event": "rewind", "step": text, "opened": 0}, {"event": "end", "wall": {"seconds": 1, "phases": {text: 1.0}}},
            {"event": "bundle", "path": text, "bytes": 1, "sha256": "00"}, {"event": "end", "status": text, "reason": text},
        ]  # fmt: skip
        return printed(*events, stream=stream())

    raw, harmless = shown(name), shown("harmless")
    codes = [c for c in raw if ord(c) < 32 and c != "\n"]
    assert set(codes) <= set(harmless)
    assert not set(raw) & set("\r\x07\x9b\u202e\ud800")
    assert name not in raw or name.startswith("[bold")
    if stream is io.StringIO:
        assert "\x1b" not in raw
        assert raw.count("\n") == harmless.count("\n")


def test_letters_the_terminal_lacks_become_question_marks() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="ascii", write_through=True)
    Terminal("auto", stream).emit({"event": "parts", "counts": {"größe": 3}, "reason": "日本"})
    assert b"gr??e 3" in buffer.getvalue()


def test_an_unknown_mode_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'quiet'"):
        Terminal("queit")


def test_unknown_and_bare_events_are_no_harm() -> None:
    kinds = ["run", "schema", "parts", "rejected", "columns", "network", "decision", "progress", "check", "phase", "figure",
             "calibration", "scores", "baseline", "examples", "verdict", "bundle", "end", "note", "expected", "speed",
             "rewind", "brand new"]  # fmt: skip
    for stream in (io.StringIO(), Screen()):
        printed(*[{"event": kind} for kind in kinds], stream=stream)
