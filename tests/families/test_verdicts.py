"""verdicts: which rows are anomalous, by a label column."""

import json

import numpy as np
import pytest

from deepwell.core.errors import BundleError, ConfigError, DataError
from deepwell.core.fields import Field
from deepwell.families.verdicts import Verdict

FIELD = Field("state", "category", "target")


def column(**counts):
    return np.array([name for name, count in counts.items() for _ in range(count)], object)


def fitted(labels, **options):
    return Verdict(**options).fit(labels, FIELD, is_target=True)


def test_the_rarer_of_two_classes_is_anomalous():
    kind = fitted(column(fine=97, broken=3))
    assert kind.encode(np.array(["broken", "fine", None], object))[0][""].tolist() == [1, 0, -1]
    assert "'broken' counts as anomalous (3.00% of the labelled training rows)" in kind.said()[0]
    assert len(kind.said()) == 1


def test_of_more_classes_it_must_be_told_which():
    labels = column(a=50, b=30, c=20)
    with pytest.raises(DataError, match=r"has 3 classes in training \('a', 'b', 'c'\).*\n.*--positive CLASS"):
        fitted(labels)
    with pytest.raises(DataError, match="no value in any training row"):
        fitted(np.array([None, None], object))
    assert fitted(labels, positive="c").encode(labels)[0][""].sum() == 20
    with pytest.raises(ConfigError, match="no row of 'state' is 'C'; did you mean 'c'"):
        fitted(labels, positive="C")


def test_training_rows_may_all_be_usual_where_the_anomalous_class_is_named():
    kind = fitted(column(fine=50), positive="broken")
    assert kind.encode(column(fine=1, broken=1))[0][""].tolist() == [0, 1]
    with pytest.raises(DataError, match="has one class in training"):
        fitted(column(fine=50))


def test_very_many_anomalous_training_rows_are_said_with_a_repair():
    kind = fitted(column(fine=67, broken=33))
    assert any(
        "33% of the training rows are labelled anomalous" in s and "contamination=0.33" in s for s in kind.said()
    )
    assert len(fitted(column(fine=67, broken=33), expected=0.33).said()) == 1
    assert "name the other: --positive" in fitted(column(fine=52, broken=48)).said()[1]


def test_labels_come_back_and_what_was_learnt_is_restored():
    kind = fitted(column(fine=9, broken=3))
    again = Verdict().restore(json.loads(json.dumps(kind.state())))
    codes = again.encode(column(fine=2, broken=1))[0][""]
    assert again.decode(codes).tolist() == ["fine", "fine", "broken"]
    assert again.decode(np.array([-1])).tolist() == [None]
    with pytest.raises(BundleError):
        Verdict().restore({"odd": "x", "usual": [3]})


def test_a_label_never_seen_is_neither_usual_nor_anomalous():
    kind = fitted(column(ok=97, bad=3))
    codes, problems = kind.encode(np.array(["ok", "bda", None, "bad", "normal"], object))
    assert codes[""].tolist() == [0, -1, -1, 1, -1]
    assert set(problems) == {1, 4}
    assert problems[1].endswith(
        "'bda' was never seen in training (--map 'OLD -> NEW' renames labels); did you mean 'bad'?"
    )
    again = Verdict().restore(json.loads(json.dumps(kind.state())))
    assert again.encode(column(normal=2))[1].keys() == {0, 1}


def test_true_and_false_are_known_however_they_are_written():
    kind = fitted(column(true=3, false=97))
    for labels in (np.array([True, False]), column(TRUE=1, FALSE=1)):
        codes, problems = kind.encode(labels)
        assert codes[""].tolist() == [1, 0]
        assert not problems
    assert fitted(np.repeat([0, 1], [97, 3])).encode(np.array([1.0, 0.0, np.nan]))[0][""].tolist() == [1, 0, -1]


def test_a_named_class_that_is_nowhere_is_refused():
    kind = fitted(column(ok=50), positive="bda")
    with pytest.raises(ConfigError, match=r"no row of 'state' is 'bda', neither in training nor .* did you mean 'bad'"):
        kind.stop_if_never(column(ok=5, bad=2))
    with pytest.raises(ConfigError, match="leave the labels out"):
        kind.stop_if_never(column(ok=5))
    kind.stop_if_never(np.array([None], object))  # nothing is measured there
    fitted(column(ok=50), positive="bad").stop_if_never(column(ok=5, bad=2))
    fitted(column(ok=50, bad=2)).stop_if_never(column(ok=5))  # training has it


def test_a_column_of_very_many_classes_is_no_label():
    with pytest.raises(DataError, match="has 10,001 classes, more than 10,000"):
        fitted(np.array([str(i) for i in range(10_001)], object), positive="7")
