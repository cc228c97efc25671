"""What every server of a packed model must do: the tests, and the model and photos they ask about.

With real weights and photos where those lie beside the project, else with drawn ones.
"""

import atexit
import base64
import functools
import gzip
import io
import json
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import REAL_PHOTOS, REAL_WEIGHTS
from helpers.made_wheels import wheel_of_installed
from helpers.started import ask
from PIL import Image, ImageChops

from dogbreed import BreedClassifier, Predictor
from dogbreed.artifact.packing import pack_model
from dogbreed.backbone.architecture import Backbone
from dogbreed.data.decoding.photos import decode
from dogbreed.data.decoding.preprocessing import CENTRE, Preprocessing
from dogbreed.data.sets.samples import generate_samples
from dogbreed.serving.requests.invocations import MAX_BYTES

CLASSES, PHOTOS_PER_CLASS = 10, 5
# Of inference/requirements.txt, from this environment, which has the Python of .venv-servers.
BUNDLED = ("openvino", "openvino-telemetry", "pillow", "pillow-heif")
_LIBRARY = re.compile(r"/\S*/((?:PIL/_imaging|openvino/libs/libopenvino|_pillow_heif)[^/\s]*\.so)")
PIXELS = Preprocessing()


@dataclass(frozen=True)
class Packed:
    """A model that is packed, the predictor of the same, and photos that it wasn't made from."""

    archive: Path
    predictor: Predictor
    photos: tuple[bytes, ...]


@functools.cache
def packed() -> Packed:
    """One for all servers: a ResNet50 whose head knows the mean features of each class."""
    folder = Path(tempfile.mkdtemp(prefix="packed"))
    atexit.register(shutil.rmtree, folder)
    real = REAL_PHOTOS.is_dir() and REAL_WEIGHTS.is_file()
    root = REAL_PHOTOS if real else generate_samples(folder / "samples")
    classes = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())[:CLASSES]
    weights = str(REAL_WEIGHTS) if real else "none"
    model = BreedClassifier(classes, backbone="resnet50", weights=weights)
    features = [_features(model.backbone, _photos(root / "train" / name)) for name in classes]
    _set_head(model, torch.stack(features))
    model.save(folder / "model", preprocessing=PIXELS.describe(), threshold=0.2)
    wheels = [wheel_of_installed(folder / "wheels", name) for name in BUNDLED]
    pack_model(folder / "model", folder / "model.tar.gz", wheels=wheels)
    photos = [photo for name in classes for photo in _photos(root / "test" / name)]
    predictor = Predictor.load(folder / "model")
    return Packed(folder / "model.tar.gz", predictor, tuple(photos))


def _photos(folder: Path) -> list[bytes]:
    count = PHOTOS_PER_CLASS if REAL_PHOTOS in folder.parents else 8  # of six drawn classes
    return [path.read_bytes() for path in sorted(folder.iterdir())[:count]]


def _features(backbone: Backbone, photos: list[bytes]) -> torch.Tensor:
    views = [PIXELS.view(decode(photo, wanted_px=224), CENTRE) for photo in photos]
    with torch.inference_mode():
        features: torch.Tensor = backbone(torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2))
    return features


def _set_head(model: BreedClassifier, features: torch.Tensor) -> None:
    """A logit falls with the squared distance to its class's mean; features [classes, n, f]."""
    means = features.mean(1)
    scale = 4 / torch.cdist(features.flatten(0, 1), means).square().std()
    weights = {"weight": scale * means, "bias": -scale * means.square().sum(1) / 2}
    model.head.get_submodule("output").load_state_dict(weights)


BAD: dict[str, tuple[bytes, str, int, str]] = {
    "empty": (b"", "image/jpeg", 400, "empty"),
    "no photo": (b"<html>not found</html>", "image/jpeg", 415, "not_an_image"),
    "JPEG XL": (b"\xff\x0a" + bytes(90), "image/jpeg", 415, "unsupported_format"),
    "cut off": (b"", "image/jpeg", 400, "truncated"),  # filled in by the test
    "no JSON": (b'{"photos": [', "application/json", 400, "not_json"),
    "no UTF-8": (b'{"photos": "\xff"}', "application/json", 400, "not_json"),
    "no photos": (b"{}", "application/json", 400, "no_photos"),
    "no base64": (b'{"photos": ["?"]}', "application/json", 400, "not_base64"),
    "stripped": (b"\xff\xd8\xff\xe0" * 99, "image/jpeg", 400, "stripped"),
    "too many": (json.dumps({"photos": ["aa=="] * 33}).encode(), "application/json", 413, "too_"),
    "too large": (bytes(MAX_BYTES + 1), "image/jpeg", 413, "too_large"),
}


