"""Bundle + raw values -> answers. Imports torch only to run a network that has no graphs."""
