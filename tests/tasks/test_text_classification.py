"""text_classification: what data it takes, what its network is built from, and that it learns classes, tags and numbers."""

import numpy as np
import pytest
import torch

from deepwell.core.config import make
from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.core.task import Sizes
from deepwell.data.pipeline import FieldPipeline
from deepwell.evaluation.measure import measure
from deepwell.runs import fitting
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import prepare
from deepwell.tasks.text_classification import FEW, TextClassification, TextConfig

TEXT, LABEL, AGE = Field("text", "text"), Field("label", "category", "target"), Field("age", "number")


@pytest.mark.parametrize(
    ("fields", "rank", "said"),
    [
        ((TEXT, LABEL), 1, "texts predict 'label'"),
        (
            (TEXT, Field("title", "text"), AGE, Field("site", "category"), LABEL),
            1,
            "2 columns of texts and 2 columns beside",
        ),
        ((TEXT, Field("topics", "tags", "target")), 1, "texts predict 'topics'"),
        ((TEXT, Field("stars", "number", "target")), 1, "texts predict 'stars'"),
        ((AGE, LABEL), 0, "no column holds text"),
        ((Field("text", "text", "ignore"), AGE, LABEL), 0, "no column holds text"),
        ((TEXT, AGE), 0, "no column is the target"),
        ((TEXT, Field("k", "category"), Field("l", "category")), 0, "no column is the target"),
        ((TEXT, Field("answer", "text", "target")), 0, "'answer' is no category, tags or number but text"),
        ((TEXT, Field("photo", "image"), LABEL), 0, "'photo' is of kind image"),
        ((), 0, "no column holds text"),
    ],
)
def test_it_says_what_it_takes(fields, rank, said):
    fit = TextClassification.fits(Schema(fields))
    assert fit.rank == rank
    assert said in fit.reason


@pytest.mark.parametrize("kind", ["category", "tags"])
def test_the_only_column_beside_one_text_is_the_target(kind):
    fit = TextClassification.fits(Schema((TEXT, Field("column_2", kind), Field("split", "category", "split"))))
    assert (fit.rank, fit.roles) == (1, {"column_2": "target"})


def network(examples, seconds=None, length=20, **knobs):
    task = TextClassification(Schema((TEXT, LABEL)), make(TextConfig, knobs))
    return task.network(Sizes({"text": (300, 50, 60, length), "label": (3,)}, examples, seconds))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_size_is_one_dial_and_auto_grows_with_time_and_shrinks_with_work():
    sizes = [parameters(network(1000, size=size)) for size in ("tiny", "small", "base", "large")]
    assert sizes == sorted(set(sizes))
    assert parameters(network(1000)) == parameters(network(FEW - 1, 1e6)) == sizes[0]
    assert [parameters(network(100_000, seconds)) for seconds in (15, 300, 1000)] == sizes[:3]
    assert parameters(network(100_000, 300, length=500)) == sizes[0]


def test_the_bags_are_wide_enough_for_the_ratios_of_the_classes():
    schema = Schema((TEXT, LABEL))
    for classes, width in ((2, 16), (40, 48), (57, 16)):
        sizes = Sizes({"text": (300, 50, 60, 20), "label": (classes,)}, 100)
        assert TextClassification(schema, TextConfig()).shape(sizes).bag == width


def test_the_network_follows_from_sizes_alone():
    shapes = {n: tuple(t.shape) for n, t in network(3000).state_dict().items()}
    with torch.device("meta"):
        assert {n: tuple(t.shape) for n, t in network(3000).state_dict().items()} == shapes
    assert all(name.startswith(("encoder.text.", "heads.")) for name in shapes)


def test_many_columns_of_texts_share_what_a_bundle_may_hold():
    fields = tuple(Field(f"t{i}", "text") for i in range(8))
    kinds = TextClassification(Schema((*fields, LABEL)), TextConfig()).kinds()
    assert sum(2 * kinds[f.name].most for f in fields) <= 1 << 18


def test_the_demo_is_the_same_for_a_seed():
    table = TextClassification.demo(3)
    assert table["text"].tolist() == TextClassification.demo(3)["text"].tolist()
    assert table["text"].tolist() != TextClassification.demo(4)["text"].tolist()
    assert set(table["label"]) == {"good", "bad"}


# learning ------------------------------------------------------------------------------------------------------------
SUBJECTS = {"ships": "harbour anchor sailor deck tide".split(), "bread": "flour oven crust dough yeast".split(),
            "stars": "orbit comet galaxy moon telescope".split()}  # fmt: skip
FILLING = "the a was with near some and old new very".split()


def notes(count, seed=0):
    """Texts about one or two subjects each, and which."""
    draw = np.random.default_rng(seed)
    texts, subjects = [], []
    for _ in range(count):
        chosen = sorted(draw.choice(sorted(SUBJECTS), draw.integers(1, 3), replace=False))
        words = [draw.choice(SUBJECTS[s]) for s in chosen for _ in range(2)] + draw.choice(FILLING, 6).tolist()
        texts.append(" ".join(draw.permutation(words)))
        subjects.append(chosen)
    return texts, subjects


