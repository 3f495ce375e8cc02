"""Which metrics suit which targets, and that their lines are those of the metrics themselves."""

import numpy as np
import pytest

from deepwell.metrics import texts


@pytest.mark.parametrize(
    ("source", "target", "style"),
    [(12.0, 11.0, "translations"), (170.0, 20.0, "summaries"), (120.0, 3.0, "answers"), (6.0, 10.0, "translations")],
)
def test_the_style_follows_from_lengths(source, target, style):
    assert texts.style(source, target) == style


def test_every_metric_of_every_style_is_measured_and_reaches_its_best():
    said = ["The cat sat on the mat.", "A dog ran very fast today."]
    compared = texts.Compared(said, [[text] for text in said], [[text] for text in said])
    for name in {*texts.NAMES, *(n for names in texts.STYLES.values() for n in names)}:
        lines = compared.lines(name)
        metric = texts.metric(name, "x")
        assert metric.name == name
        assert len(lines) == 2
        assert metric.value({"x": lines}) == pytest.approx(1.0 if metric.unit == "share" else 100.0)


def test_case_counts_in_bleu_but_not_in_bleu_lower():
    compared = texts.Compared(["the cat sat on mats"], [["THE CAT SAT ON MATS"]], [[]])
    values = {n: texts.metric(n, "x").value({"x": compared.lines(n)}) for n in ("bleu", "bleu_lower")}
    assert values == {"bleu": 0.0, "bleu_lower": pytest.approx(100.0)}


def test_scripts_without_spaces_are_compared_by_character():
    compared = texts.Compared(["我爱北京天安门"], [["我爱北京的天安门"]], [[]], tokens="char")
    assert texts.metric("bleu", "x").value({"x": compared.lines("bleu")}) > 50


def test_nothing_to_compare_gives_empty_columns_of_the_right_width():
    empty = texts.Compared([], [], [])
    assert {n: empty.lines(n).shape for n in ("bleu", "chrf", "f1")} == {"bleu": (0, 10), "chrf": (0, 18), "f1": (0,)}
    assert np.issubdtype(empty.lines("bleu").dtype, np.integer)


def test_a_metric_is_described_with_its_signature():
    assert texts.described("bleu_lower", "char", True) == "bleu_lower (nrefs:var|case:lc|eff:no|tok:char|smooth:exp)"
    assert texts.described("rouge_l", "13a", False) == "rouge_l"
