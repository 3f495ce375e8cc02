"""text_generation: what is asked, how it is measured, and what comes back, over runners whose answers are known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.core.task import Sizes
from deepwell.data.fields.tokeniser import BEGIN, END, SPECIALS
from deepwell.families.language import COUNTED, FROM, HELD, TOKENS, UNTIL
from deepwell.tasks import text_generation
from deepwell.tasks.text_generation import Asked, LanguageConfig, TextGeneration

TEXT = Schema((Field("text", "text"),))
CHAT = Schema((Field("chat", "dialogue"),))
EMPTY = Batch({}, np.empty(0, np.int64))


def column(*cells: object) -> np.ndarray:
    made = np.empty(len(cells), object)
    made[:] = cells
    return made


def fitted(schema: Schema, *cells: object, **knobs):
    """A task and its pipeline, fitted on the cells."""
    task = TextGeneration(schema, replace(LanguageConfig(context=64), **knobs))
    pipeline = task.pipeline(None)
    return task, pipeline.fit(Table({schema.names[0]: column(*cells)}))


def parrot(seen: list[list[int]] | None = None) -> NumpyRunner:
    """Says again what it was first given, then END; notes what that was."""

    def step(arrays, state):
        token = arrays["token"].reshape(len(arrays["token"]), -1)
        if state is None:
            if seen is not None:
                seen.append(token[0].tolist())
            heard = [t for t in token[0].tolist() if t >= SPECIALS]
            state = {"heard": np.tile([*heard, END], (len(token), 1)), "said": np.zeros(len(token), int)}
        logits = np.full((len(token), 264), -50.0)
        logits[np.arange(len(token)), state["heard"][:, state["said"][0]]] = 0.0
        return {"logits": logits}, {**state, "said": state["said"] + 1}

    return NumpyRunner({"step": step})


@pytest.mark.parametrize(
    ("schema", "suits"),
    [(TEXT, True), (CHAT, True), (Schema(), False),
     (Schema((Field("text", "text"), Field("label", "category", "target"))), False),
     (Schema((Field("a", "text"), Field("b", "text"))), False),
     (Schema((Field("a", "text"), Field("b", "number"))), False),
     (Schema((Field("a", "text"), Field("b", "number", "ignore"), Field("part", "category", "split"))), True)],
)  # fmt: skip
def test_what_suits(schema: Schema, suits: bool) -> None:
    fit = TextGeneration.fits(schema)
    assert (fit.rank > 0) == suits
    assert fit.reason


def test_a_prompt_of_any_script_is_gone_on_from() -> None:
    task, pipeline = fitted(TEXT, *["a b c"] * 60)
    seen: list[list[int]] = []
    answer = task.predict(parrot(seen), EMPTY, pipeline, Asked("日本🙂", n=2))
    assert answer["text"].tolist() == ["日本🙂", "日本🙂"]
    assert answer["prompt"].tolist() == ["日本🙂"] * 2
    assert answer["tokens"].tolist() == [10, 10]
    assert seen[0][0] == BEGIN  # many documents: the network knows how they begin


def test_few_documents_are_entered_behind_the_end_of_a_line() -> None:
    task, pipeline = fitted(TEXT, "a long text\n" * 50)
    seen: list[list[int]] = []
    task.predict(parrot(seen), EMPTY, pipeline, Asked(""))
    task.predict(parrot(seen), EMPTY, pipeline, Asked("hi"))
    assert seen == [[SPECIALS + ord("\n")], [SPECIALS + ord("h"), SPECIALS + ord("i")]]


def test_pieces_of_one_text_are_streamed_and_of_several_not() -> None:
    task, pipeline = fitted(TEXT, *["a b c"] * 60)
    heard: list[str] = []
    task.predict(parrot(), EMPTY, pipeline, Asked("über"), heard.append)
    assert heard == ["ü", "b", "e", "r"]
    task.predict(parrot(), EMPTY, pipeline, Asked("über", n=2), heard.append)
    assert len(heard) == 4
    stopped = task.predict(parrot(), EMPTY, pipeline, Asked("one two three", stop="two"))
    assert stopped["text"].tolist() == ["one "]
    short = task.predict(parrot(), EMPTY, pipeline, Asked("one two three", steps=3))
    assert short["text"].tolist() == ["one"]


def chat(*said: str) -> list[dict[str, str]]:
    return [{"role": "AB"[i % 2], "text": text} for i, text in enumerate(said)]


def test_a_chat_is_asked_with_its_turns_and_the_sign_of_who_answers() -> None:
    task, pipeline = fitted(CHAT, *[chat("hi", "ho")] * 30)
    seen: list[list[int]] = []
    h, i, o = (SPECIALS + ord(c) for c in "hio")
    task.predict(parrot(seen), EMPTY, pipeline, Asked("hi"))
    assert seen[-1] == [BEGIN, 2, h, i, END, 3]
    turns = json.dumps([{"role": "user", "text": "hi"}, {"role": "assistant", "text": "ho"}])
    task.predict(parrot(seen), EMPTY, pipeline, Asked("hi", history=turns))
    assert seen[-1] == [BEGIN, 2, h, i, END, 3, h, o, END, 2, h, i, END, 3]
    task.predict(parrot(seen), EMPTY, pipeline, Asked("ho", history=json.dumps(chat("hi", "hi"))))
    assert seen[-1] == [BEGIN, 2, h, i, END, 3, h, i, END, 2, h, o, END, 3]


def test_the_model_never_answers_itself_and_a_system_says_nothing_to_it() -> None:
    said = [{"role": who, "text": "hi"} for who in ("system", "user", "assistant")]
    task, pipeline = fitted(CHAT, *[said] * 30)
    seen: list[list[int]] = []
    system, user, assistant = 2, 3, 4

    def speakers(history: list[dict[str, str]], prompt: str) -> list[int]:
        task.predict(parrot(seen), EMPTY, pipeline, Asked(prompt, history=json.dumps(history)))
        return [token for token in seen[-1] if 2 <= token < SPECIALS]

    assert speakers([said[0], said[2]], "hi") == [system, assistant, user, assistant]
    assert speakers(said[:2], "") == [system, user, assistant]
    assert speakers([*said, said[1]], "") == [system, user, assistant, user, assistant]
    assert speakers(said[:2], "hi") == [system, user, user, assistant]


def test_many_texts_are_those_that_few_at_a_time_are(monkeypatch: pytest.MonkeyPatch) -> None:
    task, pipeline = fitted(TEXT, *["abc"] * 60)
    rows: list[int] = []

    def step(arrays, state):
        rows.append(len(arrays["token"]))
        return {"logits": np.zeros((len(arrays["token"]), 264))}, state

    def texts() -> tuple[list[str], list[float]]:
        answer = task.predict(NumpyRunner({"step": step}), EMPTY, pipeline, Asked("a", n=7, steps=6))
        return answer["text"].tolist(), answer["tokens"].tolist()

    together = texts()
    assert max(rows) == 7
    rows.clear()
    monkeypatch.setattr(text_generation, "AT_ONCE", 3 * 64)
    assert texts() == together
    assert max(rows) == 3


def test_a_text_model_takes_no_history() -> None:
    task, pipeline = fitted(TEXT, *["a b c"] * 60)
    with pytest.raises(ConfigError, match="no turns"):
        task.predict(parrot(), EMPTY, pipeline, Asked("x", history="[]x"))


def test_the_same_seed_writes_the_same_and_greedy_needs_none() -> None:
    task, pipeline = fitted(TEXT, *["abc"] * 60)
    flat = NumpyRunner({"step": lambda arrays, state: ({"logits": np.zeros((len(arrays["token"]), 264))}, state)})

    def text(**asked) -> str:
        return task.predict(flat, EMPTY, pipeline, Asked("a", steps=12, **asked))["text"][0]

    assert text(seed=1) == text(seed=1) != text(seed=2)
    assert text(seed=1, temperature=0.0) == text(seed=2, temperature=0.0)


def test_measures_count_tokens_characters_and_bytes_of_what_is_asked_for() -> None:
    task, pipeline = fitted(TEXT, *["a"] * 60)
    examples = task.examples(Part("test", Table({"text": column("üb", "c")})), pipeline)
    uniform = NumpyRunner({"forward": lambda a, s: ({"nll": np.full((len(a["tokens"]), 64), math.log(264))}, s)})
    columns = [task.measure(uniform, batch, pipeline) for batch in examples.batches(9, Key(0))]
    summed = {name: sum(c[name].sum() for c in columns) for name in columns[0]}
    # BEGIN ü ü b END BEGIN c END: the first BEGIN is not asked for, the second does not count, each END is one character.
    assert summed["tokens"] == 6
    assert summed["characters"] == 5
    assert summed["bytes"] == 6
    assert summed["nats"] == pytest.approx(6 * math.log(264))


def test_the_loss_is_what_is_measured() -> None:
    import torch

    task, pipeline = fitted(TEXT, *["one two three", "four"] * 30, grams=0, size="tiny")
    examples = task.examples(Part("test", Table({"text": column("five six", "seven eight nine")})), pipeline)
    torch.manual_seed(0)
    network = task.network(Sizes(pipeline.sizes(), 10, 1.0)).eval()
    task.prime(network, pipeline)
    batch = examples.take(np.arange(examples.count or 0), Key(0))
    from deepwell.nn.runner import TorchRunner

    measured = task.measure(TorchRunner(network), batch, pipeline)
    tensors = Batch({n: torch.from_numpy(np.array(a)) for n, a in batch.arrays.items()}, batch.examples)
    loss = task.loss(network.eval(), tensors, Key(0))
    assert float(loss.units) == measured["tokens"].sum()
    assert not loss.parts
    assert float(loss.total.detach()) == pytest.approx(measured["nats"].sum(), rel=1e-5)


def test_training_also_asks_the_network_alone() -> None:
    import torch

    task, pipeline = fitted(TEXT, *["one two three"] * 60, size="tiny", dropout=0.0)
    examples = task.examples(Part("train", Table({"text": column(*["one two three"] * 60)})), pipeline)
    network = task.network(Sizes(pipeline.sizes(), 10, 1.0)).train()
    task.prime(network, pipeline)
    arrays = examples.take(np.arange(4), Key(0)).arrays
    batch = Batch({n: torch.from_numpy(np.array(a)) for n, a in arrays.items()}, np.arange(4))
    loss = task.loss(network, batch, Key(0))
    checked = task.loss(network.eval(), batch, Key(0))
    torch.testing.assert_close(loss.total, checked.total)  # one curve, one meaning
    assert not checked.parts
    # Counts know this text by heart, and the new network knows nothing.
    assert loss.total.detach() < 0.2 * loss.parts["alone"].detach()
    # What is learnt from is the sum of both.
    alone = (network.decoder(batch.arrays)[0]["nll"] * (batch.arrays[TOKENS][:, 1:] != BEGIN)).sum()
    ours, shared, own = (torch.autograd.grad(v, network.decoder.output)[0] for v in (loss.total, checked.total, alone))
    torch.testing.assert_close(ours, shared + own)


def test_training_windows_carry_counts_unless_they_are_not_wanted() -> None:
    for counts in (True, False):
        task, pipeline = fitted(TEXT, *["one two three"] * 60, counts=counts)
        examples = task.examples(Part("train", Table({"text": column(*["one two three"] * 60)})), pipeline)
        names = set(examples.take(np.arange(2), Key(0)).arrays)
        assert names == {TOKENS, FROM, UNTIL, *([COUNTED, HELD] if counts else [])}


def test_the_baseline_is_the_model_that_was_counted_already(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepwell.evaluation import ngrams

    rows = column(*(f"one two {'three ' * (i % 5)}" for i in range(60)))
    texts = Part("train", Table({"text": rows}))
    tokens = np.random.default_rng(0).integers(8, 264, (2, 12))
    found = []
    for counts in (True, False):
        task, pipeline = fitted(TEXT, *rows, counts=counts)
        examples = task.examples(texts, pipeline)
        if counts:
            monkeypatch.setattr(ngrams, "fit", None)
        runner = task.baselines()[1].fit(examples, pipeline, Key(0))
        monkeypatch.undo()
        found.append((runner.run("forward", {"tokens": tokens})[0]["nll"].tolist(), runner.notes))
    assert found[0] == found[1]
    assert "grams of up to" in found[0][1][0]


def test_every_row_read_is_used_or_rejected() -> None:
    from deepwell.runs.options import TrainOptions
    from deepwell.runs.prepare import prepare

    novel = "".join(f"Line {i} of the novel.\n" for i in range(200))
    options = TrainOptions(task="text_generation", max_rejected=0.9)
    alone = prepare(Table({"text": column(novel)}), options)
    assert (alone.rows_read, len(alone.rejected)) == (1, 0)
    few = prepare(Table({"text": column(novel, "", None, novel, "  ")}), options)
    assert (few.rows_read, len(few.rejected)) == (5, 3)
    many = prepare(Table({"text": column(*[f"{i} " + novel for i in range(60)], "", None, "  ")}), options)
    assert (many.rows_read, len(many.rejected)) == (63, 3)
    assert {r.reason for r in many.rejected} == {"column 'text': there is no text"}


def test_the_network_grows_with_the_time_that_there_is() -> None:
    task, _ = fitted(TEXT, "x")
    fields = {"text": (264, 10)}
    widths = [task.shape(Sizes(fields, 100_000, seconds)).width for seconds in (5.0, 600.0, 1e5)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    few = task.shape(Sizes(fields, 10, 1e5)).width
    assert few == widths[0]  # of little text a large network learns no more


def test_values_are_dropped_where_a_large_network_reads_a_text_often() -> None:
    task, _ = fitted(TEXT, "x", size="base")
    much, little = Sizes({"text": (264, 10)}, 1_000_000, 600.0), Sizes({"text": (264, 10)}, 5_000, 6000.0)
    assert task.shape(much).dropout == 0.0
    assert task.shape(little).dropout == 0.2
    small, _ = fitted(TEXT, "x", size="tiny")
    assert small.shape(little).dropout == 0.0
    fixed, _ = fitted(TEXT, "x", size="base", dropout=0.3)
    assert fixed.shape(much).dropout == 0.3


def test_a_gate_learns_apart_where_a_large_network_reads_a_text_often() -> None:
    task, _ = fitted(TEXT, "x", size="base")
    much, little = Sizes({"text": (264, 10)}, 1_000_000, 600.0), Sizes({"text": (264, 10)}, 5_000, 6000.0)
    assert [task.network(sizes).apart for sizes in (much, little)] == [False, True]


def test_a_short_training_is_no_worse_than_counting_and_a_bundle_writes() -> None:
    from deepwell.evaluation.measure import measure
    from deepwell.runs import fitting
    from deepwell.runs.options import TrainOptions
    from deepwell.runs.prepare import prepare

    options = TrainOptions(task="text_generation", demo=True, steps=25, set={"context": "64"}, device="cpu")
    prepared = prepare(None, options)
    predictor, _ = fitting.fit(prepared, options, fitting.Memory(), lambda: False, None)
    metric = prepared.task.metrics(prepared.pipeline)[0]
    counted = prepared.task.baselines()[1].fit(prepared.examples["train"], prepared.pipeline, Key(0))
    ours, theirs = (
        metric.value(measure(prepared.task, runner, prepared.examples["test"], prepared.pipeline))
        for runner in (predictor.runner, counted)
    )
    assert ours < theirs + 0.02
    assert theirs < 0.2  # made-up reports repeat themselves
    again = type(predictor)(predictor.contents).predict(request=Asked("On ", steps=80))
    assert "the sky is" in again["text"][0]
    assert again["text"][0] == predictor.predict(request=Asked("On ", steps=80))["text"][0]
