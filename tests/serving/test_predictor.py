"""The predictor: training's own arithmetic, whatever a photo comes as; bad photos are named."""

import functools
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_photo
from PIL import Image

from dogbreed import Predictor, load, load_classifier
from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.runtimes import open_runtime
from dogbreed.data.batches import PhotoBatch
from dogbreed.data.decoding import photos
from dogbreed.errors import ArtifactError, ConfigError, DogbreedError, PhotoError
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.serving.prediction import Prediction


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return load(tiny_model)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    draw_photo(tmp_path / "photo.jpg", 120, 1, (200, 150))
    return tmp_path / "photo.jpg"


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (90, 70), seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def changed(predictor: Predictor, folder: Path, **fields: Any) -> Predictor:
    """The same network under another description."""
    model = find_artifact(folder)
    description = replace(predictor.description, **fields)
    return Predictor(description, open_runtime(model, predictor.description))


def probabilities(prediction: Prediction) -> dict[str, float]:
    return {each.class_name: each.probability for each in prediction.classes}


def test_the_arithmetic_is_that_of_training_and_evaluation(tiny_model: Path) -> None:
    predictor = Predictor.load(tiny_model, engine="torch")
    model = load_classifier(tiny_model)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 64, 64, 3), np.uint8)
    images = torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        wanted, targets = model.log_probabilities(PhotoBatch(images, torch.zeros(3).long()))
    np.testing.assert_allclose(predictor.log_probabilities(pixels), wanted, atol=1e-5)

    view = predictor.description.pixels().view
    picture = noise()
    views = np.stack([view(picture, name) for name in ("centre", "mirror")])
    with torch.no_grad():
        batch = PhotoBatch(torch.from_numpy(views[None]).permute(0, 1, 4, 2, 3), targets[:1])
        scores = Scores(*model.log_probabilities(batch)).calibrated(1.3)
    found = probabilities(predictor.predict(picture))
    wanted = scores.log_probabilities.exp()[0]
    assert [found[name] for name in model.classes] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert max(wanted) - min(wanted) > 0.05, "else anything would pass"
    assert sum(found.values()) == pytest.approx(1)


def test_openvino_and_torch_agree(tiny_model: Path, photo: Path) -> None:
    torchs = Predictor.load(tiny_model, engine="torch").predict(photo)
    for precision, tolerance in (("f32", 1e-4), ("bf16", 0.01)):
        engine = Predictor.load(tiny_model, engine="openvino", precision=precision, threads=1)
        found = engine.predict(photo)
        assert probabilities(found) == pytest.approx(probabilities(torchs), abs=tolerance)
        np.testing.assert_allclose(found.embedding, torchs.embedding, atol=0.05, rtol=0.05)


def test_a_photo_may_come_as_anything(predictor: Predictor, photo: Path) -> None:
    data = photo.read_bytes()
    wanted = predictor.predict(photo)
    assert wanted == predictor.predict(str(photo)) == predictor.predict(data)
    assert wanted == predictor.predict(lambda: data) == predictor.predict(Image.open(photo))
    assert wanted.embedding.shape == (512,)
    assert wanted.embedding.dtype == np.float32


