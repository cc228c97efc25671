"""The networks: every family's features, the cut before the last stage, and frozen for good."""

import re
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import Tensor, nn

from dogbreed.backbone import architecture
from dogbreed.backbone.architecture import (
    ALL,
    HEAD,
    LAST_STAGE,
    Backbone,
    build_backbone,
    empty_backbone,
)
from dogbreed.backbone.providers.base import provider_of
from dogbreed.errors import ConfigError

EVERY_TRAINABLE = pytest.mark.parametrize("trainable", [HEAD, LAST_STAGE, ALL])


@dataclass(frozen=True)
class Family:
    """One network of a family.

    `num_features` are its classifier's inputs, `boundary` is what its last stage takes of a photo
    of `size_px`; None where the cut isn't known.
    """

    network: str
    classifier: str
    num_features: int
    boundary: tuple[int, ...] | None = None
    size_px: int = 64


FAMILIES = [
    Family("alexnet", "classifier.6", 4096),
    Family("convnext_tiny", "classifier.2", 768, (768, 2, 2)),
    Family("densenet121", "classifier", 1024),
    Family("efficientnet_b0", "classifier.1", 1280, (192, 2, 2)),
    Family("googlenet", "fc", 1024),
    Family("inception_v3", "fc", 2048, size_px=96),
    Family("maxvit_t", "classifier.5", 512, size_px=224),
    Family("mnasnet0_5", "classifier.1", 1280),
    Family("mobilenet_v2", "classifier.1", 1280),
    Family("mobilenet_v3_small", "classifier.3", 1024, (96, 2, 2)),
    Family("regnet_x_400mf", "fc", 400, (160, 4, 4)),
    Family("resnet18", "fc", 512, (256, 4, 4)),
    Family("shufflenet_v2_x0_5", "fc", 1024),
    Family("squeezenet1_1", "classifier.1", 512),
    Family("swin_t", "head", 768),
    Family("vgg11", "classifier.6", 4096),
    Family("vit_b_16", "heads.head", 768, size_px=224),
]


def some_images(size_px: int = 64, count: int = 2) -> Tensor:
    """8-bit images that differ in structure, not only in noise."""
    random = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 5, 5, generator=random) * 255
    return nn.functional.interpolate(coarse, size=size_px, mode="bilinear").to(torch.uint8)


def normalised(images: Tensor) -> Tensor:
    """What torchvision's own transforms make of 8-bit images."""
    scaled = images / 255
    return torch.as_tensor(
        torchvision.transforms.functional.normalize(
            scaled, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
        )
    )


def with_classifier(family: Family, backbone: Backbone) -> nn.Module:
    """torchvision's own network with the weights of `backbone` and some classifier."""
    options = {}
    if family.network in ("googlenet", "inception_v3"):  # as with their published weights
        options = {"aux_logits": False, "transform_input": True, "init_weights": False}
    # No time lost on random weights; RegNet computes its widths with tensors, which needs some.
    device = "cpu" if family.network.startswith("regnet") else "meta"
    with torch.device(device):
        network: nn.Module = torchvision.models.get_model(family.network, weights=None, **options)
    classifier = network.get_submodule(family.classifier)
    classifier_state = {
        name: torch.randn(p.shape) * 0.01 for name, p in classifier.named_parameters()
    }
    state = backbone.trunk.get_submodule("layers").state_dict()
    state.update({f"{family.classifier}.{name}": value for name, value in classifier_state.items()})
    network.load_state_dict(state, assign=True)
    return network.eval()


def as_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict as torchvision's older files have it: other names, no counts of batches."""
    renamed = {}
    for name, value in state.items():
        old = re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name)
        old = old.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2.")
        if "num_batches_tracked" not in name:
            renamed[old] = value
    return renamed


LARGE = (
    *("alexnet", "convnext_tiny", "densenet121", "googlenet", "inception_v3", "maxvit_t"),
    *("swin_t", "vgg11", "vit_b_16"),
)
EVERY_FAMILY = [
    pytest.param(
        family,
        id=family.network,
        marks=[pytest.mark.slow] if family.network in LARGE else [],
    )
    for family in FAMILIES
]


@pytest.fixture(scope="module", params=EVERY_FAMILY)
def untrained(request: pytest.FixtureRequest) -> tuple[Family, Backbone]:
    """Each family's network with random weights."""
    return request.param, build_backbone(request.param.network, "none")


def test_the_families_are_all_that_torchvision_has() -> None:
    names = torchvision.models.list_models(module=torchvision.models)
    modules = {torchvision.models.get_model_builder(name).__module__ for name in names}
    tried = {torchvision.models.get_model_builder(f.network).__module__ for f in FAMILIES}
    assert modules == tried


def test_random_weights_give_usable_features(untrained: tuple[Family, Backbone]) -> None:
    family, backbone = untrained
    features = backbone(some_images(family.size_px))
    assert features.shape == (2, family.num_features)
    assert backbone.num_features == family.num_features
    assert features.isfinite().all()
    assert 1e-3 < features.abs().mean() < 1e4
    assert features.abs().max() < torch.finfo(torch.float16).max
    assert (features[0] - features[1]).abs().mean() > 1e-2 * features.abs().mean()


