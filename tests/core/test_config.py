"""Knobs: one declaration, its limits, and the texts of what breaks them."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from deepwell.core.config import Knob, NoRequest, Recipe, make, options, to_json
from deepwell.core.errors import ConfigError


@dataclass(frozen=True)
class Asked:
    """Knobs of every type."""

    count: Annotated[int, Knob("how many", "pieces", 1, 10)] = 3
    share: Annotated[float, Knob("how much", "", 0.0)] = 0.5
    loud: Annotated[bool, Knob("whether to shout")] = False
    colour: Annotated[str, Knob("which", choices=("red", "blue"))] = "red"
    hidden: int = 7


def test_only_knobs_are_options() -> None:
    assert [o.name for o in options(Asked)] == ["count", "share", "loud", "colour"]
    assert options(NoRequest) == []


def test_text_and_values_are_read_alike() -> None:
    text = make(Asked, {"count": "4", "share": "0.25", "loud": "yes", "colour": "blue"})
    assert (
        text == make(Asked, {"count": 4, "share": 0.25, "loud": True, "colour": "blue"}) == Asked(4, 0.25, True, "blue")
    )
    assert make(Asked, to_json(text)) == text


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("count", "x", "count must be a whole number from 1 to 10; got 'x'"),
        ("count", 0, "count must be a whole number from 1 to 10; got 0"),
        ("count", 1.5, "count must be a whole number from 1 to 10; got 1.5"),
        ("count", True, "count must be a whole number from 1 to 10; got True"),
        ("share", "-1", "share must be a number of at least 0; got '-1'"),
        ("share", "nan", "share must be a number of at least 0; got 'nan'"),
        ("loud", "maybe", "loud must be true or false; got 'maybe'"),
        ("colour", "blu", "colour must be one of 'red', 'blue'; got 'blu'; did you mean 'blue'?"),
        ("cout", 1, "there is no knob 'cout'; did you mean 'count'?"),
        ("hidden", 1, "there is no knob 'hidden'; known: "),
    ],
)
def test_a_bad_value_is_refused_in_one_form_of_sentence(name: str, value: object, must: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(Asked, {name: value})
    assert must in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"no knob 'a'.*; count must be.*; share must be"):
        make(Asked, {"a": 1, "count": 0, "share": -1})


def test_defaults_of_the_recipe_are_within_their_own_limits() -> None:
    assert make(Recipe, to_json(Recipe())) == Recipe()


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("optimiser", "adamv", "one of 'adamw', 'adam', 'sgd', 'rmsprop', 'muon'; got 'adamv'; did you mean 'adam"),
        ("optimiser", "muom", "did you mean 'muon'?"),
        ("schedule", "onecycle", "did you mean 'one-cycle'?"),
        ("momentum", "1", "momentum must be a number from 0 to 0.999, or none; got '1'"),
    ],
)
def test_recipe_names_what_is_nearest(name: str, value: str, must: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(Recipe, {name: value})
    assert must in str(caught.value)


def test_momentum_may_be_left_to_the_optimiser() -> None:
    assert make(Recipe, {"momentum": "none"}).momentum is None
    assert make(Recipe, {"momentum": "0.5"}).momentum == 0.5


def test_an_optional_knob_takes_none() -> None:
    @dataclass(frozen=True)
    class Question:
        top: Annotated[int | None, Knob("tokens to choose from", low=1)] = None

    assert make(Question, {"top": "5"}).top == 5
    assert make(Question, {"top": "none"}).top is None
    with pytest.raises(ConfigError, match="top must be a whole number of at least 1, or none; got '0'"):
        make(Question, {"top": "0"})
