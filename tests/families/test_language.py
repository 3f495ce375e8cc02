"""Documents as one stream: nothing is lost between a column and its windows, and lengths are those of the text."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Ragged
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.core.keys import Key
from deepwell.data.fields.dialogue import Dialogue
from deepwell.data.fields.text import Text
from deepwell.data.fields.tokeniser import BEGIN, END, SPECIALS, Tokeniser
from deepwell.evaluation import ngrams
from deepwell.families import language
from deepwell.families.language import COUNTED, FROM, HELD, TOKENS, UNTIL, Corpus


def column(*cells: object) -> np.ndarray:
    made = np.empty(len(cells), object)
    made[:] = cells
    return made


def ragged(*rows: list[int]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    return Ragged(np.array([t for r in rows for t in r], np.int32), offsets, padded=True)


def test_documents_stand_between_begin_and_end_and_empty_ones_are_left_out() -> None:
    tokens, bounds = language.stream(ragged([9, 10], [], [11]), dialogue=False)
    assert tokens.tolist() == [BEGIN, 9, 10, END, BEGIN, 11, END]
    assert bounds.tolist() == [0, 4, 7]
    tokens, bounds = language.stream(ragged([2, 9, END], [3, 10, END]), dialogue=True)
    assert tokens.tolist() == [BEGIN, 2, 9, END, BEGIN, 3, 10, END]
    assert bounds.tolist() == [0, 4, 8]
    assert language.stream(ragged([], []), dialogue=False)[0].tolist() == []


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(8, 20), max_size=30), max_size=70), st.integers(2, 16), st.data())
def test_asked_windows_ask_for_each_token_once_and_belong_to_its_document(rows, context, data) -> None:
    tokens, bounds = language.stream(ragged(*rows), dialogue=False)
    windows = language.asked_windows(tokens, bounds, context, data.draw(st.integers(1, context)))
    asked = []
    for batch in windows.batches(5, Key(0)):
        for row, since, until in zip(*(batch.arrays[name] for name in (TOKENS, FROM, UNTIL)), strict=True):
            asked += row[1 + since : 1 + until].tolist()
    assert asked == tokens[1:].tolist()
    assert windows.units is not None
    assert len(windows.units) == windows.count
    if len(bounds) > language.FEW:
        assert set(windows.units) <= set(range(1, len(bounds)))
    else:
        assert len(set(windows.units)) <= language.BLOCKS
    assert (np.diff(windows.units) >= 0).all()


@pytest.mark.parametrize(("documents", "units"), [(9, 100), (10, 10), (49, 49), (60, 60)])
def test_intervals_rest_on_documents_wherever_there_are_some(documents: int, units: int) -> None:
    tokens, bounds = language.stream(ragged(*[[9] * 198] * documents), dialogue=False)
    found = language.asked_windows(tokens, bounds, 8, 8).units
    assert found is not None
    assert len(set(found)) == units


def test_each_token_of_a_text_shorter_than_a_window_is_learnt_once() -> None:
    windows = language.training_windows(np.arange(8, 13, dtype=np.int32), 40, None)
    arrays = windows.take(np.arange(windows.count or 0), Key(3)).arrays
    asked = arrays[TOKENS][0, 1 + arrays[FROM][0] : 1 + arrays[UNTIL][0]]
    assert len(arrays[TOKENS]) == 1
    assert len(set(asked.tolist())) == len(asked) == 4


def test_training_windows_cover_the_text_and_carry_its_counts() -> None:
    tokens = np.arange(101, dtype=np.int32)
    counted = np.arange(303, dtype=np.float16).reshape(101, 3)
    windows = language.training_windows(tokens, 10, counted)
    batch = windows.take(np.arange(windows.count or 0), Key(0))
    assert windows.count == 10
    assert batch.arrays[TOKENS].shape == (10, 11)
    np.testing.assert_array_equal(batch.arrays[COUNTED][..., 0], batch.arrays[TOKENS] * 3)
    assert language.training_windows(tokens[:1], 10, None).count == 0
    assert language.training_windows(tokens[:5], 10, None).count == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 40_000), st.integers(1, 300))
def test_about_a_twentieth_is_set_apart_in_stretches_and_never_nothing(count: int, context: int) -> None:
    apart = language.set_apart(count, context)
    starts = np.flatnonzero(np.diff(apart, prepend=0) == 1)
    stretch = min(6 * context, count // 20)
    assert len(apart) == count
    assert apart[starts[0] : starts[0] + stretch].all()
    assert len(starts) >= 1
    assert abs(apart.sum() - count / 20) <= stretch


def test_windows_tell_which_of_their_tokens_are_set_apart() -> None:
    tokens = np.arange(2000, dtype=np.int32)
    windows = language.training_windows(tokens, 10, np.zeros((2000, 3), np.float16))
    arrays = windows.take(np.arange(windows.count or 0), Key(0)).arrays
    np.testing.assert_array_equal(arrays[HELD], language.set_apart(2000, 10)[arrays[TOKENS]])
    assert HELD not in language.training_windows(tokens, 10, None).take(np.arange(3), Key(0)).arrays


def test_the_vocabulary_follows_the_size_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Field("text", "text")
    texts = column(*["the cat sat on the mat, the dog on the log. " * 5] * 8)
    assert Corpus(Text(), "auto", 400).fit(texts, field).tokeniser.size == 264  # characters: nothing but bytes here
    monkeypatch.setattr(language, "SMALL", 100)
    monkeypatch.setattr(language, "PER_TOKEN", 5)
    assert Corpus(Text(), "auto", 400).fit(texts, field).tokeniser.size > 264
    assert Corpus(Text(), "auto", 270).fit(texts, field).tokeniser.size == 270
    monkeypatch.setattr(language, "PER_TOKEN", 10_000)
    assert Corpus(Text(), "auto", 400).fit(texts, field).tokeniser.size == 264
    assert Corpus(Text(), "byte", 400).fit(texts, field).tokeniser.size == 264


def test_a_dialogue_is_as_long_as_what_is_said_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = column(*[[{"role": "a" * 50, "text": "how are you "}, {"role": "b" * 50, "text": "fine thanks "}]] * 100)
    monkeypatch.setattr(language, "PER_TOKEN", 8)
    assert Corpus(Dialogue(), "auto", 400).fit(cells, Field("x", "dialogue")).inner.most == 2400 // 8


def test_dialogues_are_never_cut_into_characters() -> None:
    cells = column(*[[{"role": "a", "text": "how are you " * 50}, {"role": "b", "text": "fine thanks " * 50}]] * 200)
    assert Corpus(Dialogue(), "auto", 400).fit(cells, Field("x", "dialogue")).tokeniser.size > 264


def test_a_restored_corpus_encodes_and_sizes_the_same() -> None:
    for inner, made, cells in (
        (Text(), Text(), column("one two two", "three")),
        (Dialogue(), Dialogue(), column([{"role": "a", "text": "hi"}, {"role": "b", "text": "ho"}])),
    ):
        fitted = Corpus(inner, "auto", 300).fit(cells, Field("x", "text"))
        again = Corpus(made, "auto", 300).restore(fitted.state())
        assert again.sizes() == fitted.sizes()
        assert again.documents_ == len(cells)
        np.testing.assert_array_equal(again.encode(cells)[0][""].values, fitted.encode(cells)[0][""].values)
        assert again.dialogue == isinstance(inner, Dialogue)


@pytest.mark.parametrize(
    "change", [{"documents": -1}, {"documents": "many"}, {"grams": [0]}, {"grams": [1] * 9}, {"grams": [10**9]},
               {"grams": ["1"]}, {"inner": {}}, {"grams": []}, {"grams": [265]}]
)  # fmt: skip
def test_a_foreign_state_is_refused(change) -> None:
    state = Corpus(Text(), "auto", 300).fit(column("one two two"), Field("x", "text")).state()
    with pytest.raises(BundleError):
        Corpus(Text(), "auto", 300).restore({**state, **change})


def test_where_nothing_is_to_be_counted_nothing_is() -> None:
    cells, field = column("one two two", "three"), Field("x", "text")
    plain = Corpus(Text(), "auto", 300, counts=False).fit(cells, field)
    assert plain.sizes() == (264,)
    assert plain.counted_ is plain.best_ is None
    assert Corpus(Text(), "auto", 300, counts=False).restore(plain.state()).sizes() == (264,)
    counted = Corpus(Text(), "auto", 300).fit(cells, field).state()
    with pytest.raises(BundleError, match="must be none"):
        Corpus(Text(), "auto", 300, counts=False).restore(counted)


def test_rows_without_text_are_named_and_not_counted() -> None:
    corpus = Corpus(Text(), "auto", 300).fit(column("one", "", None, "  ", float("nan"), "two"), Field("x", "text"))
    parts, problems = corpus.encode(column("one", "", None, "  ", float("nan"), [], "two", 5))
    assert problems == dict.fromkeys((1, 2, 3, 4, 5), "there is no text")
    assert corpus.documents(parts).lengths[[0, 6, 7]].tolist() == [3, 3, 1]
    alone = Corpus(Text(), "auto", 300).fit(column("one", "two"), Field("x", "text"))
    assert alone.sizes() == corpus.sizes()
    missing = Corpus(Dialogue(), "auto", 300).fit(column([{"role": "a", "text": "hi"}]), Field("x", "dialogue"))
    assert list(missing.encode(column(None, [{"role": "a", "text": "hi"}], "x"))[1]) == [0, 2]


def test_of_a_long_text_only_the_end_is_encoded_to_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_TOKENS", 100)
    encoded: list[int] = []
    plain = Text.encode
    monkeypatch.setattr(
        Text, "encode", lambda self, cells: (encoded.append(sum(map(len, cells))), plain(self, cells))[1]
    )
    rows = column(*(f"document number {i:04d}" for i in range(500)))
    many = Corpus(Text(), "byte", 300).fit(rows, Field("x", "text"))
    assert sum(encoded) == 6 * 20  # 101 tokens are wanted
    whole = many.encode(rows)[0]
    tokens, _ = language.stream(many.documents(whole), False)
    best, _, notes = ngrams.fit(tokens, 264)
    assert many.best_ is not None
    np.testing.assert_array_equal(many.best_[0].levels[-1].codes, best.levels[-1].codes)
    assert many.best_[1] == notes
    encoded.clear()
    Corpus(Text(), "byte", 300).fit(column("a novel. " * 10_000), Field("x", "text"))
    assert sum(encoded) < 5_000


def test_counts_of_a_long_text_take_little_more_memory_than_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_TOKENS", 2_000)
    monkeypatch.setattr(ngrams, "BLOCK", 4_096)
    tokens = np.random.default_rng(0).integers(8, 12, 500_000).astype(np.int32)
    model = ngrams.count(tokens[-2_000:], 264, 2)
    tracemalloc.start()
    found = language.held_out_counts(tokens, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.nbytes == 6 * len(tokens)
    assert peak < 9 * len(tokens)


def test_held_out_counts_are_what_networks_look_up() -> None:
    tokens = np.random.default_rng(0).integers(8, 12, 200).astype(np.int32)
    model, _, _ = ngrams.fit(tokens, 264)
    found = language.held_out_counts(tokens, model)
    assert found.shape == (200, 3)
    assert (found[:, 0] < 0).all()
    assert found[0].tolist() == [np.float16(-np.log(264)), 0, 0]
    rest = ngrams.count(tokens[40:], 264, model.order).seen(tokens[None, :40].astype(np.int64))
    np.testing.assert_allclose(found[1:40, 0], np.log(rest[0][0]), rtol=1e-3)
    np.testing.assert_array_equal(found[1:40, 1], rest[1][0])
    assert set(found[:, 1].tolist()) <= set(range(model.order + 1))


@given(st.text(max_size=50))
def test_lengths_of_tokens_sum_to_those_of_the_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    tokeniser = Tokeniser()
    characters, octets = language.lengths(tokeniser)
    tokens = tokeniser.encode(text)
    assert characters[tokens].sum() == len(text)
    assert octets[tokens].sum() == len(text.encode())
    assert characters[:SPECIALS].tolist() == octets[:SPECIALS].tolist() == [1, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("before", "prompt", "expected"),
    [
        ([], "hi", ("user", "assistant")),
        ([], "", ("user", "assistant")),
        (["user", "assistant"], "hi", ("user", "assistant")),
        (["system", "assistant"], "hi", ("user", "assistant")),  # a greeting
        (["system"], "hi", ("user", "assistant")),
        (["system", "user"], "hi", ("user", "assistant")),  # asked once more
        (["human", "gpt", "human"], "hi", ("human", "gpt")),
        (["Ann", "Bob"], "hi", ("Ann", "Bob")),
        (["Ann", "Bob", "Ann"], "hi", ("Bob", "Ann")),  # in turn
        (["Ann", "gpt", "Ann"], "hi", ("Ann", "gpt")),
        (["gpt"], "hi", ("user", "gpt")),
    ],
)
def test_who_asks_and_who_answers(before: list[str], prompt: str, expected: tuple[str, str]) -> None:
    assert language.voices(before, prompt) == expected


@pytest.mark.parametrize(
    ("before", "answers"),
    [
        (["system", "user"], "assistant"),
        (["system", "user", "assistant", "user"], "assistant"),
        (["user", "assistant"], "user"),
        (["Ann", "Bob", "Ann"], "Bob"),
        (["bot"], "user"),
        (["Ann"], "assistant"),
    ],
)
def test_without_a_prompt_nobody_answers_himself(before: list[str], answers: str) -> None:
    assert language.voices(before, "")[1] == answers
