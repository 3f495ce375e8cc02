"""The plan is measured on copies: what is fastest wins, bfloat16 only if it trains alike, and the run is left as it was."""

import math
from dataclasses import replace

import pytest
import torch
from tests.training.test_loop import Net, data, job
from torch import nn

from deepwell.training import halves, probe
from deepwell.training.plan import Plan

FIELDS = ("threads", "precision", "channels_last", "fused", "compile")
MACHINE = {(2, "bfloat16"): 0.01, (1, "bfloat16"): 0.018, (2, "float32"): 0.03, (1, "float32"): 0.05}
TRACKS = halves.Verdict(True, "it tracks")


class Picture(nn.Module):
    """One convolution, for the question of layout; never run here."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(1, 4, 3)


class Pretended:
    """A trial whose step takes as long as a function of its plan says."""

    made: list["Pretended"]

    def __init__(self, asked, plan):
        self.plan, self.failed, self.turns, self.steps = plan, False, 0, 0
        self.made.append(self)

    def turn(self, end, best):
        self.turns += 1
        self.failed = self.second() is None

    def step(self):
        self.steps += 1
        return 12.0

    def second(self):
        return self.takes(self.plan)

    @property
    def median(self):
        return self.second() if self.turns and not self.failed else math.inf

    @property
    def least(self):
        return self.undisturbed(self.plan) or self.second()

    @property
    def rate(self):
        return self.plan.batch_size / self.median


@pytest.fixture
def machine(monkeypatch):
    """machine(takes, verdict, undisturbed): steps take takes(plan) seconds (None: they fail), the best of them
    undisturbed(plan); bfloat16 is judged as the verdict says."""

    def set_up(takes, verdict=TRACKS, undisturbed=lambda plan: None):
        members = {"made": [], "takes": staticmethod(takes), "undisturbed": staticmethod(undisturbed)}
        trial = type("Trial", (Pretended,), members)
        monkeypatch.setattr(probe, "Trial", trial)
        monkeypatch.setattr(probe, "has_bfloat16", lambda device: True)
        monkeypatch.setattr(halves, "tracks", lambda *asked: verdict)
        return trial.made

    return set_up


def by_table(table=MACHINE, layout=1.0, unfused=1.0, compiled=1.0):
    """Seconds by threads and precision, times a factor for each further field that is set the other way."""

    def takes(plan):
        factor = (layout if plan.channels_last else 1.0) * (1.0 if plan.fused else unfused)
        return table[plan.threads, plan.precision] * factor * (compiled if plan.compile else 1.0)

    return takes


def asked(network=None, **plan):
    given = {"threads": 2, "batch_size": 100, "reasons": {"threads": "torch's default"}, **plan}
    return job(network or Net(), plan=Plan(**given))


def chosen(plan):
    return plan.threads, plan.precision


@pytest.mark.parametrize("rule", ["float32", "bfloat16"])
@pytest.mark.parametrize("best", list(MACHINE))
def test_the_fastest_of_threads_and_precision_is_taken(machine, rule, best) -> None:
    machine(by_table(MACHINE | {best: 0.004}))
    plan, measured = probe.measure(asked(precision=rule), 10.0)
    assert chosen(plan) == best
    assert measured.rate == pytest.approx(100 / 0.004)
    assert len(measured.others) == 4, "three others, and the optimiser in several passes"


def test_figures_are_told_in_words(machine) -> None:
    machine(by_table())
    plan, measured = probe.measure(asked(Picture(), precision="bfloat16", channels_last=True), 10.0, ("fused",))
    said = "2 threads, bfloat16, channels-last: 10,000 rows/s; 1 thread 5,556; float32 3,333; 1 thread, float32 2,000; "
    assert str(measured).startswith(said + "channels-first 10,000 (measured in ")
    assert plan.reasons["threads"] == "measured: 10,000 rows/s; 1 thread 5,556"
    assert plan.reasons["precision"] == "measured: 10,000 rows/s; float32 3,333; it tracks"
    assert plan.reasons["channels_last"] == "measured: 10,000 rows/s; channels-first 10,000"
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (halves.Verdict(False, "the loss is 3% off"), "bfloat16 is not taken: the loss is 3% off"),
        (halves.Verdict(None, "no time"), "bfloat16 is not taken: no time"),
    ],
)
def test_bfloat16_that_does_not_track_is_not_taken(machine, verdict, why) -> None:
    machine(by_table(MACHINE | {(1, "float32"): 0.02}), verdict)
    plan, measured = probe.measure(asked(), 10.0)
    assert chosen(plan) == (1, "float32"), "the threads that are best for float32"
    assert plan.reasons["precision"] == why
    assert plan.reasons["threads"] == "measured: 5,000 rows/s; 2 threads 3,333"
    assert measured.rate == pytest.approx(5000)
    assert measured.others["2 threads, bfloat16"] == pytest.approx(10000)


def test_little_gain_is_no_reason_to_leave_float32_or_the_rule(machine) -> None:
    machine(lambda plan: {1: 0.0098, 2: 0.0100}[plan.threads] * {"float32": 1.0, "bfloat16": 0.97}[plan.precision])
    assert chosen(probe.measure(asked(), 10.0)[0]) == (2, "float32")
    assert chosen(probe.measure(asked(precision="bfloat16"), 10.0)[0]) == (2, "float32")


def test_what_is_fixed_stays(machine) -> None:
    made = machine(by_table())
    start = asked(Picture(), threads=1, reasons={"threads": "asked for"})
    plan, measured = probe.measure(start, 10.0, FIELDS)
    assert plan == start.plan
    assert measured.rate == pytest.approx(2000), "its speed is known all the same"
    plan, _ = probe.measure(replace(start, plan=replace(start.plan, threads=2)), 10.0, ("threads",))
    assert chosen(plan) == (2, "bfloat16")
    assert {trial.plan.threads for trial in made[1:]} == {2}


def test_layout_and_optimiser_are_tried_the_other_way_round(machine) -> None:
    machine(by_table(layout=2.0, unfused=0.5))
    plan, measured = probe.measure(asked(Picture(), channels_last=True), 10.0)
    assert (plan.channels_last, plan.fused) == (False, False)
    assert measured.rate == pytest.approx(20000)
    machine(by_table(layout=0.5))
    assert probe.measure(asked(Picture()), 10.0)[0].channels_last
    made = machine(by_table(layout=0.5))
    assert not probe.measure(asked(Net()), 10.0)[0].channels_last, "no pictures"
    assert not any(trial.plan.channels_last for trial in made)


def test_layout_changes_only_where_the_best_steps_agree_with_the_medians(machine) -> None:
    machine(by_table(layout=0.5), undisturbed=lambda plan: 0.009)
    assert not probe.measure(asked(Picture()), 10.0)[0].channels_last, "the medians were another process's doing"


def test_the_network_is_compiled_only_where_the_time_repays_it(machine, monkeypatch) -> None:
    monkeypatch.setattr(probe.compiling, "obstacle", lambda device: "")
    made = machine(by_table(compiled=0.5))
    plan, _ = probe.measure(asked(), 5.0)
    assert not plan.compile
    assert plan.reasons["compile"].startswith("not tried: it takes about 2")
    plan, measured = probe.measure(asked(), 100.0)
    assert plan.compile
    assert made[-1].steps == 1, "the step that compiles is not timed"
    assert plan.reasons["compile"] == "measured: 20,000 rows/s; not compiled 10,000; compiling took 12 s"
    assert "compiled" in str(measured)
    machine(by_table(compiled=1.1))
    plan, _ = probe.measure(asked(), 100.0)
    assert not plan.compile
    assert plan.reasons["compile"] == "measured: 10,000 rows/s; compiled 9,091; compiling took 12 s"
    monkeypatch.setattr(probe.compiling, "obstacle", lambda device: "no C++ compiler was found")
    assert probe.measure(asked(), 100.0)[0].reasons["compile"] == "not tried: no C++ compiler was found"


def test_what_cannot_be_compiled_is_trained_as_it_is(machine, monkeypatch) -> None:
    def fail(self):
        raise probe.compiling.errors()[0]("no such kernel\nand a long trace")

    monkeypatch.setattr(probe.compiling, "obstacle", lambda device: "")
    machine(by_table())
    monkeypatch.setattr(probe.Trial, "step", fail)
    plan, measured = probe.measure(asked(), 100.0)
    assert not plan.compile
    assert plan.reasons["compile"] == "not possible here: no such kernel"
    assert measured.rate == pytest.approx(10000)


def test_a_candidate_that_fails_is_left_out(machine) -> None:
    takes = by_table()
    machine(lambda plan: None if plan.precision == "bfloat16" else takes(plan))
    assert chosen(probe.measure(asked(precision="bfloat16"), 10.0)[0]) == (2, "float32")
    machine(lambda plan: None)
    start = asked(precision="bfloat16")
    plan, measured = probe.measure(start, 10.0)
    assert plan == start.plan, "training will say what is wrong"
    assert str(measured) == "not measured"


def test_the_slow_get_no_second_turn(machine) -> None:
    made = machine(by_table())
    probe.measure(asked(), 10.0, ("fused", "compile"))
    assert {(t.plan.threads, t.plan.precision): t.turns for t in made} == {
        (2, "bfloat16"): 1, (1, "bfloat16"): 1, (2, "float32"): 1, (1, "float32"): 1,
    }  # fmt: skip
    made = machine(by_table(dict.fromkeys(MACHINE, 0.01)))
    probe.measure(asked(), 10.0, ("fused", "compile"))
    assert [t.turns for t in made] == [probe.ROUNDS] * 4


def test_without_time_the_plan_stays(machine) -> None:
    machine(by_table())
    start = asked()
    plan, measured = probe.measure(start, 0.0)
    assert (plan, measured.rate) == (start.plan, 0.0)


def test_self_made_data_are_not_stepped_through() -> None:
    endless = data()
    endless.count = None
    start = replace(asked(), examples=endless)
    plan, measured = probe.measure(start, 5.0, ("precision",))
    assert (chosen(plan), str(measured)) == ((2, "float32"), "not measured")
    assert plan.reasons == {"threads": "not measured: steps would change self-made data"}
    assert probe.threads(start, 5.0, 2) == (2, probe.Measured())


def test_measuring_for_real_changes_nothing() -> None:
    start = asked(Net(8), fused=False)
    before = {n: t.clone() for n, t in start.network.state_dict().items()}
    now = torch.get_num_threads()
    plan, measured = probe.measure(start, 2.0)
    assert torch.get_num_threads() == now
    assert all(torch.equal(t, before[n]) for n, t in start.network.state_dict().items())
    assert start.sink.events == []
    assert measured.rate > 0
    assert replace(plan, threads=2, precision="float32", reasons={}) == replace(start.plan, reasons={})
    assert {"threads", "compile"} <= set(plan.reasons)


@pytest.mark.parametrize(("now", "table", "best"), [(2, {1: 0.1, 2: 1.7}, 1), (1, {1: 0.1, 2: 0.06}, 2)])
def test_threads_are_asked_again_in_a_long_run(machine, now, table, best) -> None:
    made = machine(lambda plan: table[plan.threads])
    start = asked(threads=now, precision="bfloat16")
    count, measured = probe.threads(start, 10.0, most=2)
    assert count == best
    assert str(measured).startswith(f"{best} thread")
    assert {trial.plan.precision for trial in made} == {"bfloat16"}, "nothing else changes"
    assert measured.rate == pytest.approx(100 / table[best])


def test_one_figure_alone_changes_no_threads(machine) -> None:
    machine(lambda plan: 0.1 if plan.threads == 1 else None)
    assert probe.threads(asked(), 10.0, most=2) == (2, probe.Measured())


def test_threads_stay_where_there_is_nothing_to_choose(machine) -> None:
    made = machine(by_table())
    assert probe.threads(asked(threads=1), 10.0, most=1) == (1, probe.Measured())
    assert probe.threads(asked(device="cuda"), 10.0, most=2) == (2, probe.Measured())
    assert probe.threads(asked(), 0.0, most=2) == (2, probe.Measured())
    assert not [trial for trial in made if trial.turns]
