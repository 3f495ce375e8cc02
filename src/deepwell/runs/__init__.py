"""One run from files to report: prepare, train, evaluate, seal. Knows the task contract, never a task."""
