"""Records of runs that never were, as realistic as events allow: a class from a table, a number, a class of pictures."""

from __future__ import annotations

import numpy as np
from tests.reports.fake_events import Event, adult_columns, baseline, closing, opening, png, score, training
from tests.reports.fake_places import places


def classification() -> list[Event]:
    """Adult: a table, two classes, the official test file."""
    fields, columns = adult_columns()
    own = [
        score("accuracy", 0.8712, 0.0052, 16_281),
        score("AUC", 0.9251, 0.0041, 16_281),
        score("log loss", 0.2831, 0.0072, 16_281, "nats", "lower"),
    ]

    def rival(accuracy: float, area: float, loss: float) -> list[Event]:
        return [
            score("accuracy", accuracy, 0.0054, 16_281),
            score("AUC", area, 0.0043, 16_281),
            score("log loss", loss, 0.0075, 16_281, "nats", "lower"),
        ]

    confidence = np.linspace(0.53, 0.98, 10)
    bins = [
        {"confidence": c, "accuracy": c + d, "count": n}
        for c, d, n in zip(
            confidence,
            [-0.03, 0.02, 0.01, -0.02, 0.01, 0, 0.01, -0.01, 0.004, 0.002],
            [700, 650, 700, 720, 800, 900, 1100, 1500, 2400, 6811],
            strict=True,
        )
    ]
    x = np.linspace(0, 1, 200)
    command = "deepwell train adult-train.csv --test adult-test.csv --names adult.names --target income --time 60s"
    files = [
        {
            "path": "adult-train.csv",
            "bytes": 3_974_305,
            "sha256": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        },
        {
            "path": "adult-test.csv",
            "bytes": 2_003_153,
            "sha256": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        },
    ]
    return [
        opening("tabular", command.split(), files, 48_842),
        {
            "event": "schema",
            "fields": fields,
            "task_reason": "The target is a category and the inputs are numbers and categories.",
        },
        {"event": "columns", "columns": columns},
        {
            "event": "parts",
            "counts": {"train": 27_677, "select": 3_256, "calibrate": 1_628, "test": 16_281},
            "reason": "The test file is the author's; select and calibrate are drawn from the training file by class.",
            "notes": ["52 equal rows stand together in one part each."],
        },
        {
            "event": "rejected",
            "read": 48_846,
            "used": 48_842,
            "count": 4,
            "rows": [
                {"where": "adult-train.csv, line 12", "reason": "14 cells where the header has 15"},
                {"where": "adult-train.csv, line 3017", "reason": "no value for the target 'income'"},
                {"where": "adult-test.csv, line 1", "reason": "'|1x3 Cross validator' is not a row"},
                {
                    "where": "adult-test.csv, line 16282",
                    "reason": "the class 'unknown' does not occur in the training part",
                },
            ],
        },
        {"event": "phase", "name": "read", "wall": {"seconds": 0.7}},
        *training(6000, "accuracy", 0.76, 0.8745),
        {
            "event": "calibration",
            "numbers": {"income.logits.scale": 0.931},
            "before": {"ece": 0.0214},
            "after": {"ece": 0.0078},
        },
        {"event": "scores", "part": "test", "scores": own, "opened": 1},
        baseline("majority", "trivial", rival(0.7638, 0.5, 0.5465), own),
        baseline("linear", "classical", rival(0.8527, 0.9069, 0.3161), own),
        baseline("boosting", "classical", rival(0.8741, 0.9279, 0.2771), own),
        {"event": "phase", "name": "evaluate", "wall": {"seconds": 5.9}},
        {
            "event": "figure",
            "kind": "confusion",
            "target": "income",
            "title": "income",
            "data": {"labels": ["<=50K", ">50K"], "counts": [[11_702, 733], [1_364, 2_482]]},
        },
        {
            "event": "figure",
            "kind": "roc",
            "target": "income",
            "title": "income, positive class >50K",
            "data": {"points": np.stack([x, 1 - (1 - x) ** 9], 1).tolist()},
        },
        {"event": "figure", "kind": "reliability", "target": "income", "title": "income", "data": {"bins": bins}},
        {
            "event": "examples",
            "title": "Rows where the network was sure and wrong",
            "columns": [
                {"name": n, "kind": "category"}
                for n in ["row", "age", "education", "income, true", "income, answered", "probability"]
            ],
            "rows": [
                ["adult-test.csv, line 88", 47, "Masters", ">50K", "<=50K", 0.981],
                ["adult-test.csv, line 913", 31, "HS-grad", ">50K", "<=50K", 0.977],
                ["adult-test.csv, line 4120", 55, "Doctorate", "<=50K", ">50K", 0.972],
            ],
        },
        *closing(
            "tabular",
            "The network reaches accuracy 0.8712 (0.8660 to 0.8759, n = 16,281): not distinguishable from the best "
            "baseline, boosting (network minus baseline -0.0029, interval -0.0098 to +0.0040).",
            "neither",
        ),
    ]


