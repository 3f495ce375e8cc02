"""The rows of `python -m benchmarks`: a whole command on small data, and what the table says of it."""

import numpy as np
from benchmarks.outcomes import Outcome, Row, spread, trained
from benchmarks.rows import ROWS


def test_a_row_of_training_tells_the_metric_the_baselines_and_the_wall_time(tmp_path):
    draws = np.random.default_rng(0)
    x = draws.normal(size=(300, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in x]
    path = tmp_path / "small.csv"
    path.write_text("\n".join(["a,b,answer", *lines]))
    intervals, metric, wall = trained(
        [str(path), "--target", "answer", "--steps", "60"], "60s", "accuracy", ">= 0.8", most_seeds=1
    )(3)
    assert metric.figure.startswith("accuracy")
    assert metric.goal == ">= 0.8"
    assert 0.8 <= float(metric.seen) <= 1.0  # one seed, so no range
    assert "majority" in metric.beside
    assert "boosting" in metric.beside
    assert intervals.seen.count(" to ") == 1
    assert intervals.beside
    assert wall.goal == "<= 60s"
    assert wall.seen.endswith(" s")


def test_an_outcome_reads_scores_and_intervals_from_the_record():
    score = {"name": "mse", "value": 0.4, "low": 0.3, "high": 0.5}
    outcome = Outcome([{"event": "scores", "scores": [score]}, {"event": "verdict", "text": "the network wins"}], 1.0)
    assert outcome.score("mse") == 0.4
    assert outcome.interval("mse")["high"] == 0.5
    assert outcome.beaten() == "the network wins"


def test_spread_tells_mean_and_range():
    assert spread([0.5]) == "0.5000"
    assert spread([1.0, 3.0], "{:.1f}") == "2.0 (1.0 to 3.0, 2 seeds)"


def test_every_row_is_a_check():
    assert all(callable(check) for check in ROWS.values())
    assert Row("a", "b", "c").beside == ""