class Contract:
    """The tests; whoever inherits them has a fixture `url`, where /invocations is."""

    def test_a_photo_is_answered_as_the_predictor_does(self, url: str) -> None:
        made = packed()
        assert len(made.photos) >= 48
        tops = set()
        for photo in made.photos:
            status, answer = ask(url, photo, Content_Type="image/jpeg")
            assert status == 200, answer
            tops.add(same(answer["predictions"][0], made.predictor, photo))
            assert answer["model_ms"] > 0
        assert len(tops) > 3, "else anything would pass"

    def test_only_the_packages_of_the_archive_are_loaded(self, url: str) -> None:
        """By all processes of this server: what decodes, what computes, and what else there is."""
        assert ask(url, packed().photos[0], Content_Type="image/jpeg")[0] == 200
        loaded: dict[str, set[str]] = {}
        for maps in Path("/proc").glob("[0-9]*/maps"):
            with suppress(OSError):  # it has ended, or is another user's
                paths = {match[0] for match in _LIBRARY.finditer(maps.read_text())}
                if any("/code/packages/" in path for path in paths):
                    loaded[maps.parent.name] = paths
        names = {Path(path).name.partition(".")[0] for paths in loaded.values() for path in paths}
        assert {"_imaging", "libopenvino"} <= names
        assert [p for paths in loaded.values() for p in paths if "/code/packages/" not in p] == []

    def test_several_photos_come_in_one_request(self, url: str) -> None:
        made = packed()
        photos = [*made.photos[:7], b"no photo"]
        status, answer = ask(url, as_json(photos), Content_Type="application/json")
        assert status == 200
        for photo, entry in zip(made.photos[:7], answer["predictions"], strict=False):
            same(entry, made.predictor, photo)
        assert len(answer["predictions"]) == 8
        assert answer["predictions"][7]["error"]["code"] == "not_an_image"

    def test_bodies_in_other_forms(self, url: str) -> None:
        made = packed()
        photo = made.photos[0]
        text = base64.encodebytes(photo)
        as_uri = json.dumps({"photos": [f"data:image/jpeg;base64,{text.decode()}"]}).encode()
        for body, headers in (
            (text, {"Content_Type": "text/plain"}),
            (as_uri, {"Content_Type": "application/json"}),
            (b"\xef\xbb\xbf" + as_json([photo]), {"Content_Type": "application/json"}),
            (gzip.compress(photo), {"Content_Type": "image/jpeg"}),
        ):
            status, answer = ask(url, body, **headers)
            assert status == 200, answer
            same(answer["predictions"][0], made.predictor, photo)

    @pytest.mark.parametrize("by_header", [False, True])
    def test_a_request_has_parameters(self, url: str, by_header: bool) -> None:
        made = packed()
        photo = made.photos[0]
        if by_header:
            given = {"X_Amzn_SageMaker_Custom_Attributes": "top_k=2;explain=true;trace=1"}
            status, answer = ask(url, photo, Content_Type="image/jpeg", **given)
        else:
            body = as_json([photo], top_k=2, explain=True)
            status, answer = ask(url, body, Content_Type="application/json")
        assert status == 200
        entry = answer["predictions"][0]
        assert len(entry["classes"]) == 2
        found = Image.open(io.BytesIO(base64.b64decode(entry["explanation"])))
        wanted = made.predictor.explain(photo)
        assert found.size == wanted.size
        differences = np.asarray(ImageChops.difference(found, wanted))
        assert differences.mean() < 8, "a JPEG of the same picture"

    @pytest.mark.parametrize("name", BAD)
    def test_bad_input_is_the_callers_fault(self, url: str, name: str) -> None:
        body, content_type, status, code = BAD[name]
        body = packed().photos[0][:-3000] if name == "cut off" else body
        found, answer = ask(url, body, Content_Type=content_type)
        assert (found, answer["error"]["code"][: len(code)]) == (status, code)
        assert answer["error"]["message"].endswith(".")

    def test_what_is_not_accepted_or_known_is_said(self, url: str) -> None:
        photo = packed().photos[0]
        assert ask(url, photo, Content_Type="image/jpeg", Accept="text/csv")[0] == 406
        attributes = {"X_Amzn_SageMaker_Custom_Attributes": "top_k=many"}
        status, answer = ask(url, photo, Content_Type="image/jpeg", **attributes)
        assert (status, answer["error"]["code"]) == (400, "bad_top_k")


def as_json(photos: list[bytes], **parameters: Any) -> bytes:
    return json.dumps(
        {"photos": [base64.b64encode(photo).decode() for photo in photos], **parameters}
    ).encode()


def same(entry: dict[str, Any], predictor: Predictor, photo: bytes) -> str:
    """Hold an answer against the predictor's own; its most likely class."""
    wanted = predictor.predict(photo)
    assert entry["classes"][0]["class"] == wanted.classes[0].class_name
    assert entry["unknown"] == wanted.unknown
    found = {each["class"]: each["probability"] for each in entry["classes"]}
    for each in wanted.classes:
        assert found[each.class_name] == pytest.approx(each.probability, abs=0.01)
    return wanted.classes[0].class_name
