"""Two small models of three breeds that answer differently, as runs' folders; made in a second."""

from pathlib import Path

CLASSES = ("n02085620-Chihuahua", "n02099601-golden_retriever", "n02106662-German_shepherd")
BREEDS = ("Chihuahua", "golden retriever", "German shepherd")
METRICS = {"test": {"top1": 0.875, "loss": 0.5, "n": 16}, "valid": {"top1": 0.75}}


def make_run(folder: Path, sure_of: int) -> Path:
    """A run's folder whose model answers with one breed for every photo."""
    import torch

    from dogbreed.data.decoding.preprocessing import Preprocessing
    from dogbreed.model import BreedClassifier

    model = BreedClassifier(CLASSES, backbone="mobilenet_v3_small", weights="none")
    output = model.head.get_submodule("output")
    bias = torch.zeros(3)
    bias[sure_of] = 3.0
    weight = torch.zeros_like(output.state_dict()["weight"])
    output.load_state_dict({"weight": weight, "bias": bias})
    model.save(
        folder / "model",
        preprocessing=Preprocessing(size_px=64).describe(),
        metrics=METRICS,
    )
    return folder


def break_model(model: Path) -> None:
    """Make a model's folder one that no server can load, with valid checksums."""
    import json

    from dogbreed.artifact.file_names import DESCRIPTION

    (model / "openvino.xml").write_text("no network", "utf-8")
    (model / "model.safetensors").write_bytes(b"no weights")
    file = model / DESCRIPTION
    description = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(description | {"sha256": {}}), "utf-8")
