"""The bundle `model.well`: one sealed file, or the same as a directory, that holds a model and cannot run code."""