def test_a_photo_may_be_an_array_or_a_tensor(predictor: Predictor) -> None:
    picture = noise()
    array = np.asarray(picture)
    wanted = predictor.predict(picture)
    tensor = torch.tensor(array).permute(2, 0, 1)
    for same in (array, tensor, tensor.float() / 255, array.astype(np.float64) / 255):
        assert predictor.predict(same) == wanted
    grey = np.asarray(picture.convert("L"))
    wanted = predictor.predict(picture.convert("L"))
    for same in (grey, grey[..., None], torch.tensor(grey)[None]):
        assert predictor.predict(same) == wanted
    assert predictor.explain(array).size == picture.size


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 8, 4), np.uint8), r"shape \[8, 8, 4\]: a photo is \[height, width, 3\]"),
        (torch.zeros(8, 8, 3), r"shape \[8, 8, 3\]: a photo is \[3, height, width\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), "predict_many takes several"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \[0, 8, 3\]"),
        (np.full((8, 8, 3), 200.0), "floats from 200 to 200: a photo has values from 0 to 1"),
        (torch.randn(3, 8, 8), "normalised for a network can't be used"),
        (np.full((8, 8, 3), np.nan), "from nan to nan"),
        (np.zeros((8, 8, 3), np.int64), "An array of int64: a photo has uint8"),
        (np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (10**5, 10**5), (0, 0)), "pixels"),
    ],
)
def test_an_array_that_is_no_photo_is_a_sentence(
    predictor: Predictor, array: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        predictor.predict(array)


def test_a_predictor_is_called_with_one_photo_or_several(
    predictor: Predictor, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    one = predictor(photo)
    assert one == predictor.predict(photo)
    first, second = predictor([photo, tmp_path / "text.jpg"], top_k=2)
    assert isinstance(first, Prediction)
    assert first.classes == one.classes[:2]
    assert isinstance(second, PhotoError)
    array = np.asarray(noise())
    several: Any = np.stack([array, array])
    assert predictor(several) == [predictor(array)] * 2
    assert re.fullmatch(r"Predictor\(resnet18, 3 classes, /.*\)", repr(predictor))


def test_a_photo_may_be_a_url(predictor: Predictor, photo: Path) -> None:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(photo.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        assert predictor.predict(f"{place}/photo.jpg") == predictor.predict(photo)
        with pytest.raises(PhotoError, match=f"{place}/none.jpg: .*404"):
            predictor.predict(f"{place}/none.jpg")
        server.shutdown()


def test_a_prediction_in_a_notebook_is_a_table_without_anybodys_html(
    predictor: Predictor, tiny_model: Path, photo: Path
) -> None:
    names = ("<script>x</script>", "b", "c")
    hostile = changed(predictor, tiny_model, display_names=names, threshold=1.0)
    shown = hostile.predict(photo)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;x&lt;/script&gt;" in shown
    assert "unknown" in shown
    assert shown.count("<tr>") == 3


def test_an_answer_is_ranked_and_named(predictor: Predictor, photo: Path) -> None:
    prediction = predictor.predict(photo)
    shares = [each.probability for each in prediction.classes]
    assert shares == sorted(shares, reverse=True)
    names = {each.class_name: each.label for each in prediction.classes}
    assert names["n02099601-golden_retriever"] == "golden retriever"
    assert len(predictor.predict(photo, top_k=2).classes) == 2
    assert len(predictor.predict(photo, top_k=99).classes) == 3
    best = prediction.classes[0]
    assert json.loads(json.dumps(prediction.as_dict()))["classes"][0] == {
        "label": best.label,
        "class": best.class_name,
        "probability": best.probability,
    }


def test_unknown_is_what_lies_below_the_threshold(
    predictor: Predictor, tiny_model: Path, photo: Path
) -> None:
    best = predictor.predict(photo).classes[0].probability
    assert not changed(predictor, tiny_model, threshold=best).predict(photo).unknown
    assert changed(predictor, tiny_model, threshold=best + 1e-6).predict(photo).unknown


def test_temperature_and_views_are_the_models(
    predictor: Predictor, tiny_model: Path, photo: Path
) -> None:
    best = predictor.predict(photo).classes[0]
    softer = changed(predictor, tiny_model, temperature=5.0).predict(photo).classes[0]
    assert softer.class_name == best.class_name
    assert softer.probability < best.probability
    crops = changed(predictor, tiny_model, views=4)
    assert crops.predict(photo) == crops.predict(photo.read_bytes()), "crops are of the content"
    assert probabilities(crops.predict(photo)) != probabilities(predictor.predict(photo))
    first, same, other = (crops.predict(noise(seed=seed)) for seed in (0, 0, 1))
    assert first == same
    assert probabilities(first) != probabilities(other)


def test_many_photos_are_answered_in_order_and_a_bad_one_stops_none(
    predictor: Predictor, tmp_path: Path
) -> None:
    many: list[str | bytes] = [encoded(noise(seed=seed), "PNG") for seed in range(40)]
    singles = [predictor.predict(photo) for photo in many]
    many[3], many[17], many[39] = b"", b"no image", str(tmp_path / "gone.jpg")
    answers = list(predictor.predict_many(many, top_k=5, workers=3))
    for number, (answer, single) in enumerate(zip(answers, singles, strict=True)):
        if number not in (3, 17, 39):
            assert isinstance(answer, Prediction)
            assert probabilities(answer) == pytest.approx(probabilities(single), abs=1e-6)
    reasons = [answer.reason for answer in answers if isinstance(answer, PhotoError)]
    assert reasons == ["empty", "not_an_image", "unreadable"]
    assert list(predictor.predict_many([])) == []
    assert [str(e) for e in predictor.predict_many([b""] * 500)] == [str(answers[3])] * 500


def test_a_stream_is_never_read_far_ahead(predictor: Predictor) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield data

    data = encoded(noise(), "PNG")
    answers = predictor.predict_many(endless())
    for answered in range(1, 60):
        next(answers)
        assert taken - answered < 100


BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"<html>not found</html>", "not an image of a known format"),
    "truncated": (encoded(noise(), "JPEG")[:-900], "the file ends before the picture does"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_photo_is_one_sentence_with_its_path(
    predictor: Predictor, tmp_path: Path, name: str
) -> None:
    data, sentence = BAD[name]
    path = tmp_path / f"{name}.jpg"
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=sentence) as caught:
        predictor.predict(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(PhotoError, match=f"^{sentence}"):
        predictor.predict(data)


def test_a_file_and_bytes_over_the_limit(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(photos.MAX_BYTES + 1)
    with pytest.raises(PhotoError, match=r"huge.jpg: 268,435,457 bytes; the limit is 268,435,456"):
        predictor.predict(huge)
    monkeypatch.setattr(photos, "MAX_BYTES", 10)
    with pytest.raises(PhotoError, match=r"^11 bytes; the limit is 10"):
        predictor.predict(bytes(11))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (9_000, 10_000)])
def test_a_header_that_claims_too_many_pixels(
    predictor: Predictor, width: int, height: int
) -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[16:24] = width.to_bytes(4) + height.to_bytes(4)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    with pytest.raises(PhotoError, match="pixels") as caught:
        predictor.predict(bytes(data))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_counts(predictor: Predictor, kind: str) -> None:
    frames = [Image.new("RGB", (80, 60), colour) for colour in ("red", "blue", "green")]
    still = encoded(frames[0], kind)
    moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    wanted, found = predictor.predict(still), predictor.predict(moving)
    assert probabilities(found) == pytest.approx(probabilities(wanted), abs=0.01)


def test_odd_photos_get_proper_answers(predictor: Predictor) -> None:
    deep = Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80) * 10)
    odd = [
        encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
        encoded(Image.new("RGB", (1, 3000)), "PNG"),
        encoded(deep, "PNG"),
        encoded(noise("CMYK"), "JPEG"),
        encoded(noise("RGBA"), "WEBP"),
        encoded(noise("P"), "GIF"),
    ]
    for answer in predictor.predict_many(odd):
        assert isinstance(answer, Prediction)
        assert sum(each.probability for each in answer.classes) == pytest.approx(1)


