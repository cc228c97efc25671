"""A model's folder from anybody: what it may say and hold; the rest is one sentence, at once."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.hostile_models import Values, copy_of, replace_file, sealed, values_of
from safetensors.torch import save

from dogbreed import Predictor, load
from dogbreed.artifact.description import Description
from dogbreed.artifact.description_schema import MAX_CLASSES, MAX_NAME_CHARACTERS
from dogbreed.artifact.file_names import MAX_DESCRIPTION_BYTES
from dogbreed.artifact.folder import read_description, write_artifact
from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.tensors import read_safetensors
from dogbreed.artifact.unpacking import unpack_model
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, ConfigError
from dogbreed.model import BreedClassifier

SUM = "0" * 64
DESCRIPTION = Description(
    classes=("a", "b", "c"),
    display_names=("A", "B", "C"),
    backbone={"name": "resnet18", "trainable": "head"},
    head={"head": "linear", "hidden": 512, "dropout": 0.0},
    preprocessing=Preprocessing(size_px=64).describe(),
    views=2,
    forms={"openvino": {"precision": "f32"}},
    metrics={"test": {"top1": 0.5, "n": 8, "ci95": {"top1": (0.2, 0.8), "loss": None}}},
    versions={"torch": "2"},
    data_fingerprint="0123",
)


def write_small(folder: Path, **fields: Any) -> None:
    """A model of a few bytes, for what never comes to its network."""

    def write_files(target: Path) -> Description:
        for name in ("model.safetensors", "openvino.xml", "openvino.bin"):
            (target / name).write_bytes(b"a few bytes")
        return replace(DESCRIPTION, **fields)

    write_artifact(folder, write_files)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_small(tmp_path / "small")
    return tmp_path / "small"


GONE = object()  # as a value: the key is left out


def put(*path: Any) -> Callable[[Values], None]:
    """Set the last of `path` at the place that the others lead to."""
    *places, name, value = path

    def change(values: Values) -> None:
        inner: Any = values
        for place in places:
            inner = inner[place]
        if value is GONE:
            del inner[name]
        else:
            inner[name] = value

    return change


def refused(model: Path, *sentences: str) -> None:
    """The model can't be read or packed, and one sentence says so, with the file's name."""
    for work in (load, lambda path: pack_model(path, path.parent / "model.tar.gz")):
        with pytest.raises(ArtifactError) as caught:
            work(model)
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 1500
        assert message.endswith(".")
        for sentence in sentences:
            assert sentence in message
    assert not (model.parent / "model.tar.gz").exists()


@pytest.mark.parametrize(
    "name",
    [
        "code/sitecustomize.py",
        "code/PIL/__init__.py",
        "code/inference.py",
        "code/requirements.txt",
        "deployment.py",
        "config.yaml",
        "sitecustomize.py",
        "model.json",
        "../outside.txt",
        "./model.safetensors",
        "/etc/hostname",
        "model.onnx",  # one of ours, of a form that this model hasn't
        "",
        ".",
    ],
)
def test_a_model_consists_of_its_own_files_alone(small: Path, tmp_path: Path, name: str) -> None:
    model = copy_of(small, tmp_path / "in" / "model", put("sha256", name, SUM))
    if name and not name.startswith((".", "/", "model.json")):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("raise SystemExit('run')")
    (tmp_path / "in" / "outside.txt").write_text("secret")
    refused(model, "model.json: sha256: has ")


def test_what_else_lies_in_a_folder_is_left_there(small: Path, tmp_path: Path) -> None:
    model = copy_of(small, tmp_path / "model")
    (model / "code").mkdir()
    (model / "code" / "sitecustomize.py").write_text("raise SystemExit")
    (model / "openvino_custom.so").write_bytes(b"x")
    pack_model(model, tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tape:
        names = set(tape.getnames())
    assert {"model.json", "model.safetensors", "code/inference.py"} <= names
    assert not names & {"code/sitecustomize.py", "openvino_custom.so"}


WRONG: dict[str, tuple[Callable[[Values], object], str]] = {
    "no version": (put("schema_version", GONE), "schema_version must be an integer"),
    "version true": (put("schema_version", True), "schema_version must be"),
    "version 0": (put("schema_version", 0), "schema_version must be"),
    "version text": (put("schema_version", "1"), "schema_version must be"),
    "unknown key": (put("klasses", []), "'klasses' is no key that is known. Did you mean classes?"),
    "no classes": (put("classes", GONE), "classes is missing"),
    "no backbone": (put("backbone", GONE), "backbone is missing"),
    "no preprocessing": (put("preprocessing", GONE), "preprocessing is missing"),
    "no sums": (put("sha256", GONE), "sha256 is missing"),
    "classes text": (put("classes", "abc"), "classes: must be a list"),
    "classes number": (put("classes", 10**9), "classes: must be a list"),
    "classes null": (put("classes", None), "classes: must be a list"),
    "one class": (put("classes", ["a"]), "classes: must be the names of two classes or more"),
    "a class twice": (put("classes", ["a", "b", "a"]), "classes: must be the names of two"),
    "a class is none": (put("classes", 0, 7), "classes: 7 is no name"),
    "a class is empty": (put("classes", 0, " "), "classes: ' ' is no name"),
    "a zero byte": (put("classes", 0, "a\0b"), "is no name"),
    "no file's name": (put("classes", 0, "\ud800"), "is no name"),
    "10 MB name": (put("classes", 0, "x" * 10_000_000), "is no name"),
    "many classes": (put("classes", ["a"] * (MAX_CLASSES + 1)), "at most 100,000 texts"),
    "names short": (put("display_names", ["a", "b"]), "display_names: must be 3 texts"),
    "names number": (put("display_names", 3), "display_names: must be a list"),
    "name long": (put("display_names", 1, "x" * (MAX_NAME_CHARACTERS + 1)), "is no name"),
    "backbone text": (put("backbone", "resnet18"), "backbone='resnet18': must be an object"),
    "backbone's name": (put("backbone", "name", GONE), "backbone: name is missing"),
    "backbone more": (put("backbone", "weights", "/x"), "backbone: has 'weights'; it may have"),
    "backbone list": (put("backbone", "name", ["resnet18"]), "backbone.name=['resnet18']: must be"),
    "trainable": (
        put("backbone", "trainable", "none"),
        "backbone.trainable='none': must be one of",
    ),
    "head text": (put("head", "linear"), "head='linear': must be an object"),
    "head kind": (
        put("head", "head", "code"),
        "head.head='code': must be one of auto, linear, mlp",
    ),
    "head huge": (
        put("head", "hidden", 10**9),
        "head.hidden=1000000000: must be at least 1 and at",
    ),
    "head more": (put("head", "bias", True), "head: has 'bias'"),
    "dropout": (put("head", "dropout", 1), "head.dropout=1: must be at least 0 and below 1"),
    "size huge": (put("preprocessing", "size_px", 10**6), "preprocessing.size_px=1000000: must be"),
    "size 0": (put("preprocessing", "size_px", 0), "preprocessing.size_px=0: must be"),
    "size text": (put("preprocessing", "size_px", "64"), "preprocessing.size_px='64': must be"),
    "size true": (put("preprocessing", "size_px", True), "preprocessing.size_px=True: must be"),
    "size gone": (put("preprocessing", "size_px", GONE), "preprocessing: size_px is missing"),
    "crop 0": (
        put("preprocessing", "crop_share", 0),
        "preprocessing.crop_share=0: must be above 0",
    ),
    "preprocessing list": (put("preprocessing", [64]), "preprocessing=[64]: must be an object"),
    "preprocessing deep": (put("preprocessing", "version", {"a": 1}), "preprocessing: 'version'="),
    "noun markup": (put("noun", "<b>"), "noun='<b>': must be letters, hyphens and single spaces"),
    "noun lines": (put("noun", "a\nb"), "noun='a\\nb': must be letters"),
    "noun long": (put("noun", "x" * 41), "at most 40 characters"),
    "noun number": (put("noun", ["breed"]), "noun=['breed']: must be text"),
    "noun null": (put("noun", None), "noun=None: must be text"),
    "views huge": (put("views", 10**9), "views=1000000000: must be at least 1 and at most 16"),
    "views 0": (put("views", 0), "views=0: must be"),
    "views list": (put("views", [2]), "views=[2]: must be a whole number"),
    "temperature 0": (put("temperature", 0), "temperature=0: must be above 0"),
    "temperature -1": (put("temperature", -1.5), "temperature=-1.5: must be above 0"),
    "temperature null": (put("temperature", None), "temperature=None: must be a number"),
    "threshold": (put("threshold", 1.5), "threshold=1.5: must be at least 0 and at most 1"),
    "dtype": (put("dtype", "object"), "dtype='object': must be one of float32, float16"),
    "form": (put("forms", "code", {}), "forms: has 'code'; it may have openvino, int8, onnx"),
    "forms list": (put("forms", ["openvino"]), "forms=['openvino']: must be an object"),
    "form deep": (put("forms", "openvino", {"a": {}}), "forms.openvino: 'a'={}: must be"),
    "form's files": (put("forms", {"onnx": {}}), "sha256: has 'openvino.bin'"),
    "form's file gone": (put("sha256", "openvino.bin", GONE), "sha256: lacks 'openvino.bin'"),
    "weights gone": (put("sha256", "model.safetensors", GONE), "sha256: lacks 'model.safetensors'"),
    "sum short": (put("sha256", "model.safetensors", "00"), "must be 64 hexadecimal digits"),
    "sum number": (put("sha256", "model.safetensors", 1), "must be 64 hexadecimal digits"),
    "sums list": (put("sha256", []), "sha256=[]: must be an object"),
    "metrics text": (put("metrics", "good"), "metrics='good': must be an object"),
    "split": (put("metrics", {"test": [1]}), "metrics.test=[1]: must be an object"),
    "metric": (
        put("metrics", {"test": {"top1": "<b>"}}),
        "metrics.test.top1='<b>': must be a number",
    ),
    "interval": (put("metrics", {"test": {"ci95": {"top1": [1]}}}), "ci95.top1=[1]: must be two"),
    "intervals": (put("metrics", {"test": {"ci95": 3}}), "metrics.test.ci95=3: must be an object"),
    "versions": (put("versions", {"torch": 2}), "versions: 'torch'=2: must be a text"),
    "version long": (put("versions", {"torch": "x" * 9999}), "must be a number or a short text"),
    "fingerprint": (put("data_fingerprint", ["a"]), "data_fingerprint=['a']: must be a short text"),
    "config": (put("config", 5), "config=5: must be an object"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_each_key_is_held_to_its_bounds(small: Path, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "model").mkdir()
    values = values_of(small)
    change, sentence = WRONG[wrong]
    change(values)
    (tmp_path / "model" / "model.json").write_text(sealed(values), "utf-8")
    refused(tmp_path / "model", "model.json", sentence)


TEXTS = {
    "twice": b'{"schema_version": 1, "schema_version": 1}',
    "twice inside": b'{"schema_version": 1, "head": {"head": "mlp", "head": "linear"}}',
    "NaN": b'{"schema_version": 1, "temperature": NaN}',
    "Infinity": b'{"schema_version": 1, "temperature": -Infinity}',
    "1e999": b'{"schema_version": 1, "temperature": 1e999}',
    "long number": b'{"schema_version": 1, "views": %b}' % (b"9" * 100_000),
    "deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a": ' * 900 + b"1" + b"}" * 900,
    "many values": b'{"a": [' + b"[]," * 1_000_000 + b"1]}",
    "a list": b"[]",
    "a text": b'"model"',
    "null": b"null",
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
    "large": b'{"a": "' + b"x" * MAX_DESCRIPTION_BYTES + b'"}',
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_plain_json_of_a_bounded_size(text: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(TEXTS[text])
    refused(tmp_path / "model", "model.json")


@pytest.mark.parametrize(
    "name", ["model.json", "model.safetensors", "openvino.xml", "openvino.bin"]
)
@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "huge"])
def test_a_file_that_is_no_regular_one(small: Path, tmp_path: Path, name: str, kind: str) -> None:
    model = copy_of(small, tmp_path / "in" / "model")
    file = model / name
    file.rename(tmp_path / "elsewhere")
    if kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        with file.open("wb") as sparse:
            sparse.truncate(2**40)
    with pytest.raises(ArtifactError) as caught:
        pack_model(model, tmp_path / "model.tar.gz")
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError, match=name):
        Predictor.load(model, engine="torch" if "safetensors" in name else "openvino")


def test_a_model_of_the_first_version_is_read_as_it_was_meant(small: Path, tmp_path: Path) -> None:
    def older(values: Values) -> None:
        for name in (
            *("display_names", "views", "temperature", "threshold", "dtype", "metrics"),
            *("versions", "data_fingerprint", "config"),
        ):
            del values[name]
        del values["preprocessing"]["version"]

    description = read_description(copy_of(small, tmp_path / "model", older))
    assert description.display_names == description.classes
    assert (description.views, description.temperature, description.threshold) == (1, 1.0, 0.0)
    assert description.pixels().version == "1"


def test_a_name_may_have_whatever_a_folder_s_name_may(small: Path, tmp_path: Path) -> None:
    names = ["line\nbreak", "tab\t\x1b[31m", "\udcff bytes", "日本/犬"]
    change = put("classes", names[:3])
    assert read_description(copy_of(small, tmp_path / "m", change)).classes == (*names[:3],)


# --- networks that aren't those of their description ------------------------------------------


def test_a_description_of_another_network(tiny_model: Path, tmp_path: Path) -> None:
    changes = {
        "another backbone": put("backbone", "name", "resnet34"),
        "a huge backbone": put("backbone", "name", "vit_h_14"),
        "no backbone": put("backbone", "name", "no_such_network"),
        "a path": put("backbone", "name", "../../x"),
        "another head": put("head", {"head": "mlp", "hidden": 65_536}),
        "more classes": lambda values: values.update(
            classes=[f"{n}" for n in range(1000)], display_names=[f"{n}" for n in range(1000)]
        ),
    }
    for name, change in changes.items():
        model = copy_of(tiny_model / "model", tmp_path / name, change)
        with pytest.raises(ArtifactError, match="don't belong together") as caught:
            Predictor.load(model, engine="torch")
        assert "\n" not in str(caught.value)
    for change in (changes["more classes"], put("preprocessing", "size_px", 96)):
        model = copy_of(tiny_model / "model", tmp_path / f"openvino {id(change)}", change)
        with pytest.raises(ArtifactError, match="openvino network doesn't take photos of"):
            Predictor.load(model, engine="openvino")


def test_numbers_that_are_not_finite(tiny_model: Path, tmp_path: Path) -> None:
    model = copy_of(tiny_model / "model", tmp_path / "model")
    tensors = read_safetensors(model / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    tensors["head.output.bias"][0] = float("nan")
    replace_file(model, "model.safetensors", save(tensors))
    with pytest.raises(ArtifactError, match="a finite number for each of 3 classes"):
        Predictor.load(model, engine="torch")


def test_the_smallest_temperature_gives_probabilities(tiny_model: Path, tmp_path: Path) -> None:
    model = copy_of(tiny_model / "model", tmp_path / "model", put("temperature", 5e-324))
    prediction = load(model).predict(torch_photo())
    assert sum(each.probability for each in prediction.classes) == pytest.approx(1)


def torch_photo() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (70, 70), "brown").save(out, "PNG")
    return out.getvalue()


GRAPHS = {
    "no network": b"no network",
    "an entity": b'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a SYSTEM "/etc/hostname">]><net/>',
    "an entity inside": b'<?xml version="1.0"?><net name="a"><!DOCTYPE x [<!ENTITY a "b">]></net>',
    "another format": b"\x08\x08\x12\x07pytorch:\x00",  # as ONNX begins
    "empty": b"",
    "no layers": b'<?xml version="1.0"?><net name="a" version="11"></net>',
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_that_is_none_of_openvinos(tiny_model: Path, tmp_path: Path, graph: str) -> None:
    model = copy_of(tiny_model / "model", tmp_path / "model")
    replace_file(model, "openvino.xml", GRAPHS[graph])
    with pytest.raises(Exception, match=r"openvino") as caught:
        Predictor.load(model, engine="openvino")
    kinds = "EngineError" if graph == "no layers" else "ArtifactError"
    assert type(caught.value).__name__ == kinds


def weights(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(shape: Any = (2,), offsets: Any = (0, 8), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


FLAT = bytes(8)
BAD_WEIGHTS = {
    "gigabytes": weights({"a": entry([10**12], [0, 4 * 10**12])}, FLAT),
    "more than there is": weights({"a": entry([3], [0, 12])}, FLAT),
    "less than there is": weights({"a": entry([1], [0, 4])}, FLAT),
    "the same bytes twice": weights({"a": entry(), "b": entry()}, FLAT),
    "a hole": weights({"a": entry([1], [4, 8])}, FLAT),
    "another size": weights({"a": entry([1], [0, 8])}, FLAT),
    "negative": weights({"a": entry([-2], [0, 8])}, FLAT),
    "both negative": weights({"a": entry([-1, -2], [0, 8])}, FLAT),
    "backwards": weights({"a": entry([2], [8, 0])}, FLAT),
    "true": weights({"a": entry([True, 2], [0, 8])}, FLAT),
    "texts": weights({"a": entry("2", "08")}, FLAT),
    "no type": weights({"a": entry(dtype="F8")}, FLAT),
    "a list as type": weights({"a": entry(dtype=["F32"])}, FLAT),
    "no object": weights({"a": [1]}, FLAT),
    "a list": weights([]),
    "twice": weights(b'{"a": {}, "a": {}}'),
    "nan": weights(b'{"a": NaN}'),
    "deep": weights(b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "nothing times huge": weights({"a": entry([0, 2**62], [0, 0])}),
    "dimensions": weights({"a": entry([1] * 99 + [2])}, FLAT),
    "header of gigabytes": weights({}, length=2**40),
    "header of exabytes": weights({}, length=2**64 - 1),
    "header past the end": weights({"a": entry()}, length=9999),
    "short": b"\0\0\0",
}


@pytest.mark.parametrize("bad", BAD_WEIGHTS)
def test_weights_whose_header_is_a_lie(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(BAD_WEIGHTS[bad])
    with pytest.raises(ArtifactError, match="isn't a safetensors file"):
        read_safetensors(path)


# --- writing: nothing is written that wouldn't be read ----------------------------------------


def test_names_that_no_model_may_have_are_refused_before_training() -> None:
    for classes in (["a", "x" * (MAX_NAME_CHARACTERS + 1)], map(str, range(MAX_CLASSES + 1))):
        with pytest.raises(ConfigError, match="classes: "):
            BreedClassifier(list(classes), backbone="resnet18", weights="none")


def test_a_model_that_could_not_be_read_is_not_written(small: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"metrics\.test\.top1='good': must be a number"):
        write_small(small, metrics={"test": {"top1": "good"}})
    assert read_description(small).metrics["test"]["top1"] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


# --- archives -----------------------------------------------------------------------------------


def packed(path: Path, *members: tuple[str, bytes | int | str]) -> Path:
    """An archive of files with their content, links to a place, or devices of a number."""
    with tarfile.open(path, "w:gz") as tape:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tape.addfile(member, io.BytesIO(content))
            else:
                member.type = tarfile.SYMTYPE if isinstance(content, str) else tarfile.FIFOTYPE
                member.linkname = str(content)
                tape.addfile(member)
    return path


def test_of_an_archive_the_models_own_files_are_unpacked(tmp_path: Path) -> None:
    archive = packed(
        tmp_path / "a",
        ("./model.json", b"{}"),
        ("model.safetensors", b"w"),
        ("code/sitecustomize.py", b"raise SystemExit"),
        ("code/model.json", b"other"),
        ("../model.onnx", b"outside"),
        ("/openvino.bin", b"outside"),
        ("deployment.py", b"code"),
        ("link", "/etc"),
        ("best.yaml", b"a: 1"),
    )
    unpack_model(archive, tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "model.json",
        "model.safetensors",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"a", "model"}


@pytest.mark.parametrize(
    "members",
    [
        [("model.json", b"{}"), ("./model.json", b"[]")],
        [("model.json", "/etc/hostname")],
        [("model.safetensors", 0)],
        [("openvino.xml", bytes(1001))],
        [("model.json", bytes(MAX_DESCRIPTION_BYTES + 1))],
        [(f"{number}", b"") for number in range(101)],
    ],
    ids=["twice", "link", "pipe", "large graph", "large description", "many members"],
)
def test_an_archive_that_is_no_models(
    members: list[tuple[str, bytes | int | str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dogbreed.artifact.unpacking.MAX_MEMBERS", 100)
    monkeypatch.setattr("dogbreed.artifact.file_names.MAX_GRAPH_BYTES", 1000)
    with pytest.raises(ArtifactError, match="The archive can't be unpacked"):
        unpack_model(packed(tmp_path / "a", *members), tmp_path / "model")


def test_a_sparse_file_in_an_archive_is_not_expanded(tmp_path: Path) -> None:
    """A byte in the archive that would be a megabyte on the disk."""
    sparse = tarfile.TarInfo("model.safetensors")
    sparse.size = 1
    sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**20)}
    with tarfile.open(tmp_path / "a", "w:gz", format=tarfile.PAX_FORMAT) as tape:
        tape.addfile(sparse, io.BytesIO(b"w"))
    with pytest.raises(ArtifactError, match="is no regular file"):
        unpack_model(tmp_path / "a", tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_an_archive_that_is_damaged_or_inflates_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = packed(tmp_path / "a", ("model.json", bytes(10_000)), ("big", bytes(10_000_000)))
    monkeypatch.setattr("dogbreed.artifact.unpacking.MAX_OTHER_BYTES", 1_000_000)
    for number, data in enumerate((good.read_bytes(), good.read_bytes()[:60], b"none", b"")):
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(ArtifactError, match="The archive can't be unpacked"):
            unpack_model(tmp_path / "b", tmp_path / f"model-{number}")


def test_a_model_of_before_the_noun_has_the_noun_of_its_time(small: Path, tmp_path: Path) -> None:
    assert read_description(small).noun == "class"
    old = copy_of(small, tmp_path / "model", put("noun", GONE))
    assert read_description(old).noun == "breed"
