"""The charts of a run's report, a file per kind."""
