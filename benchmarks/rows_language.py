"""Rows of language: one command each, default recipe, beside the baselines of the same run."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.outcomes import DATA, Check, trained

MULTI30K = DATA / "machine-translation" / "multi30k_en_de"
SHAKESPEARE = str(DATA / "text-generation" / "tinyshakespeare" / "input.txt")
# The title is all but a summary, which the authors of SciTLDR do not give to their systems.
SCITLDR = [str(DATA / "summarisation" / "scitldr_a"), "--target", "target", "--role", "title=ignore"]

LANGUAGE: Mapping[str, Check] = {
    "sst2": trained([str(DATA / "sentiment" / "sst2")], "60s", "accuracy", ">= 0.83"),
    "shakespeare-3m": trained([SHAKESPEARE], "3m", "nats_per_character", "<= 1.70"),
    "shakespeare-30m": trained([SHAKESPEARE], "30m", "nats_per_character", "<= 1.52", 1),
    "dailydialog": trained(
        [str(DATA / "chatbot" / "dailydialog_part" / "dialogues.txt")], "5m", "perplexity", "below the n-gram", 1
    ),
    "multi30k": trained(
        [str(MULTI30K / "train"), "--test", str(MULTI30K / "test_2016_flickr"), "--target", "de"],
        "30m", "bleu_lower", ">= 35", 1,
    ),
    "scitldr": trained(SCITLDR, "10m", "rouge_l", "", 1),
}  # fmt: skip
