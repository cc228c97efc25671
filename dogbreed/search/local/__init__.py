"""A search on this machine: Optuna's trials in worker processes."""
