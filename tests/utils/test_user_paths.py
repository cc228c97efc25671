"""Without a home folder, with an empty one, with one that can't be written: it stays as it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, draw_folders, draw_photo
from helpers.local_server import photo, serving

import dogbreed.train
from dogbreed.backbone.weights import read_weights
from dogbreed.configuration.composing import compose
from dogbreed.errors import ConfigError, OutputError
from dogbreed.training.path_check import check_paths
from dogbreed.utils.user_paths import cache_dir, cached_in, optional_cache_dir

# Notes whom a process asks for the address of, but for this machine itself.
NOTES_ADDRESSES = """
import socket
original = socket.getaddrinfo
def getaddrinfo(host, *arguments, **options):
    if host not in (None, "127.0.0.1", "localhost"):
        with open({log!r}, "a") as file:
            print(host, file=file)
    return original(host, *arguments, **options)
socket.getaddrinfo = getaddrinfo
"""
# As in a container whose user has a number and no name.
NO_NAME = """
import os, pwd
def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = getpwuid
os.environ.pop("HOME", None)
"""
SETTINGS = (
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR", "TORCH_HOME"),
    *("NNCF_CI", "ORT_DISABLE_TELEMETRY", "HOME", "DOGBREED_CACHE"),
)
Start = Callable[..., subprocess.CompletedProcess[str]]


def site(folder: Path, code: str) -> str:
    """A PYTHONPATH by which Python runs `code` before anything else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return f"{folder}:{PROJECT}"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables that say where files are stored."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start(tmp_path: Path, bare: None) -> Start:
    """Run Python in `tmp_path`."""

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


# With all that is imported somewhere in the project and reports to its maker, or did once.
IMPORTS = (
    "import dogbreed.model, openvino, nncf, onnxruntime, onnxscript, optuna;"
    "import sagemaker.core.resources, boto3, uvicorn, dogbreed.cloud.endpoints.deploy"
)


@pytest.mark.runs
def test_imports_write_nothing_home_and_report_to_nobody(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    noting = site(tmp_path / "site", NOTES_ADDRESSES.format(log=str(tmp_path / "log")))
    done = start(
        *("-c", f"{IMPORTS}; from openvino.tools.ovc import telemetry_utils as t; print(t.tm)"),
        HOME=str(tmp_path / "home"),
        PYTHONPATH=noting,
        DOGBREED_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    assert "telemetry_stub" in done.stdout
    assert list((tmp_path / "home").iterdir()) == []
    assert not (tmp_path / "log").exists()


@pytest.mark.runs
def test_everything_is_imported_without_a_home(start: Start, tmp_path: Path) -> None:
    done = start("-c", IMPORTS, PYTHONPATH=site(tmp_path / "site", NO_NAME))
    assert done.returncode == 0, done.stderr


def test_settings_of_the_user_are_left_as_they_are(start: Start, tmp_path: Path) -> None:
    shown = "import dogbreed, os; print(*map(os.environ.get, ('MPLCONFIGDIR', 'NNCF_CI', 'HOME')))"
    variables = {"HOME": str(tmp_path), "DOGBREED_CACHE": "cache"}
    assert start("-c", shown, **variables).stdout == f"cache/matplotlib 1 {tmp_path}\n"
    mine = start("-c", shown, **variables, MPLCONFIGDIR="mine", NNCF_CI="")
    assert mine.stdout == f"mine  {tmp_path}\n"
    (tmp_path / ".config" / "matplotlib").mkdir(parents=True)
    assert start("-c", shown, **variables).stdout == f"None 1 {tmp_path}\n"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DOGBREED_CACHE": "file"}, "file.*: (File exists|Not a dir)"),
        ({"DOGBREED_CACHE": "file/x"}, "file/x.*: Not a directory"),
        ({"DOGBREED_CACHE": "x" * 256}, "File name too long"),
        ({"DOGBREED_CACHE": "loop"}, "loop.*: (File exists|Too many levels)"),
        ({"DOGBREED_CACHE": "/proc/x"}, "/proc/x: No such file"),
        ({"HOME": "file"}, "Not a directory"),
        ({"HOME": "/proc"}, "/proc/.cache: No such file"),
        ({"HOME": os.devnull}, "There is no home folder"),
        ({"HOME": "/proc", "DOGBREED_CACHE": ""}, "/proc/.cache: No such file"),
        ({"HOME": "home", "XDG_CACHE_HOME": "/proc/x"}, "/proc/x"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("data.root=photos",)], ids=["samples", "own photos"])
def test_a_cache_that_cannot_be_made_is_reported_by_its_variable(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bare: None,
    variables: dict[str, str],
    words: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "photos").mkdir()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OutputError, match=f"{words}.*DOGBREED_CACHE"):
        dogbreed.train.main([*arguments, "model.weights=none"])


