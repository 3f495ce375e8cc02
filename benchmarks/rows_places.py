"""Rows of time and place: forecasting, object detection, segmentation; one command each, beside the baselines of the same run."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.outcomes import DATA, Check, trained

SERIES = DATA / "time-series"
CLASSIC = SERIES / "classic_univariate"
# 12, 4 and 4 months of 30 days, as the papers cut them; later rows are left out there, too.
ETT_CUTS = "2017-06-26,2017-10-24,2018-02-21"

PLACES: Mapping[str, Check] = {
    "etth1": trained([str(SERIES / "etth1" / "ETTh1.csv"), "--horizon", "96", "--split", ETT_CUTS], "3m", "mse", "<= 0.380"),
    "airline": trained(
        [str(CLASSIC / "airline-passengers.csv"), "--horizon", "12", "--split", "1960-01"], "60s", "mase", "below seasonal naive"
    ),
    "temperatures": trained([str(CLASSIC / "daily-min-temperatures.csv")], "60s", "mase", "below seasonal naive"),
    "sunspots": trained([str(CLASSIC / "monthly-sunspots.csv")], "60s", "mase", "below seasonal naive"),
    "bccd": trained([str(DATA / "object-detection" / "bccd_blood_cells")], "15m", "map_50", ">= 0.75", 1),
    "camvid": trained(
        [str(DATA / "segmentation" / "camvid_subset"), "--set", "void=11"], "10m", "mean_iou", ">= 0.35", 1
    ),
}  # fmt: skip
