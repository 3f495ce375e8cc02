"""Questions to series: what comes next, from a file, from the kept rows, and from both."""

import numpy as np
import pytest
from tests.data.series.made_series import SCHEMA, every, fitted, objects, own, table, times

from deepwell.core.errors import DataError
from deepwell.core.table import Part, Table
from deepwell.data.series.pipeline import SeriesPipeline, Wanted


def test_a_question_goes_on_after_the_last_value_of_each_series():
    data = table((40, 25))
    pipeline = fitted(data)
    ahead = [Table({
        "t": times(range(n, n + 3)), "s": objects([s] * 3), "y": np.full(3, np.nan), "x": np.full(3, np.nan),
        "k": np.arange(n, n + 3) % 5 * 1.0, "c": objects([c] * 3),
    }) for n, s, c in ((40, "a", "red"), (25, "b", "blue"))]  # fmt: skip
    asked = Table({n: np.concatenate([data[n], *(more[n] for more in ahead)]) for n in data.names})
    windows = pipeline.windows(Part("predict", asked))
    batch = every(windows)
    assert pipeline.times(batch.arrays["origin"]).tolist() == times([40, 25]).tolist()
    assert "future" not in batch.arrays
    calendar = 2 * len(pipeline.calendar_)
    k = pipeline.fields_.kinds_["k"].decode(batch.arrays["future.known"][..., calendar])
    np.testing.assert_allclose(k, [[0, 1, 2], [0, 1, 2]], atol=1e-4)
    # Without what is known ahead there is no answer, and the reason is said.
    bare = pipeline.windows(Part("predict", data))
    assert bare.count == 0
    assert "the column 'k' is known ahead, so its values are needed for the 3 steps" in next(
        iter(bare.problems.values())
    )
    # A future value of what is not known ahead is refused.
    x = asked["x"].copy()
    x[-1] = 7.0
    with pytest.raises(DataError, match="'x' has a value after the last known 'y' of the series 'b'"):
        pipeline.windows(Part("predict", asked.with_columns({"x": x})))
    # A history shorter than the context is padded; a new series has scales of its own.
    new = asked.take(np.concatenate([np.arange(36, 40), np.arange(65, 68)])).with_columns({"s": objects(["z"] * 7)})
    batch = every(pipeline.windows(Part("predict", new)))
    assert batch.arrays["past.seen"][0, :, 0].tolist() == [0, 0, 1, 1, 1, 1]
    assert batch.arrays["series"].tolist() == [-1]
    assert pipeline.names_of(batch).tolist() == [["z"]]
    np.testing.assert_allclose(own(batch, "past")[0, 2:, 0], data["y"][36:40], rtol=1e-5)


def test_the_tail_is_kept_in_the_bundle_and_asked_where_no_rows_are_given():
    data = table((40, 25))
    train, test = data.take(data["x"] < 20), data.take(data["x"] >= 20)
    pipeline = fitted(train)
    pipeline.windows(Part("train", train))
    pipeline.windows(Part("test", test, train))
    kept = pipeline.kept()
    again = SeriesPipeline(SCHEMA, Wanted(3, 6)).restore(pipeline.state())
    again.restore_kept(kept)
    assert again.state() == pipeline.state()
    tail = again.tail_
    assert tail["t"].tolist() == times([*range(34, 40), *range(19, 25)]).tolist()
    np.testing.assert_array_equal(tail["y"], data["y"][[*range(34, 40), *range(59, 65)]])
    assert tail["c"].tolist() == ["red"] * 6 + ["blue"] * 6
    # A later look at other rows does not change what a sealed model goes on from.
    again.windows(Part("test", test))
    assert again.tail_ is tail
    # What is known ahead may be given alone.
    ahead = Table({
        "t": times(range(40, 43)), "s": objects(["a"] * 3), "y": np.full(3, np.nan), "x": np.full(3, np.nan),
        "k": np.zeros(3), "c": objects(["red"] * 3),
    })  # fmt: skip
    batch = every(again.windows(Part("predict", ahead)))
    assert pipeline.times(batch.arrays["origin"]).tolist() == times([40]).tolist()
    np.testing.assert_allclose(own(batch, "past")[0, :, 0], data["y"][34:40], rtol=1e-5)
    assert fitted(train, tail=False).windows(Part("train", train)).count
    private = fitted(train, tail=False)
    private.windows(Part("train", train))
    assert private.kept() == {}


def sealed(data, schema=SCHEMA):
    """A pipeline as out of a bundle, with the tail of its training."""
    pipeline = SeriesPipeline(schema, Wanted(3, 6)).fit(data)
    pipeline.windows(Part("train", data))
    again = SeriesPipeline(schema, Wanted(3, 6)).restore(pipeline.state())
    again.restore_kept(pipeline.kept())
    return again


def ahead(hours, name, k=0.0, y=np.nan):
    n = len(hours)
    return {
        "t": times(hours), "s": objects([name] * n), "y": np.full(n, y), "x": np.full(n, np.nan),
        "k": np.full(n, k), "c": objects(["red"] * n),
    }  # fmt: skip


def joined(*parts):
    return Table({n: np.concatenate([part[n] for part in parts]) for n in parts[0]})


def test_each_series_of_a_question_without_a_value_goes_on_from_its_tail():
    pipeline = sealed(table((40, 40)))
    told = joined(ahead(range(40, 41), "a", y=7.0), ahead(range(41, 44), "a"), ahead(range(40, 43), "b"))
    windows = pipeline.windows(Part("predict", told))
    batch = every(windows)
    names = pipeline.names_of(batch)[:, 0].tolist()
    assert dict(zip(names, pipeline.times(batch.arrays["origin"]), strict=True)) == {
        "a": times([41])[0], "b": times([40])[0]
    }  # fmt: skip
    seen = dict(zip(names, batch.arrays["past.seen"][:, :, 0].tolist(), strict=True))
    assert seen == {"a": [0] * 5 + [1], "b": [1] * 6}
    # A series that nobody knows has its reason, and the others their answers.
    more = joined(told.columns, ahead(range(40, 43), "z"), ahead(range(40, 43), "q"))
    windows = pipeline.windows(Part("predict", more))
    assert windows.count == 2
    said = [f"no value is known of the series {name!r}: give its last 'y'" for name in "zq"]
    assert sorted(windows.problems.values()) == sorted(said)
    assert pipeline.windows(Part("predict", told.take(np.zeros(0, int)))).count == 0


def test_what_is_known_ahead_may_be_given_anew():
    """A plan changes after training: the question counts, not what the kept rows had planned."""
    data = joined(table((40, 40)).columns, ahead(range(40, 43), "a", 1.0))
    pipeline = sealed(data)
    place = 2 * len(pipeline.calendar_)

    def planned(rows):
        batch = every(pipeline.windows(Part("predict", rows)))
        assert pipeline.times(batch.arrays["origin"]).tolist() == times([40]).tolist()
        return pipeline.fields_.kinds_["k"].decode(batch.arrays["future.known"][0, :, place]).tolist()

    assert planned(pipeline.question) == pytest.approx([1, 1, 1], abs=1e-5)
    assert planned(Table(ahead(range(40, 43), "a", 4.0))) == pytest.approx([4, 4, 4], abs=1e-5)
    assert planned(Table(ahead(range(41, 42), "a", 3.0))) == pytest.approx([1, 3, 1], abs=1e-5)
