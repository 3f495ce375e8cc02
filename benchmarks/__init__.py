"""Side-by-side runs against other systems. Default recipes, whole processes from raw files to scores; never part of the tests."""
