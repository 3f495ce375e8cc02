"""Which tables are series: regular times that are another one in each row; a date alone is one more property."""

import numpy as np
import pytest

from deepwell.core.errors import DataError
from deepwell.core.table import Table
from deepwell.data.recognition import Edits, recognise
from deepwell.data.series.frequency import settled

DRAWS = np.random.default_rng(0)


def objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def days(count, start="2024-01-01"):
    return np.datetime_as_string(np.datetime64(start) + np.arange(count)).astype(object)


def roles(schema):
    return {f.name: f.role for f in schema.fields}


def wide(count=60):
    return {"day": days(count), "load": DRAWS.normal(size=count), "wind": DRAWS.normal(size=count)}


def test_one_series_with_several_numbers_forecasts_all_of_them():
    schema = recognise(Table(wide()))
    assert roles(schema) == {"day": "order", "load": "target", "wind": "target"}
    assert settled(schema["day"].facts).words == "daily"
    assert schema["day"].facts["steps"] == 60
    assert schema["day"].reason == "the times, daily from 2024-01-01 to 2024-02-29; one series"


def test_a_given_target_leaves_the_others_as_inputs():
    assert roles(recognise(Table(wide()), Edits(("load",)))) == {"day": "order", "load": "target", "wind": "input"}
    edits = Edits(("load",), roles={"wind": "known_future"})
    assert roles(recognise(Table(wide()), edits))["wind"] == "known_future"


def test_labels_that_only_judge_stand_beside_series():
    labels = np.where(np.arange(60) % 20 == 0, "odd", "fine").astype(object)
    data = Table({**wide(), "state": labels})
    edits = Edits(("state",), learnt=False)
    assert roles(recognise(data, edits)) == {"day": "order", "load": "input", "wind": "input", "state": "target"}
    assert roles(recognise(data, Edits(("state",))))["day"] == "ignore"
    assert set(roles(recognise(Table(wide()), Edits(learnt=False))).values()) == {"order", "input"}
    aside = Edits(("state",), roles={"day": "ignore"}, learnt=False)
    assert roles(recognise(data, aside))["day"] == "ignore"


def test_numbers_that_nobody_named_are_no_labels():
    halves = np.tile([0.0, 0.5, 1.0], 20)
    for data in ({"x": DRAWS.normal(size=60), "y": halves}, {**wide(), "label": halves}):
        name = list(data)[-1]
        assert roles(recognise(Table(data), Edits(learnt=False)))[name] == "input"
        assert roles(recognise(Table(data), Edits((name,), learnt=False)))[name] == "target"
        assert roles(recognise(Table(data)))[name] == "target"
    classes = {"x": DRAWS.normal(size=60), "y": np.tile([0, 1], 30)}
    assert roles(recognise(Table(classes), Edits(learnt=False)))["y"] == "target"


@pytest.mark.parametrize("name", ["shop", "shop number"])
def test_long_tables_are_told_apart_by_the_column_that_makes_times_unique(name):
    shops = np.repeat(np.arange(5), 40)
    column = objects([f"s{s}" for s in shops]) if name == "shop" else shops
    data = {"day": np.tile(days(40), 5), name: column, "sold": DRAWS.normal(size=200), "size": shops * 1.5}
    schema = recognise(Table(data))
    assert roles(schema) == {"day": "order", name: "group", "sold": "target", "size": "input"}
    assert schema[name].kind == "category"
    assert f"5 series by {name!r}" in schema["day"].reason


def test_two_columns_may_name_the_series():
    shop, item = np.repeat(np.arange(3), 80), np.tile(np.repeat(np.arange(2), 40), 3)
    data = {
        "day": np.tile(days(40), 6),
        "shop": objects([f"s{s}" for s in shop]),
        "item": objects([f"i{i}" for i in item]),
    }
    schema = recognise(Table({**data, "sold": DRAWS.normal(size=240)}))
    assert [f.name for f in schema.of("group")] == ["item", "shop"] or [f.name for f in schema.of("group")] == [
        "shop",
        "item",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"day": objects([f"2024-01-{i % 28 + 1:02}" for i in range(60)])},  # several rows of a day
        {
            "day": np.datetime_as_string(np.datetime64("2024-01-01") + np.sort(DRAWS.choice(5000, 60, False))).astype(
                object
            )
        },
        {"load": objects(["high", "low"] * 30)},  # a class to predict
    ],
)
def test_other_tables_with_dates_stay_what_they_were(change):
    schema = recognise(Table({**wide(), **change}), Edits(("load",)))
    assert roles(schema)["day"] == "ignore"
    assert "dates or times as text" in schema["day"].reason


