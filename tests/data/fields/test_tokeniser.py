"""Tokeniser: exact on any text, the same as the library `tokenizers` with the same merges, strict about foreign merges."""

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import BundleError, ConfigError, MissingExtra
from deepwell.data.fields import tokeniser_learning as learning
from deepwell.data.fields.tokeniser import FIRST_MERGE, LONGEST, MOST_MERGES, SPECIALS, Tokeniser, pieces, utf8
from deepwell.data.fields.tokeniser_learning import count_pieces, learn
from deepwell.store import json as strict_json

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
SHAKESPEARE = "text-generation/tinyshakespeare/input.txt"
GERMAN = "machine-translation/multi30k_en_de/train.de.gz"

STRANGE = {
    "empty": "",
    "zero bytes": "a\0b\0\0",
    "emoji of four bytes": "👩‍👩‍👧 👍🏽 😀😀",
    "combining marks": unicodedata.normalize("NFD", "Crème brûlée, Ångström") + "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤",
    "right to left": "שלום, עולם! مرحبا بالعالم ١٢٣",
    "Chinese": "我喜欢吃苹果。他也喜欢吃苹果,但是不喜欢喝牛奶!",
    "Thai": "ฉันชอบกินข้าวผัดมาก วันนี้อากาศดี",
    "spaces of all kinds": " \t\r\n\n\u3000 a  \u2028b \xa0\u200b ",
    "no character": "￾\U0010ffff�",
    "long runs": "x" * 1000 + "7" * 300 + "!" * 129 + " " * 65,
}
CORPUS = [text * 3 for text in STRANGE.values()] + ["the cat and the hat and the bat in the flat"] * 3


@pytest.fixture(scope="module", params=["byte", "character", "bpe"])
def taught(request):
    return learn(CORPUS, request.param, 600)


@pytest.mark.parametrize("name", STRANGE)
def test_strange_texts_come_back_exactly(taught, name):
    text = STRANGE[name]
    tokens = taught.encode(text)
    assert tokens.dtype == np.int32
    assert ((tokens >= SPECIALS) & (tokens < taught.size)).all()
    assert taught.decode(tokens) == text
    assert taught.byte_counts[tokens].sum() == len(text.encode())
    assert taught.character_counts[tokens].sum() == len(text)


