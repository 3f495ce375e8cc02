"""Real public data sets, as they come: rows, columns, header or none, parts. Figures from their READMEs."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from deepwell.data.sources import ReadOptions, read

DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the data sets are not at {DATA} (set DEEPWELL_DATA)")


@pytest.mark.parametrize(
    ("path", "rows", "width", "first"),
    [
        ("tabular/wine_quality/winequality-white.csv", 4898, 12, "column_1"),
        ("tabular/wine_quality/winequality-red.csv", 1599, 12, "column_1"),
        ("tabular/german_credit/german.csv", 1000, 21, "column_1"),
        ("tabular/pima_diabetes", 768, 9, "column_1"),
        ("anomaly-detection/mammography/mammography.csv", 11183, 7, "column_1"),
        ("recommender/movielens_100k/u.data", 100_000, 4, "column_1"),
        ("recommender/movielens_100k/u.item", 1682, 24, "column_1"),
        ("recommender/movielens_100k/u.user", 943, 5, "column_1"),
        ("time-series/etth1", 17420, 8, "date"),
        ("time-series/classic_univariate/shampoo.csv", 36, 2, "Month"),
        ("drug-discovery/tox21", 8014, 14, "NR-AR"),
        ("drug-discovery/delaney_esol/delaney-processed.csv", 1128, 10, "Compound ID"),
        ("word-vectors/wikitext2_and_wordsim/word-sim/EN-WS-353-ALL.txt", 353, 3, "column_1"),
        ("game-ai/connect4_scored_positions/positions.txt", 31, 2, "column_1"),
        ("multimodal/flickr8k_500", 2500, 2, "image"),
        ("face-recognition/orl_faces_s01_s30", 300, 2, "image"),
        ("summarisation/scitldr_a/train.jsonl", 1992, 6, "source"),
        ("text-generation/tinyshakespeare", 1, 1, "text"),
        ("word-vectors/wikitext2_and_wordsim/wikitext-2/valid.txt", 1, 1, "text"),
        ("question-answering/policyqa_dev", 3809, 4, "context"),
        ("question-answering/xquad_en", 1190, 4, "context"),
    ],
)
def test_rows_columns_and_header(path, rows, width, first):
    found = read(DATA / path)
    assert (len(found), len(found.names), found.names[0], len(found.rejected)) == (rows, width, first, 0)


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("summarisation/scitldr_a", {"train": 1992, "select": 619, "test": 618}),
        ("machine-translation/multi30k_en_de", {"train": 29_000, "select": 1014, "test": 2000}),
        ("sentiment/sst2", {"train": 6920, "select": 872, "test": 1821}),
        ("image-classification/hymenoptera_ants_bees", {"train": 60, "select": 40}),
        ("image-classification/mnist", {"train": 60_000, "test": 10_000}),
        ("medical-imaging/pneumoniamnist_balanced", {"train": 2428, "select": 270, "test": 468}),
        ("tabular/adult_census", {"train": 32561, "test": 16281}),
    ],
)
def test_the_author_s_parts(path, counts):
    found = read(DATA / path)
    assert Counter(found["split"].tolist()) == counts
    assert not found.rejected


def test_adult_by_the_command_of_the_issue():
    folder = DATA / "tabular" / "adult_census"
    options = ReadOptions(test=folder / "adult-test.csv", names=folder / "adult.names", target_name="income")
    found = read(folder / "adult-train.csv", options)
    assert found.names[0] == "age"
    assert found.names[-2:] == ["income", "split"]
    assert [found[n].dtype for n in ("age", "fnlwgt")] == [np.int64, np.int64]
    assert sum(v is None for v in found["workclass"]) == 2799  # 1,836 + 963: adult.names, "?" as missing
    assert Counter(found["income"].tolist()) == {"<=50K": 24720, ">50K": 7841, "<=50K.": 12435, ">50K.": 3846}


def test_labels_in_single_quotes_are_numbers():
    found = read(DATA / "anomaly-detection" / "mammography")
    assert Counter(found["column_7"].tolist()) == {-1: 10923, 1: 260}


def test_chats():
    daily = read(DATA / "chatbot" / "dailydialog_part")
    assert (len(daily), sum(len(cell) for cell in daily["dialogue"])) == (1900, 14_808)
    assert [Path(r.where).name for r in daily.rejected] == ["dialogues_topic.txt"]
    corpus = read(DATA / "chatbot" / "chatterbot_corpus_english")
    assert (corpus.names, len(corpus)) == (["dialogue"], 2025)
    assert [r.where.rsplit("/")[-1] for r in corpus.rejected] == [
        "trivia.yml, dialogue 14"
    ]  # a text where a list belongs


def test_multi30k_and_one_of_its_tests():
    folder = DATA / "machine-translation" / "multi30k_en_de"
    found = read(folder, ReadOptions(test=folder / "test_2016_flickr"))
    assert Counter(found["split"].tolist()) == {"train": 29_000, "select": 1014, "test": 1000}
    assert found["en"][0] == "Two young, White males are outside near many bushes."
    assert found["de"][0] == "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche."
