"""What is packed for an endpoint: the same bytes each time, and all that answering needs."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PROJECT, draw_photo
from helpers.made_wheels import wheel_of_installed
from safetensors.torch import load_file, save_file

from dogbreed import BreedClassifier, load
from dogbreed.artifact.export import write_model
from dogbreed.artifact.folder import find_artifact
from dogbreed.artifact.packing import pack_model
from dogbreed.artifact.tensors import read_safetensors
from dogbreed.backbone.architecture import build_backbone
from dogbreed.errors import ArtifactError, EngineError

# A container's Python: the archive's code, these packages, and nothing that is forbidden.
ALONE = """
import importlib, importlib.machinery, json, pathlib, sys
code, packages, forbidden, photo = sys.argv[1:]
sys.path += [code, packages]

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in forbidden.split(","):
            return super().find_spec(name, path, target)

def offline(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError("the network is asked")

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
sys.addaudithook(offline)
from dogbreed.serving.requests.invocations import attributes, read_invocation, respond
from dogbreed.serving.predictor import Predictor
model = pathlib.Path(code).parent
predictor = Predictor.load(model)
data = pathlib.Path(photo).read_bytes()
answers = respond(predictor, read_invocation(data, {}))
explained = respond(predictor, read_invocation(data, attributes("explain=true")))
loaded = sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)
for path in pathlib.Path(code).rglob("dogbreed/**/*.py"):
    name = ".".join(path.relative_to(code).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(name)
print(json.dumps([answers["predictions"], loaded, len(explained["predictions"][0]["explanation"])]))
"""
NEVER = ("pytorch_lightning", "lightning", "torchmetrics", "hydra", "omegaconf", "boto3", "scipy")
# The tiny network's in bf16 or in f32.
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    draw_photo(path, 120, 1, (200, 150))
    return path


def unpacked(model: Path, folder: Path, *, install: bool = True) -> Path:
    pack_model(model, folder / "model.tar.gz", install=install)
    with tarfile.open(folder / "model.tar.gz") as tape:
        tape.extractall(folder / "model", filter="data")
    return folder / "model"


def answered_alone(model: Path, photo: Path, *forbidden: str) -> tuple[Any, set[str]]:
    """The answer of the archive's code in an interpreter of its own, and what that has loaded."""
    names = ",".join((*NEVER, *forbidden))
    packages = sysconfig.get_path("purelib")
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(model / "code"), packages, names]
    done = subprocess.run([*command, str(photo)], capture_output=True, text=True, cwd=photo.parent)
    assert done.returncode == 0, done.stderr
    answers, loaded, explained = json.loads(done.stdout)
    assert explained > 1000
    return answers, set(loaded)