def regression() -> list[Event]:
    """Wine: a table, a number."""
    draw = np.random.default_rng(3)
    truth = draw.normal(6, 0.9, 980)
    answer = 6 + 0.62 * (truth - 6) + draw.normal(0, 0.45, 980)
    own = [score("RMSE", 0.602, 0.031, 980, "points", "lower"), score("R²", 0.541, 0.043, 980, "share")]

    def rival(error: float, share: float) -> list[Event]:
        return [score("RMSE", error, 0.033, 980, "points", "lower"), score("R²", share, 0.05, 980, "share")]

    names = ["fixed acidity", "volatile acidity", "citric acid", "residual sugar", "density", "pH", "alcohol"]
    columns = []
    for i, name in enumerate(names):
        values = draw.gamma(2 + i, 1, 3000)
        counts, edges = np.histogram(values, bins=20)
        columns.append(
            {
                "name": name,
                "kind": "number",
                "role": "input",
                "missing": 0,
                "stats": {"mean": values.mean(), "min": values.min(), "max": values.max()},
                "bins": {"edges": edges.tolist(), "counts": counts.tolist()},
            }
        )
    counts = [20, 163, 1457, 2198, 880, 175, 5]
    columns.append(
        {
            "name": "quality",
            "kind": "number",
            "role": "target",
            "missing": 0,
            "stats": {"mean": 5.88, "min": 3, "max": 9},
            "bins": {"edges": [2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5], "counts": counts},
        }
    )
    fields = [
        {"name": n, "kind": "number", "role": "input", "reason": "numbers with many different values", "facts": {}}
        for n in names
    ]
    fields.append(
        {
            "name": "quality",
            "kind": "number",
            "role": "target",
            "facts": {},
            "reason": "whole numbers 3 to 9 in order: read as a number; force classes with --kind quality=category",
        }
    )
    return [
        opening(
            "tabular",
            ["deepwell", "train", "winequality-white.csv", "--target", "quality", "--time", "60s"],
            [{"path": "winequality-white.csv", "bytes": 264_426, "sha256": "ab" * 32}],
            4_898,
        ),
        {"event": "schema", "fields": fields, "task_reason": "The target is a number."},
        {"event": "columns", "columns": columns},
        {
            "event": "parts",
            "counts": {"train": 3_183, "select": 490, "calibrate": 245, "test": 980},
            "reason": "Drawn at random.",
            "notes": ["937 equal rows stand together in one part each."],
        },
        {"event": "rejected", "read": 4_898, "used": 4_898, "count": 0, "rows": []},
        *training(3000, "R²", 0.0, 0.55, 4),
        {"event": "calibration", "numbers": {"quality.value.margin": 0.94}, "rows": 245},
        {"event": "scores", "part": "test", "scores": own, "opened": 1},
        baseline("mean", "trivial", rival(0.889, 0.0), own),
        baseline("linear", "classical", rival(0.754, 0.28), own),
        baseline("boosting", "classical", rival(0.636, 0.47), own),
        {
            "event": "figure",
            "kind": "residuals",
            "target": "quality",
            "title": "quality",
            "data": {"truth": truth, "answer": answer},
        },
        *closing(
            "tabular",
            "The network reaches RMSE 0.602 points (0.571 to 0.630, n = 980): better than the best baseline, "
            "boosting, by 0.034 (0.002 to 0.067) points.",
            "network",
        ),
    ]


