"""A Lightning Trainer as users build one, without bars, summaries and logs."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl


def quiet_trainer(folder: Path, **settings: Any) -> pl.Trainer:
    """A Trainer on the CPU, for one epoch unless `settings` say more."""
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    settings = {"max_epochs": 1, **quiet, **settings}
    return pl.Trainer(accelerator="cpu", default_root_dir=folder, **settings)
