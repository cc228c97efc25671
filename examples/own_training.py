"""Your own LightningModule under dogbreed's debugger and profiler: python examples/own_training.py.

Nothing here is dogbreed's but the two callbacks: the module, the loaders and the Trainer are yours.
"""

import tempfile
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import dogbreed


class SmallNetwork(pl.LightningModule):
    """A classifier of points in the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        points, targets = batch
        logits = self.layers(points)
        # With logits and targets the debugger also records accuracy and checks the classes.
        return {"loss": F.cross_entropy(logits, targets), "logits": logits, "targets": targets}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        points, targets = batch
        self.log("val_loss", F.cross_entropy(self.layers(points), targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def loader(seed: int) -> DataLoader[tuple[Tensor, ...]]:
    """300 points around three centres."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(300) % 3
    centres = torch.tensor([[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    points = centres[targets] + 0.5 * torch.randn(300, 2, generator=generator)
    return DataLoader(TensorDataset(points, targets), batch_size=30, shuffle=True)


def main() -> None:
    pl.seed_everything(0)
    with tempfile.TemporaryDirectory() as folder:
        debugger = dogbreed.Debugger(Path(folder) / "debug", valid_loss="val_loss")
        trainer = pl.Trainer(
            max_epochs=5,
            callbacks=[debugger],
            profiler=dogbreed.TimeProfiler(),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(SmallNetwork(), loader(0), loader(1))
        recording = dogbreed.read_recording(Path(folder) / "debug" / "recording")
        print(f"{len(recording.steps['step'])} steps recorded")
    for verdict in debugger.verdicts():
        print(f"{verdict.name}: {verdict.state}")


if __name__ == "__main__":
    main()
