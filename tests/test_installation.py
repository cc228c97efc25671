"""`make`: the two installations into .venv, what each requests, and what both survive."""

import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, draw_photo
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = (
    *("Makefile", "pyproject.toml", "constraints.txt", ".ci/install.py"),
    "inference/requirements.txt",
)
# Targets that only need what trains and serves; all others add the developers' packages.
LEAN = ("train", "reference")
# Imported where they are installed, and never needed to train, predict, serve or search here.
OPTIONAL = {
    *("boto3", "botocore", "sagemaker", "smdebug", "tensorboard", "timm", "huggingface_hub"),
    *("IPython", "lightning", "mlflow", "wandb"),
    *("nncf", "onnx", "onnxruntime", "ray", "sagemaker_inference"),
    "tqdm",  # torch's: with it timm's downloads
}
MAX_PACKAGES = 90
# What may be in the environment besides: uv, where the machine has none.
INSTALLERS = {"pip", "uv"}

# uv's part: it makes environments, and each installed package is a folder. What it does is in the
# variables; what it was called with is in the file `calls` beside it.
UV = """#!/bin/sh
echo "$UV_HTTP_RETRIES|$*" >> "$(dirname "$0")/calls"
for last; do :; done
case "$*" in
  venv*) mkdir -p "$last/bin"; ln -s "{python}" "$last/bin/python"; exit;;
  *--dry-run*) sleep "${PROBE_S:-0}"; exit "${PROBE:-0}";;
esac
packages=.venv/lib/python3/site-packages
mkdir -p "$packages"
case "$INSTALL" in
  refused) echo "Resolved 9 packages in 1ms"; echo "error: no network"; exit 2;;
  killed) mkdir "$packages/half-1.dist-info"; kill -9 $PPID; exit 1;;
esac
case "$*" in *"--group dev"*) mkdir -p "$packages/pytest-9.2.0.dist-info";; esac
mkdir -p "$packages/torch-2.15.0.dist-info" "$packages/torchvision-0.29.2.dist-info"
echo "import sys" > "$packages/torch.py"
echo "Installed 2 packages in 3ms"; echo " + torch==2.15.0"; echo "Downloading torch (500 MiB)"
"""
NO_GPU, GPU = "#!/bin/sh\nexit 9\n", "#!/bin/sh\necho GPU 0\n"


