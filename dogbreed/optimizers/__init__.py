"""The optimisers; each module registers what it defines when it is imported here."""

from dogbreed.optimizers import adam, sgd

__all__ = ["adam", "sgd"]
