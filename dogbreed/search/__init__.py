"""Hyperparameter search: the space, the trials, and the results of both runners."""