def images() -> list[Event]:
    """scikit-learn's digits as pictures, ten classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    draw = np.random.default_rng(5)
    counts = np.diag(draw.integers(30, 38, 10)) + (draw.random((10, 10)) < 0.06) * draw.integers(1, 4, (10, 10))
    own = [score("accuracy", 0.9833, 0.013, 360), score("log loss", 0.061, 0.02, 360, "nats", "lower")]

    def rival(accuracy: float, loss: float) -> list[Event]:
        return [score("accuracy", accuracy, 0.02, 360), score("log loss", loss, 0.04, 360, "nats", "lower")]

    rows = []
    for i in range(24):
        wrong = i in (3, 11)
        label = str(digits.target[i])
        rows.append(
            [
                {"png": png((digits.images[i] * 15.9).astype(np.uint8))},
                label,
                str((digits.target[i] + wrong) % 10),
                0.51 if wrong else 0.99,
            ]
        )
    bins = [
        {"confidence": c, "accuracy": c - 0.02, "count": n} for c, n in ((0.55, 6), (0.74, 9), (0.91, 25), (0.99, 320))
    ]
    return [
        opening(
            "image_classification",
            ["deepwell", "train", "digits/"],
            [{"path": f"digits/{i}/0001.png", "bytes": 812, "sha256": "cd" * 32} for i in range(10)],
            1797,
        ),
        {
            "event": "schema",
            "task_reason": "Pictures in folders that name their class.",
            "fields": [
                {
                    "name": "image",
                    "kind": "image",
                    "role": "input",
                    "reason": "files that are pictures, 8 by 8, grey",
                    "facts": {},
                },
                {
                    "name": "label",
                    "kind": "category",
                    "role": "target",
                    "reason": "the name of the folder",
                    "facts": {},
                },
            ],
        },
        {
            "event": "columns",
            "columns": [
                {
                    "name": "image",
                    "kind": "image",
                    "role": "input",
                    "missing": 0,
                    "stats": {"height": 8, "width": 8, "channels": 1},
                },
                {
                    "name": "label",
                    "kind": "category",
                    "role": "target",
                    "missing": 0,
                    "stats": {},
                    "top": [[str(i), 180 - i] for i in range(10)],
                },
            ],
        },
        {
            "event": "parts",
            "counts": {"train": 1167, "select": 180, "calibrate": 90, "test": 360},
            "reason": "Drawn by class.",
            "notes": [],
        },
        {"event": "rejected", "read": 1797, "used": 1797, "count": 0, "rows": []},
        *training(1500, "accuracy", 0.1, 0.985, 6),
        {
            "event": "calibration",
            "numbers": {"label.logits.scale": 1.21},
            "before": {"ece": 0.031},
            "after": {"ece": 0.012},
        },
        {"event": "scores", "part": "test", "scores": own, "opened": 2},
        baseline("majority", "trivial", rival(0.103, 2.303), own),
        baseline("linear on small pixels", "classical", rival(0.958, 0.17), own),
        {
            "event": "figure",
            "kind": "confusion",
            "target": "label",
            "title": "label",
            "data": {"labels": [str(i) for i in range(10)], "counts": counts},
        },
        {"event": "figure", "kind": "reliability", "target": "label", "title": "label", "data": {"bins": bins}},
        {
            "event": "figure",
            "kind": "bars",
            "target": "label",
            "title": "Accuracy by class",
            "data": {"labels": [str(i) for i in range(10)], "values": (np.diag(counts) / counts.sum(1)).tolist()},
        },
        {
            "event": "examples",
            "title": "Test pictures",
            "columns": [
                {"name": "image", "kind": "image"},
                {"name": "true", "kind": "category"},
                {"name": "answered", "kind": "category"},
                {"name": "probability", "kind": "number"},
            ],
            "rows": rows,
        },
        *closing(
            "image_classification",
            "The network reaches accuracy 0.983 (0.970 to 0.995, n = 360): better than the best baseline, "
            "linear on small pixels, by 0.025 (0.007 to 0.043).",
            "network",
        ),
    ]


ALL = {"classification": classification, "regression": regression, "images": images, "places": places}
