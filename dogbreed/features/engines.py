"""Which engine runs the frozen part of a backbone."""

import importlib.metadata
import importlib.util
from dataclasses import replace

from dogbreed.backbone.architecture import Backbone
from dogbreed.backbone.providers.base import provider_of
from dogbreed.configuration.schema import AUTO
from dogbreed.errors import EngineError
from dogbreed.runtime.conversion import to_openvino
from dogbreed.runtime.engine import EngineChoice, choose_engine
from dogbreed.runtime.runner import FEATURES, OPENVINO, TORCH

NOT_CONVERTED = "OpenVINO can't convert this network"


def converts_to_openvino(backbone: Backbone) -> bool:
    """Whether OpenVINO can run the network: it is tried where that isn't known."""
    if provider_of(backbone.name).all_convert:
        return True
    if importlib.util.find_spec("openvino") is None:
        return False
    try:
        to_openvino(backbone, backbone.preprocessing.size_px, (FEATURES,))
    except EngineError:
        return False
    return True


def frozen_engine(
    backbone: Backbone, engine: str = AUTO, precision: str = AUTO, *, converts: bool
) -> EngineChoice:
    """The engine of the feature pass: torch where OpenVINO would be chosen but can't run it.

    `converts` is the result of `converts_to_openvino`.

    Raises:
        EngineError: the requested engine isn't available, or can't run the network.
    """
    choice = choose_engine(engine, precision)
    if choice.name == OPENVINO and not converts:
        if engine == OPENVINO:
            raise EngineError(
                f"engine=openvino: OpenVINO can't convert {backbone.name}: use engine=auto, which "
                "runs it on torch."
            )
        choice = replace(choose_engine(TORCH, precision), reason=NOT_CONVERTED)
    packages = provider_of(backbone.name).packages
    computing = {name: importlib.metadata.version(name) for name in packages}
    return replace(choice, versions={**choice.versions, **computing})
