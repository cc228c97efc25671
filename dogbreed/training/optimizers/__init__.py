"""The optimisers; each module registers what it defines when it is imported here."""

# ruff: noqa: F401
import dogbreed.training.optimizers.adam
import dogbreed.training.optimizers.sgd
