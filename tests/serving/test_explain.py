"""What speaks for a class: right where it can be computed by hand, and in the right place."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import draw_photo
from PIL import Image

from dogbreed import Predictor, load
from dogbreed.artifact.description import Description
from dogbreed.artifact.export import write_model
from dogbreed.artifact.file_names import OPENVINO
from dogbreed.artifact.folder import read_description
from dogbreed.artifact.network import Network, build_head, load_network
from dogbreed.artifact.runtimes import torch_runtime
from dogbreed.backbone.architecture import empty_backbone
from dogbreed.configuration.run import FITS
from dogbreed.data.decoding.pool import POOL
from dogbreed.data.decoding.preprocessing import Pixels, Preprocessing
from dogbreed.errors import ArtifactError, ConfigError, EngineError, PhotoError
from dogbreed.runtime.runner import Floats
from dogbreed.serving.explain import LONGEST_PX, Explainer, overlay
from dogbreed.serving.grad_cam import GradCam

PIXELS = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)


def random_network(name: str, trainable: str = "head", head: str = "linear") -> Network:
    backbone = empty_backbone(name, trainable)
    network = Network(backbone, build_head(backbone.num_features, 3, head=head))
    generator = torch.Generator().manual_seed(1)
    output = network.head.get_submodule("output")
    assert isinstance(output, torch.nn.Linear)
    torch.nn.init.normal_(output.weight, generator=generator)
    return network.eval()


def grad_cam_of(network: Network) -> Explainer:
    return Explainer(GradCam(network, 96), Preprocessing(size_px=96))


def written(network: Network, folder: Path) -> Predictor:
    """What predicts with it, exported for OpenVINO, in full precision."""
    backbone = {"name": network.backbone.name, "trainable": network.backbone.trainable}
    description = Description(
        classes=("a", "b", "c"),
        display_names=("a", "b", "c"),
        backbone=backbone,
        head={"head": "mlp" if hasattr(network.head, "hidden") else "linear"},
        preprocessing=Preprocessing(size_px=96).describe(),
    )
    write_model(folder, network, description, (OPENVINO,))
    return load(folder, engine=OPENVINO, precision="f32")


@pytest.mark.parametrize(
    ("name", "trainable", "cells"),
    [
        ("resnet18", "head", 3),
        ("resnet18", "all", 3),
        pytest.param("efficientnet_b0", "last_stage", 3, marks=pytest.mark.slow),
        ("squeezenet1_1", "head", 5),
    ],
)
def test_class_maps_are_what_grad_cam_finds(
    name: str, trainable: str, cells: int, tmp_path: Path
) -> None:
    network = random_network(name, trainable)
    predictor = written(network, tmp_path / "model")
    assert predictor.has_class_maps
    for index in range(3):
        found = predictor.explainer.activation(PIXELS, index)
        assert found.shape == (cells, cells)
        np.testing.assert_allclose(found, grad_cam_of(network).activation(PIXELS, index), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "mlp"),
        ("mobilenet_v3_small", "linear"),  # a layer between the averages and its features
    ],
)
def test_where_there_are_no_class_maps_grad_cam_explains(
    name: str, head: str, tmp_path: Path
) -> None:
    network = random_network(name, head=head)
    predictor = written(network, tmp_path / "model")
    assert not predictor.has_class_maps
    found = predictor.explainer.activation(PIXELS, 1)
    np.testing.assert_allclose(found, grad_cam_of(network).activation(PIXELS, 1), atol=1e-3)


def test_under_a_linear_head_over_pooled_features_it_is_cam(tiny_model: Path) -> None:
    """Selvaraju et al. 2017, section 3.1: Grad-CAM generalises CAM (Zhou et al. 2016)."""
    network = load_network(tiny_model / "model", read_description(tiny_model / "model"))
    layers = network.backbone.trunk.get_submodule("layers")
    *maps_of, _, _ = (layer for name, layer in layers.named_children())
    images = torch.from_numpy(PIXELS)[None].permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = network.backbone.trunk.get_submodule("normalise")(images)
        for layer in maps_of:
            maps = layer(maps)
    output = network.head.get_submodule("output")
    assert isinstance(output, torch.nn.Linear)
    explainer = grad_cam_of(network)
    for index in range(3):
        cam = torch.einsum("k,khw->hw", output.weight[index], maps[0]).detach().relu()
        activation = explainer.activation(PIXELS, index)
        assert activation.shape == (3, 3)
        np.testing.assert_allclose(activation, cam / cam.max(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "trainable", "cells"),
    [
        ("resnet18", "head", 3),
        ("resnet18", "last_stage", 3),
        ("resnet18", "all", 3),
        ("mobilenet_v3_small", "head", 3),
        pytest.param("densenet121", "head", 3, marks=pytest.mark.slow),
        ("squeezenet1_1", "head", 5),
        pytest.param("swin_t", "head", 3, marks=pytest.mark.slow),
    ],
)
def test_networks_of_every_build_are_explained(name: str, trainable: str, cells: int) -> None:
    network = random_network(name, trainable, head="mlp")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    activation = grad_cam_of(network).activation(PIXELS, 1)
    assert activation.shape == (cells, cells)
    assert 0 <= activation.min() <= activation.max() <= 1
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_of_tokens_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="vit_b_16 ends in tokens"):
        GradCam(random_network("vit_b_16"), 224)


def test_the_overlay_is_where_the_activation_is() -> None:
    photo = Image.new("RGB", (300, 100), (100, 100, 100))
    activation = np.zeros((4, 4), np.float32)
    activation[0, 3] = 1  # the upper right of the centre square
    difference = np.abs(
        np.asarray(overlay(photo, activation, (100, 0, 200, 100))).astype(int) - 100
    ).sum(-1)
    rows, columns = np.nonzero(difference > 60)
    assert columns.min() >= 160
    assert columns.max() < 200
    assert rows.max() < 40
    assert not difference[:, 200:].any(), "beyond the square nothing was seen"
    assert not difference[:, :100].any()
    inner = np.asarray(overlay(photo, np.ones((4, 4), np.float32), (125, 25, 175, 75)))
    _, columns = np.nonzero((inner != 100).any(-1))
    assert (columns.min(), columns.max()) == (125, 174)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (301, 199), (90, 90), (1, 700)])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("opened", [False, True])
def test_the_overlay_is_where_the_network_sees_it(
    fit: str, size: tuple[int, int], opened: bool
) -> None:
    """A map of the brightness that the network sees marks the bright spot of the photo itself."""
    width, height = size
    photo = Image.new("RGB", size, (30, 30, 30))
    spot = (width * 4 // 10, height * 6 // 10, width * 5 // 10 + 1, height * 7 // 10 + 1)
    photo.paste((255, 255, 255), spot)

    def brightness(pixels: Pixels, index: int) -> Floats:
        lit: Floats = (pixels.min(-1) > 200).astype(np.float32)
        return lit

    explainer = Explainer(brightness, Preprocessing(size_px=96, fit=fit))
    if opened:
        with POOL.opened(encoded(photo), max_pixels=10**6) as sent:
            drawn = explainer.explain_opened(sent, 0)
    else:
        drawn = explainer.explain(photo, 0)
    assert drawn.size == size
    marked = (np.asarray(drawn).astype(int) != np.asarray(photo)).any(-1)
    lit = np.asarray(photo)[..., 0] == 255
    if fit == "crop":  # beyond the square nothing is seen
        side, middle = min(size), np.zeros_like(lit)
        left, top = (width - side) // 2, (height - side) // 2
        middle[top : top + side, left : left + side] = True
        lit &= middle
    near = 2 + max(size) // 48  # two of the network's pixels
    for axis in (0, 1):
        wanted, found = np.flatnonzero(lit.any(axis)), np.flatnonzero(marked.any(axis))
        if not len(wanted):
            continue
        assert abs(found[0] - wanted[0]) <= near
        assert abs(found[-1] - wanted[-1]) <= near


def encoded(photo: Image.Image) -> bytes:
    file = io.BytesIO()
    photo.save(file, "PNG")
    return file.getvalue()


def test_the_picture_has_the_photos_shape_and_the_asked_class(
    tiny_model: Path, tmp_path: Path
) -> None:
    predictor = load(tiny_model)
    draw_photo(tmp_path / "large.jpg", 120, 1, (3000, 1500))
    draw_photo(tmp_path / "small.png", 120, 1, (90, 70))
    assert predictor.explain(tmp_path / "large.jpg").size == (LONGEST_PX, LONGEST_PX // 2)
    small = tmp_path / "small.png"
    pictures = {name: predictor.explain(small, name) for name in predictor.description.classes}
    assert all(picture.size == (90, 70) for picture in pictures.values())
    best = predictor.predict(small).classes[0].class_name
    assert predictor.explain(small).tobytes() == pictures[best].tobytes()
    assert len({picture.tobytes() for picture in pictures.values()}) == 3
    with pytest.raises(ConfigError, match=r"no class n02085620-Chihuaha. Did you mean n02085620-"):
        predictor.explain(small, "n02085620-Chihuaha")
    with pytest.raises(PhotoError, match=r"gone.jpg: can't be read"):
        predictor.explain(tmp_path / "gone.jpg", best)


def test_a_predictor_without_a_folder_says_why_it_cannot(tiny_model: Path) -> None:
    description = read_description(tiny_model / "model")
    runner = torch_runtime(load_network(tiny_model / "model", description))
    with pytest.raises(ArtifactError, match=r"Predictor.load"):
        Predictor(description, runner).explain(b"")
