"""translation from files to scores: parallel files, tables, JSON lines, what is refused, and real pairs."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from deepwell.core.errors import DataError
from deepwell.core.keys import Key
from deepwell.evaluation.measure import measure
from deepwell.runs.fitting import Memory, fit
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import prepare

DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
WORDS = [
    ("dog", "Hund"),
    ("cat", "Katze"),
    ("bird", "Vogel"),
    ("house", "Haus"),
    ("tree", "Baum"),
    ("road", "Weg"),
    ("boat", "Boot"),
]


def sentences(count):
    """Different pairs of sentences of four words, in another order."""
    draws, found = Key(3).numpy(), {}
    while len(found) < count:
        words = [WORDS[i] for i in draws.integers(0, len(WORDS), 5)]
        found[" ".join(w for w, _ in words)] = " ".join(w for _, w in reversed(words))
    return list(found.items())


def ready(path, *target, **options):
    return prepare(str(path), TrainOptions(target=target, **options))


def parallel(folder, pairs, sides=("en", "de")):
    rows = list(pairs)
    for side, name in enumerate(sides):
        (folder / f"train.{name}").write_text("".join(f"{pair[side]}\n" for pair in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize("target", ["de", "en"])
def test_parallel_files_are_translated_into_the_target_that_is_named(tmp_path, target):
    prepared = ready(parallel(tmp_path, sentences(200)), target)
    assert prepared.name == "translation"
    assert prepared.pipeline.target == target
    assert sum(examples.count for examples in prepared.examples.values()) == 200


def test_tables_and_json_lines_are_the_same_task(tmp_path):
    pairs = sentences(120)
    (tmp_path / "pairs.tsv").write_text("en\tde\n" + "".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    lines = "".join(json.dumps({"en": s, "de": t}) + "\n" for s, t in pairs)
    (tmp_path / "pairs.jsonl").write_text(lines, encoding="utf-8")
    tsv, jsonl = (ready(tmp_path / name, "de") for name in ("pairs.tsv", "pairs.jsonl"))
    assert tsv.name == jsonl.name == "translation"
    for part in ("train", "test"):
        one, other = (p.examples[part].take(np.arange(p.examples[part].count), Key(0)).arrays for p in (tsv, jsonl))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_context_and_a_question_are_read_one_after_the_other(tmp_path):
    rows = [{"context": f"{s}. It is so.", "question": f"what of {t}?", "answer": s} for s, t in sentences(120)]
    (tmp_path / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    prepared = ready(tmp_path / "qa.jsonl", "answer")
    assert prepared.pipeline.inputs == ("context", "question")
    assert prepared.pipeline.facts_.style == "answers"
    assert prepared.task.metrics(prepared.pipeline)[0].name == "f1"


def test_the_same_language_twice_is_refused(tmp_path):
    pairs = [(source, source) for source, _ in sentences(120)]
    with pytest.raises(DataError, match="the same text"):
        ready(parallel(tmp_path, pairs), "de")


def test_targets_that_are_too_long_are_counted_and_many_of_them_stop_the_run(tmp_path):
    pairs = sentences(200)
    few = [(s, t + " Wort" * 90 if i == 1 else t) for i, (s, t) in enumerate(pairs)]
    prepared = ready(parallel(tmp_path, few), "de", set={"longest": "64", "level": "byte"}, seed=1)
    assert [r.reason for r in prepared.rejected] == ["the target has more than 64 tokens (knob longest)"]
    many = [(s, t + " Wort" * 90 if i % 5 == 1 else t) for i, (s, t) in enumerate(pairs)]
    with pytest.raises(
        DataError, match=r"rows cannot be used[\s\S]*the target has more than 64 tokens \(knob longest\)"
    ):
        ready(parallel(tmp_path, many), "de", set={"longest": "64", "level": "byte"})


def test_an_order_is_learnt_from_a_few_pairs(tmp_path):
    """Sixty steps tell a network that has learnt from one that has not: whole runs are the conformance suite's."""
    prepared = ready(parallel(tmp_path, sentences(400)), "de", set={"dropout": "0", "batch_size": "64"})
    options = TrainOptions(steps=60, device="cpu", plan={"threads": "1"})
    trained, _ = fit(prepared, options, Memory(), lambda: False, None)
    untrained, _ = fit(
        prepared, TrainOptions(steps=1, device="cpu", plan={"threads": "1"}), Memory(), lambda: False, None
    )
    chrf = prepared.task.metrics(prepared.pipeline)[-1]
    found = [
        chrf.value(measure(p.task, p.runner, prepared.examples["test"], prepared.pipeline))
        for p in (trained, untrained)
    ]
    assert found[0] > found[1] + 10


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data sets at {DATA} (set DEEPWELL_DATA)")
def test_real_captions_are_translations_and_real_abstracts_summaries(tmp_path):
    captions = DATA / "machine-translation/multi30k_en_de"
    sides = [gzip.decompress((captions / f"val.{side}.gz").read_bytes()).decode().splitlines() for side in ("en", "de")]
    facts = ready(parallel(tmp_path, zip(*sides, strict=True)), "de").pipeline.facts_
    assert (facts.shared, facts.unspaced, facts.style) == (True, False, "translations")
    assert 10 < facts.target_words < 13
    papers = ready(
        DATA / "summarisation/scitldr_a/dev.jsonl", "target", set={"level": "byte"}, role={"title": "ignore"}
    )
    assert papers.pipeline.facts_.style == "summaries"
    assert papers.pipeline.several
    assert "references" in papers.examples["test"].take(np.arange(3), Key(0)).arrays
