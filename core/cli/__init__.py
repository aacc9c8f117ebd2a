"""The command line: one file a verb, each with `add` (its arguments, light) and `run` (its work, imports inside)."""