class Checkout:
    """A project with our Makefile, on a machine with the uv above."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tools = folder / "project", folder / "tools"
        for name in FILES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, self.folder / name)
        self.tools.mkdir()
        self.tool("uv", UV.replace("{python}", sys.executable))
        self.tool("nvidia-smi", NO_GPU)
        self.stamps = [self.folder / ".venv" / name for name in (".ready", ".ready-dev")]

    def tool(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text, "utf-8")
        (self.tools / name).chmod(0o755)

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.tools}:{os.environ['PATH']}"
        cleared = {name: v for name, v in os.environ.items() if not name.startswith(("MAKE", "UV"))}
        return subprocess.run(
            [*arguments],
            cwd=self.folder,
            env={**cleared, "PATH": path, **variables},
            capture_output=True,
            text=True,
        )

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.command("make", f"PYTHON={sys.executable}", *arguments, **variables)

    def planned(self, target: str) -> list[str]:
        """The installations that `make TARGET` would run; a dry run of two targets repeats them."""
        done = self.make("-n", target)
        assert done.returncode == 0, done.stderr
        return list(dict.fromkeys(re.findall(r"\.ci/install\.py (\w+)", done.stdout)))

    def calls(self) -> list[str]:
        """What uv was called with since the last look."""
        path = self.tools / "calls"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def targets() -> list[str]:
    text = (PROJECT / "Makefile").read_text("utf-8")
    return [name for name in re.findall(r"^([a-z-]+):", text, re.M) if name != "clean"]


@pytest.mark.parametrize("target", targets())
def test_each_target_installs_what_it_needs(checkout: Checkout, target: str) -> None:
    expected = ["core"] if target in LEAN else ["core", "dev"]
    assert checkout.planned(target) == expected


def test_each_installation_runs_once(checkout: Checkout) -> None:
    core, dev = checkout.stamps
    core.parent.mkdir()
    core.touch()
    assert checkout.planned("train") == []
    assert checkout.planned("test") == ["dev"]
    dev.touch()
    assert checkout.planned("train") == checkout.planned("test") == []
    for changed in ("pyproject.toml", "constraints.txt"):
        os.utime(checkout.folder / changed, (time.time() + 9, time.time() + 9))
        assert checkout.planned("train") == ["core"]
        assert checkout.planned("test") == ["core", "dev"]
        os.utime(checkout.folder / changed, (1, 1))


def test_training_gets_the_core_and_tests_add_to_it(checkout: Checkout) -> None:
    done = checkout.make(".venv/.ready")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"2 packages installed in \d+ s; \.venv holds 2, \d+ MB, torch 2\.15\.0\n", done.stdout
    )
    assert done.stderr == "Downloading torch (500 MiB)\n"
    (install,) = [call for call in checkout.calls() if "-e" in call.split()]
    assert "-c constraints.txt -e .[serve] pip" in install
    assert "--group" not in install
    compiled = checkout.folder / ".venv/lib/python3/site-packages/__pycache__"
    assert not compiled.exists()
    done = checkout.make(".venv/.ready-dev")
    assert done.stdout.startswith("1 packages installed in ")
    (install,) = checkout.calls()
    assert install.endswith("-c constraints.txt -e .[serve] pip --group dev --group docs")
    assert [path.name.split(".")[0] for path in compiled.iterdir()] == ["torch"]
    assert checkout.make(".venv/.ready", ".venv/.ready-dev").returncode == 0
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("gpu", "variables", "probes", "backend"),
    [
        (NO_GPU, {}, 1, True),
        (NO_GPU, {"PROBE": "2"}, 1, False),
        (GPU, {}, 0, False),
        (NO_GPU, {"UV_TORCH_BACKEND": "cu130"}, 0, False),  # uv's own: it reads it itself
    ],
    ids=["reachable", "not reachable", "GPU", "chosen"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the index's PyTorch is a CPU build")
def test_without_a_gpu_pytorch_is_a_cpu_build_where_it_can_be_had(
    checkout: Checkout, gpu: str, variables: dict[str, str], probes: int, backend: bool
) -> None:
    checkout.tool("nvidia-smi", gpu)
    done = checkout.make(".venv/.ready-dev", **variables)
    assert done.returncode == 0, done.stderr
    assert ("CPU build can't be had" in done.stdout) == (variables == {"PROBE": "2"})
    calls = checkout.calls()
    probed = [call for call in calls if "--dry-run" in call]
    assert len(probed) == probes
    for call in probed:  # of one build, and without waiting: no retries
        assert call.startswith("0|")
        assert call.endswith("--torch-backend=cpu -c constraints.txt torch torchvision")
    core, dev = (call for call in calls if "-e" in call.split())
    assert ("--torch-backend=cpu" in core) == backend
    assert "--torch-backend" not in dev


def test_a_pytorch_index_that_does_not_answer_is_given_up(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = checkout.folder / ".ci" / "install.py"
    text = script.read_text("utf-8").replace("PROBE_SECONDS = 10", "PROBE_SECONDS = 0.2")
    script.write_text(text, "utf-8")
    done = checkout.make(".venv/.ready", PROBE_S="5")
    assert done.returncode == 0, done.stderr
    assert "--torch-backend" not in checkout.calls()[-1]


def test_an_interrupted_installation_is_started_again(checkout: Checkout) -> None:
    packages = checkout.folder / ".venv/lib/python3/site-packages"
    assert checkout.make(".venv/.ready").returncode == 0
    assert checkout.make(".venv/.ready-dev", INSTALL="killed").returncode != 0
    assert (packages / "half-1.dist-info").is_dir()
    # Training neither: what was left half may be in its way.
    assert checkout.planned("train") == ["core"]
    done = checkout.make(".venv/.ready")
    assert done.returncode == 0, done.stderr
    assert "did not finish" in done.stdout
    assert not (packages / "half-1.dist-info").exists()
    assert checkout.planned("train") == []
    assert checkout.planned("test") == ["dev"]


def test_an_error_is_shown_and_nothing_is_lost(checkout: Checkout) -> None:
    done = checkout.make(".venv/.ready", INSTALL="refused")
    assert done.returncode != 0
    assert done.stderr.startswith("error: no network\n")
    assert "packages installed" not in done.stdout
    assert checkout.make(".venv/.ready").returncode == 0
    mine = checkout.folder / ".venv/mine"
    mine.touch()
    assert checkout.make(".venv/.ready-dev", INSTALL="refused").returncode != 0
    assert mine.exists()
    assert checkout.planned("train") == []
    done = checkout.make(".venv/.ready-dev")
    assert done.returncode == 0, done.stderr
    assert "did not finish" not in done.stdout
    assert mine.exists()


def test_two_makes_take_turns(checkout: Checkout) -> None:
    with (checkout.folder / ".ci" / "install.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, ".ci/install.py", "core"],
            cwd=checkout.folder,
            env={**os.environ, "PATH": f"{checkout.tools}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waiting.stdout is not None
        assert waiting.stdout.readline().startswith("waiting for another make")
        # The other one is done.
        checkout.stamps[0].parent.mkdir()
        checkout.stamps[0].touch()
    assert waiting.communicate()[0] == ""
    assert waiting.returncode == 0
    assert checkout.calls() == []


def core_packages() -> set[str]:
    """What `make train` installs, by the metadata of what is installed here."""
    script = (PROJECT / ".ci" / "install.py").read_text("utf-8")
    (extra,) = re.findall(r'^CORE = \("-e", "\.\[(\w+)\]", "pip"\)$', script, re.M)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"][extra]]
    todo = [(Requirement(line), "") for line in lines]
    found: set[tuple[str, str]] = set()
    while todo:
        need, extra = todo.pop()
        if need.marker is not None and not need.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(need.name)
        for more in {"", *need.extras} - {known for package, known in found if package == name}:
            found.add((name, more))
            todo += [(Requirement(line), more) for line in importlib.metadata.requires(name) or ()]
    return {name for name, _ in found} | {"dogbreed"} | INSTALLERS


def test_training_and_serving_install_few_packages() -> None:
    core = core_packages()
    assert {"torch", "pytorch-lightning", "optuna", "fastapi", "dogbreed"} <= core
    assert len(core) <= MAX_PACKAGES, sorted(core)
    unwanted = {"sagemaker", "boto3", "matplotlib", "pandas", "mypy", "pytest", "mlflow", "onnx"}
    assert not core & unwanted


def test_every_import_is_in_the_core_or_optional() -> None:
    core, known = core_packages(), importlib.metadata.packages_distributions()
    imported: set[str] = set()
    for path in (PROJECT / "dogbreed").rglob("*.py"):
        text = path.read_text("utf-8")
        imported |= set(re.findall(r"^ *(?:import|from) (\w+)", text, re.M))
    third_party = imported - sys.stdlib_module_names - {"dogbreed"} - OPTIONAL
    names = {each: {canonicalize_name(n) for n in known.get(each, ())} for each in third_party}
    # Words of docstrings that begin a line with "from" are no packages.
    outside = {each for each, packages in names.items() if packages and not packages & core}
    assert outside == set()


# Neither the modules are there nor the metadata, by which torchmetrics looks for matplotlib.
LEAN_ENVIRONMENT = """
import importlib.machinery, re, sys
hidden, core = set({hidden!r}), set({core!r})

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            return None
        return super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **options):
        found = super().find_distributions(*arguments, **options)
        return [d for d in found if re.sub("[-_.]+", "-", d.metadata["Name"]).lower() in core]

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
"""


@pytest.mark.slow
def test_training_prediction_and_serving_need_no_other_package(tmp_path: Path) -> None:
    core, known = core_packages(), importlib.metadata.packages_distributions()
    hidden = sorted(
        module
        for module, names in known.items()
        if not {canonicalize_name(name) for name in names} & core and module.isidentifier()
    )
    assert {"matplotlib", "boto3", "pandas", "pytest", "timm"} <= set(hidden)
    lean = LEAN_ENVIRONMENT.format(hidden=hidden, core=sorted(core))
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(lean, "utf-8")
    photo = tmp_path / "photo.jpg"
    draw_photo(photo, 120, 1, (200, 150))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "dogbreed.train", *SMALL[:-1])
    run("-m", "dogbreed.predict", str(photo))
    run("-m", "dogbreed", "--help")
    run("-c", "import dogbreed.serving.http.server, dogbreed.search.local")
