"""The nouns that travel between floors. Imports the standard library and numpy only."""