def test_gaps_are_counted_and_years_are_times():
    kept = np.delete(np.arange(60), [5, 6, 30])
    schema = recognise(Table({n: c[kept] for n, c in wide().items()}))
    assert "3 moments in between have no row" in schema["day"].reason
    utc = np.datetime64("2024-03-30T00", "s") + 3600 * np.arange(48)  # the clock of Berlin was set forward at 01:00 UTC
    berlin = [f"{t + 3600 * (1 + late)}+0{1 + late}:00" for t, late in zip(utc, np.arange(48) >= 25, strict=True)]
    moved = recognise(Table({"t": objects(berlin), "y": DRAWS.normal(size=48)}))["t"].reason
    assert "hourly from 2024-03-30T00:00:00Z to 2024-03-31T23:00:00Z" in moved
    assert "written with several offsets from UTC, and turned into UTC" in moved
    yearly = Table({"year": np.arange(1900, 1960), "rain": DRAWS.normal(size=60)})
    assert settled(recognise(yearly)["year"].facts).words == "yearly"
    plain = Table({"x": np.arange(60) * 1.0, "rain": DRAWS.normal(size=60)})
    assert roles(recognise(plain))["x"] != "order"


def test_what_the_user_says_wins():
    data = Table({**wide(), "hour": np.arange(60) * 3600 + 1_700_000_000})
    schema = recognise(data, Edits(kinds={"hour": "time"}))
    assert roles(schema)["hour"] == "order"
    assert settled(schema["hour"].facts).words == "hourly"
    step = recognise(Table({"t": np.arange(60) * 10, "y": DRAWS.normal(size=60)}), Edits(roles={"t": "order"}))
    assert (step["t"].kind, settled(step["t"].facts).step) == ("number", 10)
    assert roles(recognise(Table(wide()), Edits(roles={"day": "ignore"})))["day"] == "ignore"
    doubled = Table({"day": np.tile(days(30), 2), "y": DRAWS.normal(size=60)})
    asked = recognise(doubled, Edits(roles={"day": "order"}))
    assert asked["day"].role == "order"  # the pipeline will name the two rows
    bad = recognise(
        Table({"day": objects(["red", "blue"] * 30), "y": DRAWS.normal(size=60)}), Edits(roles={"day": "order"})
    )
    assert "cannot be read" in bad["day"].reason
    with pytest.raises(DataError, match="'known_futur' is not a role; did you mean 'known_future'"):
        recognise(Table(wide()), Edits(roles={"wind": "known_futur"}))


def test_a_few_doubled_moments_are_a_mistake_in_a_series_and_many_are_none():
    few = Table({"day": objects([*days(60), days(60)[7]]), "load": DRAWS.normal(size=61)})
    assert roles(recognise(few))["day"] == "order"
    many = Table({"day": objects([*days(60), *days(10)]), "load": DRAWS.normal(size=70)})
    assert roles(recognise(many))["day"] == "ignore"


@pytest.mark.parametrize("number", [100, "s1"])
def test_a_doubled_row_of_many_series_is_a_mistake_too(number):
    """The table stays one of series, and the pipeline names both rows."""
    shop = np.repeat(np.arange(4), 60)
    shop = shop + 100 if number == 100 else objects([f"s{s}" for s in shop])
    data = {"day": np.tile(days(60), 4), "shop": shop, "sold": DRAWS.normal(size=240), "heat": DRAWS.normal(size=240)}
    twice = Table(data).take(np.array([*range(240), 17]))
    schema = recognise(twice)
    assert roles(schema) == {"day": "order", "shop": "group", "sold": "target", "heat": "target"}
    assert "1 row stands at a time that has one already; 4 series by 'shop'" in schema["day"].reason


def test_naming_the_times_does_not_hide_the_series():
    data = Table({"day": np.tile(days(60), 4), "shop": np.repeat(np.arange(4), 60), "sold": DRAWS.normal(size=240)})
    assert recognise(data, Edits(roles={"day": "order"}))["shop"].role == "group"


def test_a_name_may_say_that_a_column_is_known_ahead():
    schema = recognise(Table({**wide(), "price.ahead": DRAWS.normal(size=60)}))
    assert roles(schema) == {"day": "order", "load": "target", "wind": "target", "price.ahead": "known_future"}
    assert schema["price.ahead"].reason.startswith("its name says that it is known ahead")
    assert (
        roles(recognise(Table({**wide(), "price.ahead": np.ones(60)}), Edits(roles={"price.ahead": "ignore"})))[
            "price.ahead"
        ]
        == "ignore"
    )
