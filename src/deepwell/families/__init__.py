"""Abstract tasks that several applications share. Torch-free at import."""
