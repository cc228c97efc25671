"""The experiment loggers; each module registers what it defines when it is imported here."""

# ruff: noqa: F401
import dogbreed.training.loggers.csv
import dogbreed.training.loggers.mlflow
import dogbreed.training.loggers.tensorboard
import dogbreed.training.loggers.wandb