@given(st.lists(st.text(), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_unicode_comes_back_exactly(taught, texts):
    rows = taught.encode_all(texts)
    assert rows.padded
    assert rows.offsets.tolist() == np.cumsum([0, *(len(taught.encode(text)) for text in texts)]).tolist()
    parts = np.split(rows.values, rows.offsets[1:-1]) if texts else []
    assert [taught.decode(part) for part in parts] == texts


@given(st.text(st.characters()), st.text(alphabet=" \n\tab1!'\u2019中ก́", max_size=300))
@settings(max_examples=300, deadline=None)
def test_pieces_side_by_side_are_the_text(one, other):
    for text in (one, other):
        found = [piece for some in pieces(text) for piece in some]
        assert "".join(found) == text
        assert all(1 <= len(piece) <= 65 for piece in found)


@given(st.text(alphabet=" \n\tab1!'\u2019中ก́", max_size=300), st.integers(66, 100))
@settings(max_examples=300, deadline=None)
def test_where_blocks_end_does_not_show(text, block):
    whole = [piece for some in pieces(text) for piece in some]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deepwell.data.fields.tokeniser.BLOCK", block)
        assert [piece for some in pieces(text) for piece in some] == whole


def test_text_is_cut_as_the_rule_says():
    def cut(text):
        return [piece for some in pieces(text) for piece in some]

    assert cut("I don't know: it's 1999!") == ["I", " don", "'t", " know", ":", " it", "'s", " 1999", "!"]
    assert cut("l'homme  a\n\n b") == ["l", "'", "homme", " ", " a", "\n\n", " b"]
    assert cut("Über naïve_x") == ["Über", " naïve", "_", "x"]
    assert cut("你好,世界。") == ["你好", ",", "世界", "。"]
    assert cut("e\u0301te\u0301 क्षि ที่") == ["e\u0301te\u0301", " क्षि", " ที่"]
    assert cut("a" * 130) == ["a" * 64, "a" * 64, "aa"]


def test_half_a_surrogate_pair_comes_back_as_replacement_signs():
    assert Tokeniser().decode(Tokeniser().encode("a\ud83db")) == "a���b"
    learn(["\ud83d\ud83d x", "\ud83d"] * 3, "bpe", 300)
    learn(["\ud83d\ud83d x", "\ud83d"] * 3, "character", 300)


def test_special_tokens_are_left_out_and_broken_bytes_replaced():
    plain = Tokeniser()
    euro = (np.frombuffer("€".encode(), np.uint8) + SPECIALS).tolist()
    assert plain.decode([1, 2, *euro, 0, 7, SPECIALS + ord("x"), 0]) == "€x"
    assert plain.decode(euro[:2]) == "�"
    assert plain.decode_bytes(np.array(euro[:2])) == "€".encode()[:2]


def test_levels_by_hand():
    text = ["aé aé 世 世界"]
    assert learn(text, "byte", 300).size == FIRST_MERGE
    by_character = learn(text, "character", 300)  # é and 世 twice; 界 once, and so not
    assert by_character.merges == (
        (SPECIALS + 0xC3, SPECIALS + 0xA9),
        (SPECIALS + 0xE4, SPECIALS + 0xB8),
        (FIRST_MERGE + 1, SPECIALS + 0x96),
    )
    assert by_character.encode("é世").tolist() == [FIRST_MERGE, FIRST_MERGE + 2]
    pairs = learn(["low low low lower lower newest newest newest newest"], "bpe", 300)
    names = [pairs.decode([token]) for token in range(FIRST_MERGE, pairs.size)]
    assert names[:2] == ["we", "lo"]  # 4 + 2 times; then 1 + 2 + 2 times, "ow" being 1 + 2 times only
    assert {" newest", " low"} <= set(names)
    assert "lower" not in names


def test_a_vocabulary_is_no_larger_than_asked_and_no_larger_than_the_text_repeats():
    words = [" ".join(f"{a}{b}{c}" for a in "abcde" for b in "fghij" for c in "klmno")] * 5
    for most in (264, 265, 300, 400):
        assert learn(words, "bpe", most).size <= most
        assert learn(["".join(chr(0x4E00 + i) for i in range(200))] * 2, "character", most).size <= most
    assert learn(words, "bpe", 300).size == 300
    assert learn([], "bpe", 8192).size == FIRST_MERGE
    assert learn(["each word here once"], "bpe", 8192).size < FIRST_MERGE + 4
    assert learn(["abc"], "bpe", 8192).size == FIRST_MERGE  # seen once
    assert learn(["abc", "abc"], "bpe", 8192).size == FIRST_MERGE + 2


def test_rare_characters_stay_bytes():
    text = ["语" * 50_000 + "龘龘"]
    assert len(learn(text, "bpe", 500).encode("龘")) == 3
    assert len(learn(text, "character", 500).encode("龘")) == 1


def test_learning_is_deterministic(taught):
    for level in ("character", "bpe"):
        again = [learn(CORPUS, level, 600).merges for _ in range(3)]
        assert again[0] == again[1] == again[2]


def test_large_corpora_are_sampled_evenly(monkeypatch):
    texts = ["ab " * 40] * 300 + ["cd " * 4_000] + ["", "ef " * 40, ""] * 100  # 36,000, 12,000 and 12,000 characters
    monkeypatch.setattr(learning, "STRETCH", 30)
    assert list(learning._stretches(texts)) == texts  # few enough to read them all
    monkeypatch.setattr(learning, "DIFFERENT", 1_000)
    assert Counter(learning._stretches(texts)) == {"ab " * 10: 1_200, "cd " * 10: 400, "ef " * 10: 400}
    for read in (600, 3_000, 12_000):
        monkeypatch.setattr(learning, "READ", read)
        found = count_pieces(texts)
        letters = Counter("".join(piece * count for piece, count in found.items()))
        assert letters.total() == read
        assert [letters[letter] * 3 / read for letter in "ace"] == pytest.approx([0.6, 0.2, 0.2], abs=0.1)


def test_learning_stops_where_there_are_enough_different_pieces(monkeypatch):
    monkeypatch.setattr(learning, "DIFFERENT", 5_000)
    draw = np.random.default_rng(0)
    texts = ["".join(map(chr, row)) for row in draw.integers(0x4E00, 0x9000, (200, 100))]
    found = count_pieces(texts)
    assert 5_000 <= sum(map(len, found)) < 5_200


def real(name):
    """The text of a data set's file, plain or compressed."""
    data = (SHARED / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode()


def library_of(tokeniser):
    """The library's own byte-pair encoder with the same merges, over one sign for each byte."""
    tokenizers = pytest.importorskip("tokenizers")
    signs = ["", *[""] * (SPECIALS - 1), *(chr(0x100 + byte) for byte in range(256))]
    merges = []
    for left, right in tokeniser.merges:
        merges.append((signs[left], signs[right]))
        signs.append(signs[left] + signs[right])
    vocabulary = {sign: token for token, sign in enumerate(signs) if token >= SPECIALS}
    return tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))


@needs_data
@pytest.mark.parametrize("level", ["character", "bpe"])
@pytest.mark.parametrize("name", [SHAKESPEARE, GERMAN])
def test_the_encoder_equals_that_of_the_library(name, level):
    text = real(name)
    ours = learn([text[:400_000]], level, 3_000)
    library = library_of(ours)
    text = text[300_000:600_000] + "".join(STRANGE.values()) * 2  # partly unseen
    words = ["".join(chr(0x100 + byte) for byte in utf8(piece)) for some in pieces(text) for piece in some]
    assert ours.encode(text).tolist() == library.encode(words, is_pretokenized=True).ids


@given(st.lists(st.text(alphabet="abcä世界", min_size=1, max_size=12), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_encoder_equals_that_of_the_library_on_small_alphabets(words):
    ours = learn([" ".join(words * 2)], "bpe", 320)
    library = library_of(ours)
    for word in words:
        given_word = "".join(chr(0x100 + byte) for byte in utf8(word))
        assert ours.encode(word).tolist() == library.encode([given_word], is_pretokenized=True).ids


def test_state_survives_the_bundle(taught):
    state = strict_json.read(strict_json.write(taught.state()), "tokeniser")
    again = Tokeniser.restore(state)
    assert again.merges == taught.merges
    assert all(np.array_equal(again.encode(text), taught.encode(text)) for text in CORPUS)


def test_the_largest_vocabulary_fits_into_a_bundle():
    from deepwell.bundle.contents import LIMITS

    state = Tokeniser([(SPECIALS + i // 256, SPECIALS + i % 256) for i in range(MOST_MERGES)]).state()
    stored = strict_json.write(dict.fromkeys("abc", state))
    strict_json.read(stored, "pipeline.json", limit=LIMITS["pipeline.json"])


def pair(left, right):
    return left << 16 | right


A, B = SPECIALS + ord("a"), SPECIALS + ord("b")


@pytest.mark.parametrize(
    ("merges", "said"),
    [
        ([pair(A, FIRST_MERGE)], "no earlier tokens"),  # of itself
        ([pair(A, FIRST_MERGE + 1), pair(A, B)], "no earlier tokens"),  # a cycle
        ([pair(0, A)], "no earlier tokens"),
        ([pair(A, 7)], "no earlier tokens"),
        ([-1], "whole number"),
        ([1 << 32], "whole number"),
        ([True], "whole number"),
        ([float(pair(A, B))], "whole number"),
        (["ab"], "whole number"),
        ([[A, B]], "whole number"),
        ([pair(A, B), pair(A, B)], "there is already"),
        ([pair(A, A), pair(FIRST_MERGE, A), pair(A, FIRST_MERGE)], "there is already"),
        ([pair(A, A), *(pair(FIRST_MERGE + i, FIRST_MERGE + i) for i in range(40))], f"more than {LONGEST} bytes"),
        ([0] * (MOST_MERGES + 1), "at most 32,768"),
    ],
)
def test_foreign_merges_are_refused(merges, said):
    with pytest.raises(BundleError, match=said):
        Tokeniser.restore({"rule": "words-1", "merges": merges})


@pytest.mark.parametrize(
    "state", [None, {}, {"rule": "words-1"}, {"rule": 1, "merges": []}, {"rule": "w", "merges": ()}]
)
def test_foreign_states_are_refused(state):
    with pytest.raises(BundleError):
        Tokeniser.restore(state)


def test_another_rule_is_refused_in_words():
    with pytest.raises(BundleError, match="by the rule 'words-9', which is not known here"):
        Tokeniser.restore({"rule": "words-9", "merges": []})


def test_wrong_use_is_named():
    with pytest.raises(ConfigError, match="did you mean 'character'"):
        learn(["a"], "characters", 300)
    with pytest.raises(ConfigError, match="264 to 33,032 tokens; got 100"):
        learn(["a"], "bpe", 100)


def test_without_the_library_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r'pip install "deepwell\[text\]"'):
        learn(["aa aa"], "bpe", 300)
    assert learn(["éé"], "character", 300).size == FIRST_MERGE + 1


def test_at_run_time_there_is_no_library():
    code = (
        "import json, sys; from deepwell.data.fields.tokeniser import Tokeniser;"
        "t = Tokeniser.restore(json.load(sys.stdin)); print(t.decode(t.encode('the cat')), 'tokenizers' in sys.modules)"
    )
    state = json.dumps(learn(CORPUS, "bpe", 400).state())
    ran = subprocess.run([sys.executable, "-c", code], input=state, capture_output=True, text=True, check=True)
    assert ran.stdout == "the cat False\n"


def test_a_long_document_takes_bounded_memory(monkeypatch):
    monkeypatch.setattr("deepwell.data.fields.tokeniser.BLOCK", 4_096)
    text = "".join(f"word{i % 97} 世界{i % 13}。" for i in range(40_000))  # one cell
    taught = learn([text[:100_000]], "bpe", 500)
    taught.encode(text)  # so that all pieces are known
    tracemalloc.start()
    tokens = taught.encode(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taught.decode(tokens) == text
    # The tokens, which are grown and then copied once, and one block of pieces; a list of all pieces takes 10 MB.
    assert peak < 4 * tokens.nbytes + 1e6 < 5e6


def test_hostile_text_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("deepwell.data.fields.tokeniser._MOST_PIECES", 100)
    plain = Tokeniser()
    plain.encode(" ".join(str(i) for i in range(1_000)))
    assert len(plain._pieces) <= 100