def test_the_cache_is_where_its_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: None
) -> None:
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert cache_dir() == Path("/home/of/mine/.cache/dogbreed")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which its standard has ignored
    assert cache_dir() == Path("/home/of/mine/.cache/dogbreed")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == Path("/caches/dogbreed")
    monkeypatch.setenv("DOGBREED_CACHE", "~/kept")
    assert cache_dir() == Path("/home/of/mine/kept")
    monkeypatch.setenv("DOGBREED_CACHE", "~nosuchuser/kept")
    with pytest.raises(ConfigError, match="DOGBREED_CACHE=~nosuchuser/kept: there is no user"):
        cache_dir()
    assert optional_cache_dir("baselines") is None


def test_a_full_disk_under_the_cache_is_reported_as_everywhere() -> None:
    with pytest.raises(OSError, match="No space") as caught, cached_in(Path("x")):
        raise OSError(28, "No space left on device", "x")
    assert not isinstance(caught.value, OutputError)


def test_without_need_for_the_cache_no_home_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", os.devnull)
    (tmp_path / "photos").mkdir()
    overrides = ("data.root=photos", "model.weights=none")
    check_paths(compose([*overrides, "features.root=features"]))
    check_paths(compose([*overrides, "features.store=false"]))


def test_predict_needs_no_home(start: Start, tiny_model: Path, tmp_path: Path) -> None:
    draw_photo(tmp_path / "dog.jpg", 120, 1)
    done = start(
        *("-m", "dogbreed.predict", f"model={tiny_model}", "dog.jpg"),
        PYTHONPATH=site(tmp_path / "site", NO_NAME),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Chihuahua" in done.stdout


@pytest.mark.runs
def test_training_by_a_user_without_a_name(start: Start, tmp_path: Path) -> None:
    nobody = {"PYTHONPATH": site(tmp_path / "site", NO_NAME)}
    drawn = start("-m", "dogbreed.train", *SMALL, **nobody)
    assert drawn.returncode == 1
    assert drawn.stderr.startswith("error: There is no home folder")
    assert "DOGBREED_CACHE" in drawn.stderr
    root = draw_folders(tmp_path / "photos", {"": 8})
    overrides = (f"data.root={root}", f"features.root={tmp_path / 'features'}", *SMALL)
    done = start("-m", "dogbreed.train", *overrides, **nobody)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.runs
def test_commands_leave_an_empty_home_empty(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    variables = {
        "HOME": str(tmp_path / "home"),
        "DOGBREED_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": site(tmp_path / "site", NOTES_ADDRESSES.format(log=str(tmp_path / "log"))),
    }
    fast = [each for each in SMALL if not each.startswith(("engine", "artifact"))]
    forms = ("artifact.int8=true", "artifact.onnx=true")
    launch = PROJECT / "launch"
    for command in (
        ("-m", "dogbreed.train", *fast, *forms),
        ("-m", "dogbreed.predict", str(tmp_path / "cache/samples/test"), "explain=true"),
        (str(launch / "tune.py"), "launcher=local", "search.trials=2", *fast),
        (str(launch / "train.py"), "best=null", "dry_run=true"),
        (str(launch / "tune.py"), "+experiment=hpo", "dry_run=true"),
        (str(launch / "deploy.py"), "dry_run=true", "deploy.register=dogs"),
    ):
        done = start(*command, **variables)
        assert done.returncode == 0, done.stderr
        assert list((tmp_path / "home").iterdir()) == [], command
    with serving(tmp_path / "outputs" / "latest", stderr=None, **variables) as server:
        assert server.send(photo()).status == 200
        assert server.send_json(photos=[photo()], explain=True).status == 200
    assert list((tmp_path / "home").iterdir()) == []
    assert not (tmp_path / "log").exists()


def test_weights_are_fetched_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOGBREED_CACHE", str(tmp_path / "cache"))
    requested: list[Path] = []

    def fetched(weights: object, model_dir: str, **options: object) -> dict[str, object]:
        requested.append(Path(model_dir))
        return {}

    monkeypatch.setattr("torchvision.models.ResNet18_Weights.get_state_dict", fetched)
    read_weights("resnet18", "auto")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    read_weights("resnet18", "auto")
    monkeypatch.delenv("TORCH_HOME")
    of_torch = tmp_path / "home" / ".cache" / "torch" / "hub" / "checkpoints"
    of_torch.mkdir(parents=True)
    (of_torch / "resnet18-f37072fd.pth").touch()  # they have been fetched before
    read_weights("resnet18", "auto")
    assert requested == [
        tmp_path / "cache" / "weights",
        tmp_path / "torch" / "hub" / "checkpoints",
        of_torch,
    ]
    monkeypatch.setenv("TORCH_HOME", "/proc/x")
    with pytest.raises(OutputError, match="/proc/x"):
        read_weights("resnet18", "auto")


def test_a_home_that_is_closed(
    tmp_path: Path, as_another_user: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    done = as_another_user("-m", "dogbreed.train", HOME=str(tmp_path / "home"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: The cache can't be used: ")
    assert "home/.cache: Permission denied. Set the variable DOGBREED_CACHE" in done.stderr
