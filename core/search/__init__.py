"""Searches over the settings of a run: which student is best within a budget. Each trial is a run in the store."""
