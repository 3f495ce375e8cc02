"""Series: tables whose rows are moments of one or many series, as a regular grid, as windows, and as a pipeline."""
