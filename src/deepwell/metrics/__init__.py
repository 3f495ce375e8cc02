"""Metrics: how per-example measures finish as one number, in numpy, over many resamples at once."""
