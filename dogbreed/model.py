"""BreedClassifier: a pretrained backbone, frozen where it isn't trained, under a small head."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Self

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from dogbreed.artifact import export
from dogbreed.artifact.arguments import class_names, description_fields
from dogbreed.artifact.arguments import class_weights as checked_weights
from dogbreed.artifact.description import Description
from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.network import LINEAR, build_head, load_network
from dogbreed.backbone.architecture import HEAD, Backbone, as_backbone
from dogbreed.configuration.optimizers import OPTIMIZERS, OptimizerSettings
from dogbreed.configuration.run import ModelConfig, OptimConfig
from dogbreed.configuration.schema import AUTO, argument, brief
from dogbreed.data.batches import FeatureBatch, PhotoBatch, images_of, targets_of
from dogbreed.data.layouts.class_names import display_names
from dogbreed.data_module import DataModuleBase
from dogbreed.errors import ArtifactError, ConfigError, DogbreedError, WeightsError
from dogbreed.evaluation.metrics.registry import epoch_metrics
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.runtime.torch_probabilities import mean_log_probabilities

if TYPE_CHECKING:
    _Lightning = LightningModule
else:
    _Lightning = object

Batch = FeatureBatch | PhotoBatch | Sequence[Tensor] | Mapping[str, Tensor]
BACKBONE_DIGEST = "backbone_digest"  # in checkpoints


class ClassifierBase(_Lightning):
    """What BreedClassifier is but for its Lightning base class, of which there are two packages.

    `dogbreed.lightning` has the one for the package `lightning`.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        classes: Sequence[str],
        *,
        backbone: str | Backbone = "resnet50",
        weights: str = "auto",
        trainable: str = HEAD,
        head: str = AUTO,
        hidden: int = 512,
        dropout: float = 0.0,
        optimizer: str = "adamw",
        lr: float = 1e-3,
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        momentum: float = 0.9,
        backbone_lr_scale: float = 0.01,
        scheduler: str = "onecycle",
        label_smoothing: float = 0.1,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes = class_names(classes)
        # Optimiser.
        self.optimizer_name = argument(OptimConfig, "name", optimizer, name="optimizer")
        self.lr = argument(OptimConfig, "lr", lr)
        self.eps = argument(OptimConfig, "eps", eps)
        self.weight_decay = argument(OptimConfig, "weight_decay", weight_decay)
        self.momentum = argument(OptimConfig, "momentum", momentum)
        self.backbone_lr_scale = argument(OptimConfig, "backbone_lr_scale", backbone_lr_scale)
        self.scheduler_name = argument(OptimConfig, "scheduler", scheduler)
        # Loss.
        self.label_smoothing = argument(OptimConfig, "label_smoothing", label_smoothing)
        class_weights = checked_weights(class_weights, len(self.classes))
        self.register_buffer(
            "class_weights", None if class_weights is None else torch.tensor(class_weights), False
        )
        # Metrics: sums of loss, right answers and photos since the epoch began, by phase.
        self._sums: dict[str, Tensor] = {}
        # Log probabilities and targets of the validation photos since the epoch began.
        self._scores: list[tuple[Tensor, Tensor]] = []
        # Model.
        self.head_shape: dict[str, Any] = {
            "head": LINEAR if head == AUTO else argument(ModelConfig, "head", head),
            "hidden": argument(ModelConfig, "hidden", hidden),
            "dropout": argument(ModelConfig, "dropout", dropout),
        }
        self.backbone = as_backbone(backbone, weights, trainable)
        self.head = build_head(self.backbone.num_features, len(self.classes), **self.head_shape)
        # Checkpoints hold what is trained; the trunk is where it came from.
        self.strict_loading = False
        # As plain values, so that no checkpoint needs a pickle. Where the weights of a Backbone
        # aren't known, its digest tells whether "auto" are the same.
        self.save_hyperparameters(
            {
                "classes": list(self.classes),
                "backbone": self.backbone.name,
                "weights": self.backbone.weights,
                "trainable": self.backbone.trainable,
                **self.head_shape,
                "optimizer": self.optimizer_name,
                "lr": self.lr,
                "eps": self.eps,
                "weight_decay": self.weight_decay,
                "momentum": self.momentum,
                "backbone_lr_scale": self.backbone_lr_scale,
                "scheduler": self.scheduler_name,
                "label_smoothing": self.label_smoothing,
                "class_weights": None if class_weights is None else list(class_weights),
            }
        )

    @cached_property
    def backbone_digest(self) -> str:
        """What identifies the frozen weights; they don't change."""
        return self.backbone.digest()

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, **arguments: Any
    ) -> Self:
        """A model as a Trainer saved it, in train mode, on the CPU.

        The backbone is built by its name and weights, and compared with the digest in the
        checkpoint. `arguments` replace those of the constructor, such as `backbone`, a Backbone;
        `map_location`, `strict` and `weights_only` are torch's and Lightning's.

        Raises:
            ArtifactError: no such file, damaged, or no checkpoint of this class.
            WeightsError: the weights can't be had, or are others than the checkpoint's.
        """
        settings = {"map_location": "cpu", "weights_only": True, **arguments}
        if isinstance(arguments.get("backbone"), Backbone):  # it has both already
            settings = {"weights": AUTO, "trainable": HEAD, **settings}
        try:
            return super().load_from_checkpoint(checkpoint_path, **settings)
        except WeightsError as error:
            if "weights" in arguments or not str(error).startswith("model.weights="):
                raise
            raise WeightsError(
                f"{checkpoint_path} is of a model on weights that can't be had: {error} Give "
                "weights=, their file's place now, or backbone=, a Backbone."
            ) from error
        except DogbreedError:
            raise
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise ArtifactError(f"{checkpoint_path} can't be read: {error.strerror}.") from error
        except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
            raise ArtifactError(
                f"{checkpoint_path} is damaged, or no checkpoint of a {cls.__name__}: "
                f"{brief(str(error).split(chr(10))[0])}."
            ) from error
        except TypeError as error:
            raise ArtifactError(
                f"{checkpoint_path} doesn't have the arguments of a {cls.__name__}: an earlier "
                "version or another class saved it. Give them, such as classes=[...], or load a "
                "model folder with dogbreed.load_classifier."
            ) from error

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, height, width] to logits [n, classes]."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logits [n, views, classes] of a batch, and its targets [n]."""
        return self._logits(batch), targets_of(batch)

    def _logits(self, batch: Batch) -> Tensor:
        if isinstance(batch, FeatureBatch):
            views = batch.features
            flat = self.head(self.backbone.tail(views.flatten(0, 1)))
        else:
            views = images_of(batch)
            flat = self(views.flatten(0, 1))
        unflattened: Tensor = flat.unflatten(0, views.shape[:2])
        return unflattened

    def log_probabilities(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logarithms [n, classes] of the views' mean probabilities, and the targets [n]."""
        logits, targets = self.logits(batch)
        return mean_log_probabilities(logits), targets

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss of a batch, times its weight where several processes split it.

        With it go `logits` [n, classes], the mean over the views, and `targets` [n]: callbacks
        such as the debugger measure what they want of them.
        """
        logits, targets = self.logits(batch)
        loss = self._loss(logits, targets)
        weight: float = getattr(batch, "weight", 1.0)
        averaged = logits.detach().mean(1)
        if weight:  # else this process has no photo of this batch
            right = (averaged.argmax(-1) == targets).sum()
            plain = F.nll_loss(mean_log_probabilities(logits.detach()), targets)
            self._count("train", plain, right, len(targets))
        return {"loss": loss * weight, "logits": averaged, "targets": targets}

    def loss(self, batch: Batch) -> Tensor:
        """What training minimises: smoothed, weighted cross entropy, each view on its own."""
        return self._loss(*self.logits(batch))

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        # The mean is over photos, not over their weights, and a process's part of it counts as
        # much as it has photos: so it is the same for one process as for several.
        return F.cross_entropy(
            logits.flatten(0, 1),
            targets.repeat_interleave(logits.shape[1]),
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        ).mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs the plain cross entropy and the share of photos whose class is the likeliest."""
        log_probabilities, targets = self.log_probabilities(batch)
        loss = F.nll_loss(log_probabilities, targets)
        right = (log_probabilities.argmax(-1) == targets).sum()
        self._count("valid", loss, right, len(targets))
        self._scores.append((log_probabilities.float(), targets))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs test_loss and test_top1, as `validation_step` those of validation."""
        log_probabilities, targets = self.log_probabilities(batch)
        right = (log_probabilities.argmax(-1) == targets).sum()
        self._count("test", F.nll_loss(log_probabilities, targets), right, len(targets))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The probabilities [n, classes] of a batch, the mean over its views, without temperature.

        A batch may be images alone.
        """
        probabilities: Tensor = mean_log_probabilities(self._logits(batch)).exp()
        return probabilities

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Log the epoch's training metrics before its validation."""
        if self.trainer.is_last_batch:
            self._log("train")

    def on_validation_epoch_start(self) -> None:
        """Begin the epoch's validation scores."""
        self._scores = []

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation metrics: loss and top-1 from sums, the others from scores."""
        self._log("valid")
        scores = self._validation_scores()
        self.log_dict(
            {
                f"valid_{metric.name}": metric.compute(scores)
                for metric in epoch_metrics()
                if metric.name not in ("loss", "top1")
            }
        )

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log("test")

    def _validation_scores(self) -> Scores:
        """The scores on the validation photos of all processes, each of which has to call this."""
        parts, self._scores = self._scores, []
        log_probabilities = torch.zeros(0, len(self.classes), device=self.device)
        targets = torch.zeros(0, dtype=torch.long, device=self.device)
        if parts:
            log_probabilities = torch.cat([scored for scored, _ in parts])
            targets = torch.cat([expected for _, expected in parts])
        log_probabilities, targets = self._gathered(log_probabilities), self._gathered(targets)
        return Scores(log_probabilities.cpu(), targets.cpu())

    def _gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, however many each has."""
        if self.trainer.world_size == 1:
            return rows
        strategy = self.trainer.strategy
        counts = strategy.all_gather(torch.tensor([len(rows)], device=self.device)).flatten()
        # Processes exchange tensors of one shape: the shorter ones are padded.
        padded = rows.new_zeros(int(counts.max()), *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = strategy.all_gather(padded)
        return torch.cat(
            [process_rows[: int(n)] for process_rows, n in zip(gathered, counts, strict=True)]
        )

    def _count(self, phase: str, loss: Tensor, right: Tensor, photos: int) -> None:
        """Add a batch: its mean loss, how many of its photos were right, how many there were."""
        batch = torch.stack([loss * photos, right, torch.tensor(photos, device=loss.device)])
        self._sums[phase] = self._sums.get(phase, 0) + batch

    def _log(self, phase: str) -> None:
        """Log means over all photos of all processes, however unevenly they are shared out.

        Once an epoch: Lightning's own means take as long as the steps they are of, and over uneven
        processes they divide by a rounded count.
        """
        sums = self._over_processes(phase)
        self._sums.pop(phase, None)
        loss, top1 = sums[:2] / sums[2]
        self.log_dict({f"{phase}_loss": loss, f"{phase}_top1": top1}, prog_bar=True)

    def _over_processes(self, phase: str) -> Tensor:
        """The sums [loss, right, photos] of all processes, each of which has to call this."""
        sums = self._sums.get(phase, torch.zeros(3, device=self.device))
        total: Tensor = self.trainer.strategy.reduce(sums.clone(), reduce_op="sum")
        return total

    def setup(self, stage: str) -> None:
        """Refuse photos that were prepared for another network.

        Raises:
            ConfigError: a BreedDataModule has photos in other pixels than the backbone's.
        """
        module = getattr(self.trainer, "datamodule", None)
        if not isinstance(module, DataModuleBase):
            return
        computed_by = module.backbone
        if module.preprocessing is None and computed_by is not None:
            if computed_by.digest() != self.backbone_digest:
                raise ConfigError(
                    f"The data module has features of another {computed_by.name} than the model's "
                    "backbone: give BreedClassifier backbone=module.backbone."
                )
            return
        if module.preprocessing not in (None, self.backbone.preprocessing):
            raise ConfigError(
                f"The data module prepares photos otherwise than {self.backbone.name} needs them "
                "(size, crop or colours): give BreedDataModule "
                "preprocessing=model.backbone.preprocessing."
            )

    def on_fit_start(self) -> None:
        """Lightning warns of layers in eval mode; here they are what is meant."""
        warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode")

    def configure_optimizers(self) -> Any:
        """The optimiser, its schedule by step."""
        optimizer = self.build_optimizer()
        if self.scheduler_name == "constant":
            return optimizer
        return [optimizer], [{"scheduler": self._schedule(optimizer), "interval": "step"}]

    def build_optimizer(self) -> torch.optim.Optimizer:
        """The optimiser over the head and the trained backbone layers."""
        groups = [{"params": list(self.head.parameters()), "lr": self.lr}]
        trained = [p for p in self.backbone.parameters() if p.requires_grad]
        if trained:
            groups.append({"params": trained, "lr": self.lr * self.backbone_lr_scale})
        settings = OptimizerSettings(
            eps=self.eps, weight_decay=self.weight_decay, momentum=self.momentum
        )
        return OPTIMIZERS[self.optimizer_name](groups, settings)

    def _schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        steps = int(self.trainer.estimated_stepping_batches)
        if self.scheduler_name == "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            cycle_momentum=_has_momentum(optimizer),
        )

    def replace_head(self, weights: Tensor, bias: Tensor) -> None:
        """Use a linear head of weights [classes, features] and bias [classes]."""
        self.head_shape = {"head": LINEAR, "hidden": self.head_shape["hidden"], "dropout": 0.0}
        self.head = build_head(self.backbone.num_features, len(self.classes), **self.head_shape)
        self.head.load_state_dict({"output.weight": weights, "output.bias": bias})
        self.head.to(self.device)

    def trained_state(self) -> dict[str, Tensor]:
        """The state but for the frozen trunk, which never changes."""
        state = self.state_dict().items()
        return {name: value for name, value in state if not name.startswith("backbone.trunk.")}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the frozen trunk out; save the training sums of an epoch that isn't complete."""
        checkpoint["state_dict"] = self.trained_state()
        checkpoint[BACKBONE_DIGEST] = self.backbone_digest
        checkpoint["train_sums"] = self._over_processes("train")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue those sums, in one process of several.

        Raises:
            WeightsError: the checkpoint is of a head on other frozen weights.
        """
        if checkpoint.get(BACKBONE_DIGEST, self.backbone_digest) != self.backbone_digest:
            raise WeightsError(
                f"The checkpoint is of a model on other weights of {self.backbone.name} than these "
                f"({self.hparams['weights']}): give those as weights=, a name or a file, or give "
                "the backbone."
            )
        # With the frozen trunk, which it leaves out: Lightning warns of what is missing.
        checkpoint["state_dict"] = {**self.state_dict(), **checkpoint["state_dict"]}
        if self._trainer is None:  # `load_from_checkpoint`
            return
        if self.trainer.is_global_zero and "train_sums" in checkpoint:
            self._sums["train"] = checkpoint["train_sums"].to(self.device)

    def describe(self, **fields: Any) -> Description:
        """What model.json will say; `fields` are those of Description that the network isn't.

        Raises:
            ConfigError: a field outside its range; a name that isn't one.
        """
        shape = {"name": self.backbone.name, "trainable": self.backbone.trainable}
        defaults = {
            "display_names": display_names(self.classes),
            "preprocessing": self.backbone.preprocessing.describe(),
        }
        checked = description_fields(fields, len(self.classes))
        return Description(
            classes=self.classes, backbone=shape, head=self.head_shape, **{**defaults, **checked}
        )

    def save(self, folder: str | Path, **fields: Any) -> None:
        """Write the model to `folder` as `dogbreed.load` reads it, in an atomic write.

        `fields` are those of Description that the network doesn't decide: display_names,
        preprocessing (Preprocessing.describe()), views, temperature, threshold, ...

        Raises:
            ConfigError: as `describe`.
            ArtifactError: `folder` holds something else than a model.
        """
        training, device = self.training, self.device
        try:
            export.write_model(
                Path(folder), self, self.describe(**fields), export.default_formats()
            )
        finally:
            self.to(device).train(training)


class BreedClassifier(ClassifierBase, LightningModule):
    """Classifies photos; train it with any Lightning Trainer and any data module.

    A batch is `(images, targets)`, or a dictionary with both (`images_of`): images
    [n, 3, height, width], uint8 as decoded or float as normalised for ImageNet, targets [n] of
    class indices. This package's own PhotoBatch and FeatureBatch hold several views of each photo;
    loss and metrics are the same code for all.

    Logged: train_loss, valid_loss and test_loss (plain cross entropy, the views averaged, without
    smoothing and class weights), lower is better; train_top1, valid_top1 and test_top1, shares,
    higher is better; and valid_NAME for every other registered metric that needs no temperature
    (dogbreed.evaluation.metrics).

    Checkpoints hold the arguments, what is trained, and the digest of the frozen weights: see
    `load_from_checkpoint`.

    Args:
        classes: names of the classes; a target is an index into them.
        backbone: the name of a network, such as "resnet50", "efficientnet_lite2" or "timm/NAME", or
            a Backbone that is built. Its `preprocessing` is that of the photos.
        weights: a path, a published name, "auto" or "none"; for a backbone given by name.
        trainable: "head", "last_stage" or "all"; for a backbone given by name.
        head: "linear" or "mlp" (one hidden layer of `hidden` units); "auto" is linear, and lets a
            run replace it.
        dropout: share of features dropped before the last layer.
        optimizer: "adam", "adamw", "sgd" (the one that `momentum` is for), or a registered one.
        lr: highest learning rate of the head.
        backbone_lr_scale: that of the trained backbone layers, as a share of `lr`.
        scheduler: "onecycle", "cosine" or "constant".
        label_smoothing: share of the target that is spread over all classes.
        class_weights: weight of each class in the training loss.

    Raises:
        ConfigError: an argument outside what its key in conf/ takes; it is a ValueError.
        WeightsError: as `build_backbone`.
    """


def _has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    """Whether there is a momentum that OneCycleLR can cycle: above 0, or the first of the betas."""
    return "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0


def load_classifier(path: str | Path) -> BreedClassifier:
    """A trained classifier from a run's folder (outputs/latest) or a model's folder, in eval mode.

    Raises:
        ArtifactError: nothing there, damaged, changed, of a newer schema, or of another shape.
    """
    folder = find_artifact(Path(path))
    description = read_description(folder)
    network = load_network(folder, description)
    model = BreedClassifier(description.classes, backbone=network.backbone, **description.head)
    model.head = network.head
    return model.eval()
