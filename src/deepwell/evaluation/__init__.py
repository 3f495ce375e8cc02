"""Evaluation: from answers to proof: measured columns, intervals, calibration, baselines, figures, the verdict."""