def column(values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


def trained(table, epochs=8, **options):
    """(predictor, prepared, test metrics by name)"""
    asked = TrainOptions(task="text_classification", epochs=epochs, device="cpu", **options)
    prepared = prepare(table, asked)
    predictor, _ = fitting.fit(prepared, asked, fitting.Memory(), lambda: False, None)
    columns = measure(prepared.task, predictor.runner, prepared.examples["test"], prepared.pipeline)
    return predictor, prepared, {m.name: m.value(columns) for m in prepared.task.metrics(prepared.pipeline)}


def test_tags_are_learned_and_answered_as_lists():
    texts, subjects = notes(500)
    predictor, prepared, found = trained(
        Table({"text": column(texts), "subjects": column(subjects)}), target=("subjects",)
    )
    assert found["micro_f1"] > 0.95
    assert found["label_ranking_average_precision"] > 0.97
    asked = Table({"text": column(["the sailor near the anchor", "crust and dough with a comet and some orbit", ""])})
    answers = predictor.predict(asked)
    assert answers["subjects"][:2].tolist() == [["ships"], ["bread", "stars"]]
    assert answers["problem"].tolist() == ["", "", ""]
    names = [b.name for b in prepared.task.baselines()]
    assert names == ["frequent tags", "TF-IDF"]


def test_a_number_beside_the_text_is_used_and_a_number_can_be_the_target():
    texts, subjects = notes(600, seed=1)
    age = np.random.default_rng(2).uniform(0, 100, 600).round(1)
    price = np.array([20.0 * len(s) for s in subjects]) + age
    _, prepared, found = trained(
        Table({"text": column(texts), "age": age, "price": price}), epochs=25, target=("price",)
    )
    assert found["r_squared"] > 0.85
    assert [b.name for b in prepared.task.baselines()] == ["mean", "TF-IDF", "linear", "boosting"]


def test_a_new_network_begins_as_naive_bayes_of_the_training_rows():
    texts, subjects = notes(300, seed=5)
    table = Table({"text": column(texts), "label": column(["ships" if "ships" in s else "other" for s in subjects])})
    _, prepared, found = trained(table, epochs=0.01, set={"learning_rate": 1e-6})
    assert found["accuracy"] > 0.9
    restored = FieldPipeline(prepared.schema, prepared.task.kinds())
    network = prepared.task.network(Sizes(prepared.pipeline.sizes(), 300))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    prepared.task.prime(network, restored)  # a pipeline that has seen no training rows in this process
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("size", ["auto", "small"])
def test_fifty_rows_of_which_one_is_empty(size):
    texts, subjects = notes(50, seed=3)
    labels = ["ships" if "ships" in s else "other" for s in subjects]
    texts[7] = ""
    predictor, _, _ = trained(Table({"text": column(texts), "label": column(labels)}), set={"size": size})
    answers = predictor.predict(Table({"text": column(["", None, "the harbour"])}))
    assert set(answers["label"]) <= {"ships", "other"}
    assert np.isfinite(answers["label.probability"]).all()


def test_characters_of_a_script_without_spaces_are_learned():
    draw = np.random.default_rng(4)
    liked, hated = "喜欢 好看 美味 热情".split(), "讨厌 难看 难吃 冷淡".split()
    labels = draw.choice(["liked", "hated"], 300)
    words = [str(draw.choice(liked if kind == "liked" else hated)) for kind in labels]
    texts = ["".join(draw.permutation([word, *"这家餐厅的服务员"])) for word in words]
    _, _, found = trained(Table({"text": column(texts), "label": labels.astype(object)}))
    assert found["accuracy"] > 0.95


def test_one_class_only_is_refused():
    texts, _ = notes(40)
    with pytest.raises(DataError, match="the same value 'x' in all"):
        trained(Table({"text": column(texts), "label": column(["x"] * 40)}))


def test_it_is_said_of_how_many_texts_of_which_column_only_head_and_tail_are_read():
    task = TextClassification(Schema((Field("title", "text"), TEXT, LABEL)), TextConfig(vocabulary=300))
    words = " ".join(f"w{i}" for i in range(90))  # 270 to 360 tokens

    def said(texts):
        table = Table({"title": column([words] * 4), "text": column(texts), "label": column(list("abab"))})
        pipeline = task.pipeline(None).fit(table)
        return [chosen.what for chosen in task.augment(task.examples(Part("train", table), pipeline), pipeline)]

    assert said([words] * 4) == []  # two texts of a row together are longer, but each is read whole
    assert said([words] * 3 + [words * 9]) == [
        "of about 25.0% of the training texts in 'text' only head and tail are read"
    ]


def test_the_same_key_gives_the_same_examples():
    texts, subjects = notes(30)
    table = Table({"text": column(texts), "label": column([s[0] for s in subjects])})
    examples = prepare(table, TrainOptions(task="text_classification")).examples["train"]
    one, other = (examples.take(np.arange(5), Key(k)).arrays for k in (0, 1))
    parts = ("", ".length", ".words", ".words.row", ".letters", ".letters.row")
    assert set(one) == {"label", *(f"text{part}" for part in parts)}
    assert all(np.array_equal(one[n], other[n]) for n in one)
