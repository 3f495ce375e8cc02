"""Kinds of columns: one file per kind, found by file name; each learns on training rows, encodes, and decodes."""
