"""Two small models of three breeds that answer differently, as runs' folders; made in a second."""

from pathlib import Path

CLASSES = ("n02085620-Chihuahua", "n02099601-golden_retriever", "n02106662-German_shepherd")
BREEDS = ("Chihuahua", "golden retriever", "German shepherd")
METRICS = {"test": {"top1": 0.875, "loss": 0.5, "n": 16}, "valid": {"top1": 0.75}}


def make_run(folder: Path, sure_of: int) -> Path:
    """A run's folder whose model answers with one breed for every photo."""
    import torch

    from dogbreed.data.decoding.photos import Preprocessing
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


def broken_run(good: Path, folder: Path) -> Path:
    """A copy of a run with valid checksums, and that no server can load."""
    import dataclasses
    import shutil

    from dogbreed.artifact.description import Description
    from dogbreed.artifact.file_names import DESCRIPTION
    from dogbreed.artifact.folder import read_description, write_artifact

    description = read_description(good / "model")

    def write_files(target: Path) -> Description:
        for file in (good / "model").iterdir():
            if file.name != DESCRIPTION:
                shutil.copy2(file, target)
        (target / "openvino.xml").write_text("no network", "utf-8")
        (target / "model.safetensors").write_bytes(b"no weights")
        return dataclasses.replace(description, sha256={})

    write_artifact(folder / "model", write_files)
    return folder
