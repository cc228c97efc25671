"""An extension as a user's package has it: one of each kind. Tests install it beside dogbreed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dogbreed.artifact.servers.base import ImageCatalog, Server, ServingImage
from dogbreed.backbone.providers.base import PROVIDERS, Provider
from dogbreed.configuration.debug import RULES, TRIGGERS, TriggersConfig
from dogbreed.configuration.deploy import SERVERS
from dogbreed.configuration.optimizers import OPTIMIZERS, OptimizerSettings, ParameterGroups
from dogbreed.configuration.schema import key
from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, ImageFormat
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.data.decoding.structure import Structure
from dogbreed.data.roots import REMOTE_ROOTS
from dogbreed.debug.profiling.profile import Profile
from dogbreed.debug.profiling.triggers.base import Evaluated, Evaluation, Trigger
from dogbreed.debug.recording.observations import Step
from dogbreed.debug.rules.base import Fault, Rule, Thresholds
from dogbreed.errors import DataError


def signed(groups: ParameterGroups, settings: OptimizerSettings) -> Any:
    """Steps of the gradient's sign."""
    import torch

    return torch.optim.Rprop(groups)


OPTIMIZERS.register("signed", signed)


@dataclass(frozen=True, kw_only=True)
class LateStepThresholds(Thresholds):
    """The keys of debug.rules.late_step."""

    after: int = key("a step whose number is above this", at_least=0, default=1000)


class LateStep(Rule[LateStepThresholds]):
    """A step that comes late."""

    thresholds_class = LateStepThresholds
    recommendation = "Raise debug.rules.late_step.after."

    def on_step(self, step: Step) -> Fault | None:
        """Any late step."""
        self.not_evaluated = ""
        if step.step <= self.thresholds.after:
            return None
        return Fault(message="This step was late.", values={"lr": step.lr})


RULES.register("late_step", LateStep)


@dataclass(frozen=True, kw_only=True)
class LongRunThresholds(TriggersConfig):
    """The key of the trigger long_run."""

    long_run_s: float = key("a run of more seconds", at_least=0, default=1e6)


def long_run(profile: Profile, thresholds: LongRunThresholds) -> Evaluation:
    """A run that took long."""
    return Evaluated(
        fired=profile.total_s > thresholds.long_run_s,
        message="The run took some time.",
        values={"seconds": profile.total_s},
        threshold=("long_run_s", thresholds.long_run_s),
    )


TRIGGERS.register(
    "long_run",
    Trigger(
        evaluate=long_run,
        thresholds_class=LongRunThresholds,
        recommendation="Raise debug.triggers.long_run_s.",
    ),
)


class DummyProvider(Provider):
    """One network, of two layers."""

    title = "dummy"
    cut_families = ("dummy",)

    def names(self) -> Sequence[str]:
        """One name."""
        return ("dummy/tiny",)

    def build(self, name: str) -> Any:
        """Two convolutions, and ten classes."""
        from collections import OrderedDict

        from torch import nn

        return nn.Sequential(
            OrderedDict(
                stem=nn.Conv2d(3, 8, 7, 8),
                act=nn.ReLU(),
                stage=nn.Conv2d(8, 8, 1),
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(1),
                classifier=nn.Linear(8, 10),
            )
        )

    def parameters(self, name: str) -> int:
        """Those of the two layers."""
        return 8 * 3 * 49 + 8 + 8 * 8 + 8 + 8 * 10 + 10

    def weight_names(self, name: str) -> Sequence[str]:
        """Two."""
        return ("ZEROS", "ONES")

    def default_weights(self, name: str) -> str:
        """The second."""
        return "ONES"

    def fetch(self, name: str, weights: str) -> Any:
        """Weights of one value; each unit of the first layer sees one colour."""
        state = self.build(name).state_dict()
        for unit, kernel in enumerate(state["stem.weight"]):
            kernel.zero_()
            kernel[unit % 3] = {"ZEROS": 0.0, "ONES": 1.0}[weights]
        return state

    def licence(self, name: str) -> str:
        """There is nothing to license."""
        return "CC0-1.0"

    def preprocessing(self, name: str) -> Preprocessing:
        """Values from -1 to 1."""
        return Preprocessing(size_px=64, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))

    def layer_order(self, name: str) -> tuple[Sequence[str], str]:
        """The order in which they were added."""
        return ("stem", "act", "stage", "pool", "flat", "classifier"), "stage"


PROVIDERS.register("dummy", DummyProvider())


def check_plain(data: bytes) -> Structure:
    """Width and height, two bytes each, after the signature."""
    width, height = (int.from_bytes(data[place : place + 2]) for place in (4, 6))
    return Structure(format="PLAIN", width=width, height=height)


def open_plain(data: bytes) -> Image.Image:
    """RGB, three bytes a pixel."""
    size = check_plain(data)
    pixels = np.frombuffer(data, np.uint8, 3 * size.pixels, 8)
    return Image.fromarray(pixels.reshape(size.height, size.width, 3))


IMAGE_FORMATS.register(
    "PLAIN",
    ImageFormat(
        name="PLAIN",
        suffixes=frozenset({".plain"}),
        content_type="image/x-plain",
        begins=lambda head: head.startswith(b"PLN1"),
        check=check_plain,
        open=open_plain,
    ),
)


def echo_image(catalog: ImageCatalog, processor: str) -> ServingImage:
    """A container of our own registry."""
    return ServingImage(uri=f"registry.example/echo:{processor}")


SERVERS.register(
    "echo",
    Server(
        files={"echo/app.py": Path(__file__)},
        image=echo_image,
        environment={"ECHO": "1"},
    ),
)


def check(uri: str) -> None:
    """A URI of the scheme `shelf` names a folder here."""
    if not Path(uri.removeprefix("shelf://")).is_dir():
        raise DataError(f"data.root={uri}: there is no such shelf.")


def download(uri: str) -> Path:
    """Nothing is far away."""
    return Path(uri.removeprefix("shelf://"))


REMOTE_ROOTS.register("shelf", __name__)
