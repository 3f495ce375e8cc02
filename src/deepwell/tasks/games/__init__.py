"""Games: the rules of one game per file; see core/game.py. A file's only Game class is found by the file's name."""
