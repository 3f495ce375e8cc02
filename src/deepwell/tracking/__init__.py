"""The run directory, the record events.jsonl, and the sinks that hear it."""
