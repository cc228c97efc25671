"""Searches for hyperparameters: one space, here or on SageMaker, and what came of it."""
