"""dogbreed.fit: what `dogbreed train` does, called from a script or a notebook."""

import gc
import threading
from os import PathLike
from typing import Any

from dogbreed.configuration.keywords import compose_keywords
from dogbreed.configuration.run import Config
from dogbreed.errors import ConfigError
from dogbreed.run import Run
from dogbreed.utils.command import own_output
from dogbreed.utils.signals import interrupts_stop

# A process has one set of loggers and random states: trainings in several threads take turns.
_turn = threading.Lock()


def fit(root: str | PathLike[str] | None = None, /, **settings: Any) -> Run:
    """Train a classifier on the photos below `root`; returns the finished run.

        run = dogbreed.fit("PHOTOS", epochs=20, backbone="efficientnet_lite2")

    `settings` are the keys of `dogbreed train`: by the last word (lr, which is optim.lr; of several
    keys the least nested one), in full as in `**{"optim.lr": 0.01}`, or a group and its choice
    (optim="sgd"). Without `root` the photos are those of the configuration: the sample set, or
    data="oxford_pets".

    An interrupted training (Ctrl-C, or the stop button of a notebook) is continued by the same call
    with resume="auto". Trainings in several threads take turns.

    Raises:
        DogbreedError: as the command, one sentence that says how to correct it; `Stopped` after an
            interrupt.
    """
    if root is not None:
        if "data.root" in settings:
            raise ConfigError("data.root is given twice.")
        settings["data.root"] = root
    config = compose_keywords(Config, "train", settings)
    if config.trainer.devices > 1 or config.trainer.strategy == "ddp":
        raise ConfigError(
            "dogbreed.fit trains in this process: several processes (trainer.devices, "
            "trainer.strategy=ddp) need the command, dogbreed train."
        )
    with _turn, own_output(), interrupts_stop():
        from dogbreed.training.run import train  # torch, which a mistyped key needn't wait for

        try:
            return Run(train(config, commands=False))
        finally:
            gc.collect()  # a Trainer and its model refer to each other: their files are closed here
