"""translation: what it takes, how rows become examples, what is learnt, answered and measured."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.nn.networks.awake import awake

from deepwell.core.batch import Batch
from deepwell.core.config import make
from deepwell.core.errors import ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.core.task import Sizes
from deepwell.data.cache import Storage
from deepwell.data.fields.tokeniser import END
from deepwell.evaluation.dictionary import speaker
from deepwell.evaluation.measure import measure
from deepwell.families.pairing import PairReader
from deepwell.nn.runner import TorchRunner
from deepwell.tasks import translation as module
from deepwell.tasks.translation import DROPOUT, SIZES, Translation, TranslationRequest

SCHEMA = Schema((Field("en", "text"), Field("de", "text", "target")))
PAIRS = [
    ("a dog runs fast across the green field", "ein Hund läuft schnell über die grüne Wiese"),
    ("the cat sleeps on the warm roof today", "die Katze schläft heute auf dem warmen Dach"),
    ("a bird sings in the old tree", "ein Vogel singt in dem alten Baum"),
    ("two men talk about the weather", "zwei Männer reden über das Wetter von heute"),
]


def column(values):
    made = np.empty(len(values), object)
    made[:] = values
    return made


def table(pairs=PAIRS):
    return Table({"en": column([s for s, _ in pairs]), "de": column([t for _, t in pairs])})


def translation(schema=SCHEMA, **knobs):
    return Translation(schema, make(Translation.Config, knobs))


def fitted(task, data):
    return task.pipeline(None).fit(data)


def saying(pipeline, answers):
    """A runner that answers by a table: source -> target."""
    return speaker(PairReader.of(pipeline), lambda text: answers.get(text, ""))


def batch(task, pipeline, data, part="test"):
    examples = task.examples(Part(part, data), pipeline)
    return examples.take(np.arange(examples.count), Key(0))


# what it takes -------------------------------------------------------------------------------------------------------
def test_a_text_from_texts_is_what_it_is_for():
    fit = Translation.fits(SCHEMA)
    assert fit.rank == 1.0
    assert fit.reason == "the text 'de' is written from 'en'"


def test_inputs_of_other_kinds_are_set_aside():
    fit = Translation.fits(Schema((*SCHEMA.fields, Field("year", "number"))))
    assert fit.rank > 0
    assert fit.roles == {"year": "ignore"}
    assert fit.reason.endswith("not read: 'year'")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ((Field("en", "text"), Field("de", "text")), "no column is the target"),
        ((Field("en", "text"), Field("y", "category", "target")), "the target 'y' is no text but category"),
        ((Field("x", "number"), Field("de", "text", "target")), "no input column is text"),
        ((Field("en", "text"), Field("a", "text", "target"), Field("b", "text", "target")), "2 columns are targets"),
        (
            (*(Field(f"t{i}", "text") for i in range(7)), Field("y", "text", "target")),
            "7 text columns are inputs; at most 6",
        ),
        ((), "no column is the target"),
    ],
)
def test_other_data_is_refused_with_a_reason(fields, reason):
    fit = Translation.fits(Schema(fields))
    assert fit.rank == 0
    assert fit.reason.startswith(reason)


def test_the_demo_suits_the_task_and_is_drawn_from_the_seed():
    first, again, other = (Translation.demo(seed) for seed in (0, 0, 1))
    assert first["target"].tolist() == again["target"].tolist() != other["target"].tolist()
    assert len(set(first["source"])) == len(first)


# examples ------------------------------------------------------------------------------------------------------------
def test_rows_that_cannot_be_used_are_told():
    task = translation(longest=60)
    data = table([*PAIRS[:2], ("", "nichts"), ("something " * 200, "viele Wörter " * 60), ("no target", None)])
    pipeline = fitted(task, data.take(np.arange(4)))
    train = task.examples(Part("train", data), pipeline)
    assert dict(train.problems) == {
        2: "there is no text to read",
        3: "the target has more than 60 tokens (knob longest)",
        4: "column 'de': the text is missing",
    }
    assert train.rows.tolist() == [0, 1]
    test = task.examples(Part("test", data), pipeline)
    assert sorted(test.problems) == [2, 4]  # a long target is measured, not left out
    asked = task.examples(Part("predict", Table({"en": data["en"]})), pipeline)
    assert sorted(asked.problems) == [2]
    assert max(task.examples(Part("train", data), pipeline).take(np.arange(2), Key(0)).arrays["source.length"]) <= 60


def test_batches_cost_what_they_hold():
    task = translation()
    pipeline = fitted(task, table())
    examples = task.examples(Part("train", table()), pipeline)
    arrays = examples.take(np.arange(4), Key(0)).arrays
    padded = [-(-arrays[f"{side}.length"] // 8) * 8 for side in ("source", "target")]  # batches are padded to eights
    assert examples.costs.tolist() == (1.0 + sum(padded)).tolist()


def test_rows_of_a_group_stand_together_and_count_by_their_weight():
    fields = (*SCHEMA.fields, Field("book", "category", "group"), Field("worth", "number", "weight"))
    task = translation(Schema(fields), size="tiny", dropout=0.0)
    data = table().with_columns({"book": column(["b", "a", "b", "a"]), "worth": np.array([3.0, 0.0, 1.0, 0.0])})
    pipeline = fitted(task, data)
    units = task.examples(Part("test", data), pipeline).units
    assert (units[0], units[1]) == (units[2], units[3])
    assert units[0] != units[1]
    network = task.network(Sizes(pipeline.sizes(), 4)).eval()

    def total(rows):
        made = task.examples(Part("train", data), pipeline).take(np.array(rows), Key(0))
        tensors = made.replace(**{n: torch.as_tensor(np.asarray(a)) for n, a in made.arrays.items()})
        return float(task.loss(network, tensors, Key(0)).total.detach())

    plain = batch(task, pipeline, data).arrays
    assert total([1, 3]) == 0
    assert total([0, 2]) == pytest.approx(total([0]) + total([2]), rel=1e-4)
    each = translation(size="tiny", dropout=0.0)  # without weights
    tensors = {n: torch.as_tensor(np.asarray(a))[[0]] for n, a in plain.items()}
    alone = each.loss(network, Batch(tensors, np.arange(1)), Key(0))
    assert total([0]) == pytest.approx(3 * float(alone.total.detach()), rel=1e-4)  # 3, where the mean is 1


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match=r"metric must be one of .*; got 'blue'; did you mean 'bleu'\?"):
        translation(metric="blue")


# network -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("copying", "smoothing"), [(False, 0.2), (True, 0.0)])
def test_the_loss_is_the_smoothed_cross_entropy_of_the_target_tokens(copying, smoothing):
    task = translation(size="tiny", label_smoothing=smoothing, copying=copying)
    pipeline = fitted(task, table())
    network = task.network(Sizes(pipeline.sizes(), 4)).eval()
    made = batch(task, pipeline, table())
    tensors = made.replace(**{n: torch.as_tensor(np.asarray(a)) for n, a in made.arrays.items()})
    loss = task.loss(network, tensors, Key(0))
    total, units = 0.0, 0
    for row in range(4):  # by plain steps: each token is asked for after those before it
        tokens = made.arrays["target"][row, : made.arrays["target.length"][row]]
        one = {n: made.arrays[n][row : row + 1] for n in ("source", "source.length")}
        runner = TorchRunner(network)
        _, state = runner.run("encode", one)
        for before, after in pairwise(tokens):
            outputs, state = runner.run("step", {"token": np.array([before])}, state)
            log = torch.log_softmax(torch.as_tensor(outputs["logits"][0]).double(), 0)
            total -= float((1 - smoothing) * log[after] + smoothing * log.mean())
            units += 1
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-4)
    assert float(loss.units) == units
    assert set(loss.parts) == {"nll"}


def test_the_network_grows_with_time_and_pairs_and_shares_its_table_where_scripts_are_one():
    task = translation()
    fields = {"en": (4096, 20, 1), "de": (4096, 20, 1)}

    def width(examples, seconds):
        return SIZES[task.size(Sizes(fields, examples, seconds))][0]

    assert width(1_000, 3.0) < width(50_000, 3_600.0) < width(50_000, 20_000.0)
    assert width(1_000, 20_000.0) == width(1_000, 3.0)  # few pairs are learnt by heart
    assert task.shape("tiny", Sizes(fields, 1_000)).dropout == DROPOUT[-1][1]
    assert translation(dropout=0.05).shape("tiny", Sizes(fields, 1_000)).dropout == 0.05
    shared, apart = (
        translation(size="tiny").network(Sizes({"en": (n, 20, flag), "de": (300, 20, flag)}, 10))
        for n, flag in ((300, 1), (400, 0))
    )
    names = [n for n, p in shared.named_parameters() if p.shape[0] == 300]
    assert len(names) == 1
    assert {p.shape[0] for p in apart.parameters()} >= {300, 400}


@pytest.mark.parametrize(("shared", "copying", "points"), [(1, True, True), (1, False, False), (0, True, False)])
def test_words_can_be_copied_where_both_sides_share_a_vocabulary(shared, copying, points):
    sizes = Sizes({"en": (300, 20, shared), "de": (300, 20, shared)}, 10)
    assert (translation(size="tiny", copying=copying).network(sizes).pointer is not None) == points


# answers -------------------------------------------------------------------------------------------------------------
def test_answers_are_those_of_the_search_and_several_have_columns_of_their_own():
    task = translation(size="tiny")
    pipeline = fitted(task, table())
    runner = saying(pipeline, dict(PAIRS))
    asked = batch(task, pipeline, table())
    answers = task.predict(runner, asked, pipeline, TranslationRequest())
    assert answers.names == ["de"] == task.answers(pipeline).names
    assert answers["de"].tolist() == [target for _, target in PAIRS]
    torch.manual_seed(0)
    network = TorchRunner(task.network(Sizes(pipeline.sizes(), 4)))
    three = task.predict(network, asked, pipeline, TranslationRequest(beams=4, n=3, steps=6))
    assert three.names == ["de", "de.2", "de.3"]
    assert len({three[name][0] for name in three.names}) == 3


def test_answers_are_no_longer_than_asked_or_than_training_had():
    task = translation()
    pipeline = fitted(task, table())
    runner = saying(pipeline, {source: "wort " * 400 for source, _ in PAIRS})
    asked = batch(task, pipeline, table())
    short = task.predict(runner, asked, pipeline, TranslationRequest(steps=5))
    reader = PairReader.of(pipeline)
    assert set(reader.tokens(short["de"]).lengths.tolist()) == {5}
    by_rule = task.predict(runner, asked, pipeline, TranslationRequest())
    limits = pipeline.facts_.limits(asked.arrays["source.length"])
    assert reader.tokens(by_rule["de"]).lengths.tolist() == limits.tolist()
    assert limits.max() < 400
    never_longer = translation(longest=8)  # than a training target may be
    answers = never_longer.predict(runner, asked, pipeline, TranslationRequest())
    assert set(reader.tokens(answers["de"]).lengths.tolist()) == {9}


def test_answers_to_sources_that_are_cut_are_as_long_as_training_had_them():
    story = "and then they went on and on through the long and silent night, " * 20
    data = table([(f"{name} {story}", f"{name} went through the night and on") for name in ("Ann", "Bo", "Cy", "Di")])
    task = translation(level="byte", longest=64)
    pipeline = fitted(task, data)
    runner = speaker(PairReader.of(pipeline), lambda text: f"{text.split()[0]} went through the night and on")
    answers = task.predict(runner, batch(task, pipeline, data), pipeline, TranslationRequest())
    assert answers["de"].tolist() == data["de"].tolist()


@pytest.mark.parametrize("at_once", [1, 400, 1 << 15])
def test_an_answer_in_a_batch_is_the_answer_alone(monkeypatch, at_once):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    task = translation(size="tiny")
    pipeline = fitted(task, table())
    torch.manual_seed(1)
    runner = TorchRunner(awake(task.network(Sizes(pipeline.sizes(), 4))))  # a new pointer takes equal words for equal
    together = task.predict(runner, batch(task, pipeline, table()), pipeline, TranslationRequest())
    for row in range(4):
        alone = task.predict(runner, batch(task, pipeline, table([PAIRS[row]])), pipeline, TranslationRequest())
        assert alone["de"][0] == together["de"][row]


def test_equal_questions_are_answered_once():
    task = translation()
    pipeline = fitted(task, table())
    runner, asked = saying(pipeline, dict(PAIRS)), []
    counted = NumpyRunner(
        {n: lambda a, s, n=n: asked.append(len(next(iter(a.values())))) or runner.run(n, a, s) for n in runner.calls}
    )
    data = table([PAIRS[i] for i in (2, 0, 2, 2, 1, 0)])
    answers = task.predict(counted, batch(task, pipeline, data), pipeline, TranslationRequest(beams=1))
    assert answers["de"].tolist() == data["de"].tolist()
    assert max(asked) == 3


# proof ---------------------------------------------------------------------------------------------------------------
def scores(task, pipeline, data, answers, part="test"):
    examples = task.examples(Part(part, data), pipeline)
    columns = measure(task, saying(pipeline, answers), examples, pipeline)
    return {metric.name: metric.value(columns) for metric in task.metrics(pipeline)}


def test_right_answers_score_all_and_none_score_nothing():
    task = translation()
    pipeline = fitted(task, table())
    assert scores(task, pipeline, table(), dict(PAIRS)) == pytest.approx(
        {"bleu": 100.0, "bleu_lower": 100.0, "chrf": 100.0}
    )
    assert scores(task, pipeline, table(), {}) == {"bleu": 0.0, "bleu_lower": 0.0, "chrf": 0.0}


def test_summaries_are_measured_by_rouge_beside_their_best_sentence():
    abstract = "We study dogs in parks. They run very fast indeed. Much more work is needed to see why this is so."
    data = table(
        [
            (abstract, ["Dogs run very fast indeed today.", "They run fast."]),
            (abstract, ["We study dogs in some parks."]),
        ]
    )
    task = translation()
    pipeline = fitted(task, data)
    found = scores(task, pipeline, data, {abstract: "They run fast."})
    assert list(found) == ["rouge_l", "rouge_1", "rouge_2", "rouge_l of the best sentence read"]
    assert found["rouge_l"] == pytest.approx((1.0 + 0.0) / 2)  # the second reference of the first row is met
    # "They run very fast indeed." (5 words) beside "They run fast." (3): 3 in common; "We study dogs in parks." (5) beside 6: 5.
    assert found["rouge_l of the best sentence read"] == pytest.approx((2 * 3 / 8 + 2 * 5 / 11) / 2, abs=0.05)


def test_short_targets_are_answers_and_a_metric_can_be_asked_for():
    data = table([("who was here before you came", "my mother"), ("what is it that you see", "a dog")])
    pipeline = fitted(translation(), data)
    found = scores(translation(), pipeline, data, {"who was here before you came": "My mother!"})
    assert found == pytest.approx({"f1": 0.5, "exact_match": 0.5, "chrf": found["chrf"]})
    assert next(iter(scores(translation(metric="bleu"), pipeline, data, {}))) == "bleu"


def test_any_of_several_right_answers_is_right_where_training_had_one_each():
    question = "what do you see over there"
    pipeline = fitted(translation(), table([(question, "a dog"), ("who is it that sleeps", "my cat")]))
    found = scores(translation(), pipeline, table([(question, ["a bird", "the dog"])]), {question: "the dog"})
    assert (found["exact_match"], found["f1"]) == (1.0, 1.0)


def test_the_select_part_is_compared_by_greedy_answers():
    task = translation()
    pipeline = fitted(task, table())
    assert "greedy" in batch(task, pipeline, table(), "select").arrays
    assert "greedy" not in batch(task, pipeline, table(), "test").arrays
    assert scores(task, pipeline, table(), dict(PAIRS), "select")["bleu"] == pytest.approx(100.0)


def test_how_answers_are_measured_is_told_with_the_reason():
    task = translation(longest=10)
    pipeline = task.pipeline(None)
    pipeline.storage = Storage(1 << 30)
    data = table([*PAIRS, ("a very long source " * 20, "kurz")])
    examples = task.examples(Part("train", data), pipeline.fit(data))
    measured, cut = pipeline.storage.notes
    assert measured.startswith(
        "training targets have 6.4 words for 21.8 of their sources, so they are measured as summaries: "
    )
    assert cut.startswith(
        f"{(examples.take(np.arange(examples.count), Key(0)).arrays['source.length'] == 10).sum()} of "
    )


def test_baselines_answer_the_same_calls():
    task = translation()
    pipeline = fitted(task, table())
    examples = task.examples(Part("train", table()), pipeline)
    found = {}
    for baseline in task.baselines():
        runner = baseline.fit(examples, pipeline, Key(0))
        columns = measure(task, runner, examples, pipeline)
        found[baseline.name, baseline.kind] = task.metrics(pipeline)[-1].value(columns)
    assert list(found) == [
        ("copy", "trivial"),
        ("lead", "trivial"),
        ("usual answer", "trivial"),
        ("dictionary", "classical"),
    ]
    assert found["dictionary", "classical"] > found["copy", "trivial"] > 0


def test_a_vocabulary_and_its_end_are_one_for_all():
    pipeline = fitted(translation(), table())
    reader = PairReader.of(pipeline)
    assert reader.text(np.array([300, END, 300])) == reader.text(np.array([300]))
