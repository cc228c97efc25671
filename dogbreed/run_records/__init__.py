"""Runs in the folder of all runs: their records, their states, the latest and the best."""