def test_openvino_answers_without_torch_lightning_hydra_or_pandas(
    tiny_model: Path, photo: Path
) -> None:
    code = (
        "import sys, dogbreed\n"
        f"p = dogbreed.load({str(tiny_model)!r}, engine='openvino')\n"
        f"p.predict({str(photo)!r}); list(p.predict_many([b'', {str(photo)!r}]))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "openvino" in loaded
    heavy = {"torch", "torchvision", "pytorch_lightning", "hydra", "omegaconf", "pandas"}
    assert not loaded & (heavy | {"sklearn", "scipy", "boto3", "dogbreed.artifact.network"})


SIGNALLED_AFTER_TWO_MODELS = """
import gc, os, signal, sys
import dogbreed
received = []
signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
first, second = (dogbreed.load(sys.argv[1], engine="openvino") for _ in range(2))
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
print(len(received))
"""


def test_a_signal_is_survived_when_models_were_given_up(tiny_model: Path) -> None:
    # Two Cores that went in the order they came left the thread a signal stack that was gone.
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED_AFTER_TWO_MODELS, str(tiny_model)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def spoil_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "openvino.bin": (lambda f: spoil_byte(f / "openvino.bin"), "openvino.bin"),
    "openvino.xml": (lambda f: spoil_byte(f / "openvino.xml"), "openvino.xml"),
    "model.safetensors": (lambda f: spoil_byte(f / "model.safetensors"), "model.safetensors"),
    "model.json": (lambda f: spoil_byte(f / "model.json"), "model.json"),
    "bin gone": (lambda f: (f / "openvino.bin").unlink(), "openvino.bin is missing"),
    "xml gone": (lambda f: (f / "openvino.xml").unlink(), "openvino.xml is missing"),
    "weights gone": (lambda f: (f / "model.safetensors").unlink(), "safetensors is missing"),
    "json gone": (lambda f: (f / "model.json").unlink(), "holds no trained model"),
    "newer": (lambda f: edit(f / "model.json", schema_version=99), "schema version 99"),
    "edited": (lambda f: edit(f / "model.json", temperature=9.0), "was changed after"),
    "no json": (lambda f: (f / "model.json").write_text("{"), "is damaged"),
    "a list": (lambda f: (f / "model.json").write_text("[]"), "is damaged"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_is_not_as_written_is_refused(
    tiny_model: Path, tmp_path: Path, fault: str
) -> None:
    shutil.copytree(tiny_model / "model", tmp_path / "model")
    spoil, sentence = FAULTS[fault]
    spoil(tmp_path / "model")
    engine = "torch" if "weights" in fault or "safetensors" in fault else "openvino"
    with pytest.raises(ArtifactError, match=sentence) as caught:
        Predictor.load(tmp_path, engine=engine)
    assert isinstance(caught.value, DogbreedError)
    assert "\n" not in str(caught.value)


def test_a_path_that_cannot_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        load(tmp_path / ("x" * 300))
    assert "\n" not in str(caught.value)


def test_models_are_told_apart(predictor: Predictor, tiny_model: Path) -> None:
    assert predictor.identity == load(tiny_model, engine="torch").identity
    assert predictor.identity != changed(predictor, tiny_model, threshold=0.41).identity
    assert read_description(tiny_model / "model") == predictor.description