def test_features_are_what_the_networks_classifier_sees(
    untrained: tuple[Family, Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    family, backbone = untrained
    network = with_classifier(family, backbone)
    seen: list[Tensor] = []
    classifier = network.get_submodule(family.classifier)
    classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = some_images(family.size_px)
    with torch.no_grad():
        network(normalised(images))
    expected = seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0]  # SqueezeNet pools after

    published = as_published(network.state_dict())
    monkeypatch.setattr(architecture, "read_weights", lambda name, weights: published)
    loaded = build_backbone(family.network, "published")
    torch.testing.assert_close(loaded(images), expected, rtol=1e-3, atol=1e-3)


def test_the_cut_changes_no_feature(
    untrained: tuple[Family, Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    family, backbone = untrained
    if family.boundary is None:
        monkeypatch.setattr(architecture, "read_weights", lambda *_: pytest.fail("weights fetched"))
        with pytest.raises(
            ConfigError, match=f"model.trainable=last_stage.*{family.network}.*ResNet"
        ):
            build_backbone(family.network, "published", LAST_STAGE)
        return
    images = some_images(family.size_px)
    features = backbone(images)
    state = backbone.trunk.get_submodule("layers").state_dict()
    monkeypatch.setattr(architecture, "read_weights", lambda *_: state)
    for trainable, boundary in ((LAST_STAGE, family.boundary), (ALL, images.shape[1:])):
        cut = build_backbone(family.network, "given", trainable)
        activations = cut.frozen(images)
        assert activations.shape[1:] == boundary
        assert any(True for _ in cut.tail.parameters())
        torch.testing.assert_close(cut(images).detach(), features, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(cut.tail(activations).detach(), features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("resnet_50", "Did you mean resnet50?"),
        ("ResNet18", "Did you mean resnet18?"),
        ("efficentnet_b0", "Did you mean efficientnet_b0?"),
        ("zzz", "There are: efficientnet_lite0, "),
        ("raft_large", "torchvision have no such network"),  # it has, but it doesn't classify
    ],
)
def test_a_wrong_name_gets_a_hint(wrong: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"model.backbone={wrong}: .*{re.escape(hint)}"):
        provider_of(wrong)
    with pytest.raises(ConfigError):
        build_backbone(wrong, "none")


@EVERY_TRAINABLE
def test_frozen_stays_frozen_through_training(trainable: str) -> None:
    backbone = build_backbone("resnet18", "none", trainable)
    model = nn.Sequential(backbone, nn.Linear(backbone.num_features, 3)).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    buffers = {name for name, _ in backbone.named_buffers()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        model.train()
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(some_images(count=6)), torch.arange(6) % 3)
        loss.backward()
        optimiser.step()

    assert not any(module.training for module in backbone.modules())
    assert not any(p.requires_grad or p.grad is not None for p in backbone.trunk.parameters())
    after = backbone.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    trained = {f"tail.{name}" for name, _ in backbone.tail.named_parameters()}
    assert changed == trained
    assert not changed & buffers
    assert bool(trained) == (trainable != HEAD)


def test_the_frozen_part_leaves_no_graph() -> None:
    backbone = build_backbone("resnet18", "none", LAST_STAGE)
    followed = normalised(some_images()).requires_grad_()
    assert not backbone.frozen(followed).requires_grad
    assert backbone(some_images()).requires_grad


def test_images_that_are_normalised_already_are_taken_as_they_are() -> None:
    backbone = build_backbone("resnet18", "none")
    images = some_images()
    torch.testing.assert_close(backbone(normalised(images)), backbone(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["resnet18", "squeezenet1_1", pytest.param("googlenet", marks=pytest.mark.slow)]
)
def test_random_weights_are_the_same_every_time(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = build_backbone(name, "none").digest()
        torch.manual_seed(2)
        assert build_backbone(name, "none").digest() == first


def test_the_callers_random_state_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.random.get_rng_state()
    build_backbone("resnet18", "none")
    empty_backbone("googlenet", HEAD)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert seeded == []  # nor are the GPUs' generators set


@EVERY_TRAINABLE
def test_an_empty_backbone_takes_the_weights_of_a_built_one(trainable: str) -> None:
    built = build_backbone("resnet18", "none", trainable)
    empty = empty_backbone("resnet18", trainable)
    empty.load_state_dict(built.state_dict())
    assert torch.equal(empty(some_images()), built(some_images()))
    assert empty.digest() == built.digest()


def test_the_digest_tells_the_frozen_parts_weights() -> None:
    backbone = build_backbone("resnet18", "none", LAST_STAGE)
    before = backbone.digest()
    with torch.no_grad():
        next(backbone.tail.parameters()).add_(1)
    assert backbone.digest() == before
    with torch.no_grad():
        next(backbone.trunk.parameters())[0, 0, 0, 0] += 1
    assert backbone.digest() != before