@pytest.mark.runs
def test_the_same_model_gives_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack_model(tiny_model, tmp_path / name / "model.tar.gz")
    one, two = ((tmp_path / name / "model.tar.gz").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one[4:8] == bytes(4), "gzip's own time"
    with tarfile.open(tmp_path / "one" / "model.tar.gz") as tape:
        members = tape.getmembers()
    names = {member.name for member in members}
    assert {"model.json", "model.safetensors", "openvino.xml", "openvino.bin"} <= names
    assert {"config.yaml", "deployment.py", "code/inference.py", "code/requirements.txt"} <= names
    assert "code/dogbreed/serving/predictor.py" in names
    assert {member.mtime for member in members} == {0}
    assert {(member.uid, member.uname, member.gname) for member in members} == {(0, "", "")}
    assert {member.mode for member in members} == {0o644}


@pytest.mark.slow
def test_the_code_is_closed_and_light(tiny_model: Path, photo: Path, tmp_path: Path) -> None:
    model = unpacked(tiny_model, tmp_path)
    answers, loaded = answered_alone(model, photo)
    wanted = load(tiny_model).predict(photo).as_dict()
    assert answers == [wanted]
    assert {"dogbreed", "numpy", "PIL", "openvino"} <= loaded
    assert not {"torch", "safetensors", "rich", "pandas", "sklearn", "optuna"} & loaded
    text = (model / "code" / "requirements.txt").read_text()
    asked = [line for line in text.splitlines() if not line.startswith("#")]
    names = ["openvino", "openvino-telemetry", "pillow", "pillow-heif"]
    assert [line.split("==")[0] for line in asked] == names


@pytest.mark.slow
def test_a_network_of_timm_brings_timm_along(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    backbone = build_backbone("timm/test_resnet", "none")
    model = BreedClassifier(("Akita", "Beagle"), backbone=backbone)
    write_model(tmp_path / "model", model, model.describe())
    tree = unpacked(tmp_path / "model", tmp_path / "tree")
    assert "\ntimm==" in (tree / "code" / "requirements.txt").read_text()
    answers, loaded = answered_alone(tree, photo, "openvino")
    assert "timm" in loaded
    predictor = load(tmp_path / "model")
    assert answers[0]["classes"][0]["class"] == predictor.predict(photo).classes[0].class_name
    monkeypatch.setattr("dogbreed.backbone.providers.timm_models._is_installed", lambda: False)
    with pytest.raises(EngineError, match=r"need the package timm: pip install 'dogbreed\[timm\]'"):
        predictor.explain(photo)
    with pytest.raises(ArtifactError, match=r"timm/test_resnet needs timm.*deploy.install=wheels"):
        pack_model(tmp_path / "model", tmp_path / "none.tar.gz", install=False)


# What a server does: the adapter's paths, then a photo, which another process decodes.
BUNDLED = """
import pathlib, sys
code = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(code), str(code / "packages")]
from dogbreed.serving.predictor import Predictor
import PIL
assert pathlib.Path(PIL.__file__).is_relative_to(code / "packages"), PIL.__file__
Predictor.load(code.parent).predict(pathlib.Path(sys.argv[2]).read_bytes())
"""


@pytest.mark.slow
def test_packages_of_the_archive_are_used_instead_of_the_containers(
    tiny_model: Path, photo: Path, tmp_path: Path
) -> None:
    wheel = wheel_of_installed(tmp_path, "pillow")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("pillow-13.0.0.data/scripts/tool", "no module")
        archive.writestr("pillow-13.0.0.data/purelib/beside.py", "a = 1")
    pack_model(tiny_model, tmp_path / "model.tar.gz", wheels=[wheel])
    with tarfile.open(tmp_path / "model.tar.gz") as tape:
        tape.extractall(tmp_path / "model", filter="data")
    code = tmp_path / "model" / "code"
    assert not (code / "requirements.txt").exists()
    assert (code / "packages" / "beside.py").is_file()
    assert not list((code / "packages").rglob("tool"))
    old = tmp_path / "container" / "PIL" / "__init__.py"
    old.parent.mkdir(parents=True)
    old.write_text("raise RuntimeError('the Pillow of the container was imported')")
    for path in (tmp_path / "model").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run(
        [sys.executable, "-c", BUNDLED, str(code), str(photo)],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "container")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py"])
def test_a_wheel_that_leads_out_of_its_folder_is_not_packed(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(tmp_path / "evil-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(name, "")
    with pytest.raises(ArtifactError, match="outside its folder"):
        pack_model(
            tiny_model, tmp_path / "m.tar.gz", wheels=[tmp_path / "evil-1.0-py3-none-any.whl"]
        )
    (tmp_path / "cut.whl").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"cut\.whl is no valid wheel"):
        pack_model(tiny_model, tmp_path / "m.tar.gz", wheels=[tmp_path / "cut.whl"])
    assert not (tmp_path / "m.tar.gz").exists()


@pytest.mark.runs
def test_torch_answers_where_nothing_can_be_installed(
    tiny_model: Path, photo: Path, tmp_path: Path
) -> None:
    model = unpacked(tiny_model, tmp_path, install=False)
    assert not (model / "code" / "requirements.txt").exists()
    answers, loaded = answered_alone(model, photo, "openvino", "safetensors")
    assert "torch" in loaded
    wanted = load(tiny_model).predict(photo)
    found = {each["class"]: each["probability"] for each in answers[0]["classes"]}
    for each in wanted.classes:
        assert found[each.class_name] == pytest.approx(each.probability, abs=TOLERANCE)


def test_a_damaged_model_is_not_packed(tiny_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.tar.gz"
    with pytest.raises(ArtifactError, match="no trained model"):
        pack_model(tmp_path, target)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in find_artifact(tiny_model).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="isn't the file"):
        pack_model(copy, target)
    assert {path.name for path in tmp_path.iterdir()} == {"copy"}


@pytest.mark.runs
def test_an_installed_wheel_packs_the_same(tiny_model: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "d")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    with zipfile.ZipFile(next((tmp_path / "d").glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    code = (
        "import pathlib, sys\nfrom dogbreed.artifact.packing import pack_model\n"
        "pack_model(pathlib.Path(sys.argv[1]), pathlib.Path('elsewhere.tar.gz'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", code, str(tiny_model)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    pack_model(tiny_model, tmp_path / "here.tar.gz")
    elsewhere, here = (tmp_path / f"{name}.tar.gz" for name in ("elsewhere", "here"))
    assert elsewhere.read_bytes() == here.read_bytes()


def test_weights_are_read_as_their_own_library_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    types = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int8)
    tensors = {f"{dtype}": torch.arange(6).to(dtype).reshape(3, 2) for dtype in types}
    tensors |= {"scalar": torch.tensor(7), "none": torch.empty(0, 4), "flag": torch.tensor([True])}
    save_file(tensors, path, {"a note": "of someone's"})
    found = read_safetensors(path)
    for name, tensor in load_file(path).items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor)
    assert len(found) == len(tensors)
    for damaged in (b"", b"\0" * 40, path.read_bytes()[:200]):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="isn't a safetensors file"):
            read_safetensors(path)
