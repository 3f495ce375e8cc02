"""Layers: one idea per file, each with its formula, shapes and source."""
