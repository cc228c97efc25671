"""The package as a whole: what importing it costs, who imports whom, and the wheel elsewhere."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, Train

from dogbreed.configuration.commands import BY_NAME
from dogbreed.configuration.composing import compose_as, groups_of
from dogbreed.configuration.schema import conf_dir

# From the ground up: a package imports from its own layer's packages and from lower layers. A
# sub-package is a package of its own here; a module at the top is named by itself.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "utils"),
    ("evaluation.metrics",),
    ("configuration",),
    ("training.optimizers", "training.loggers"),
    ("run_records",),
    ("data.decoding.structure",),
    ("data.decoding.image_formats",),
    ("data.decoding",),
    ("data.layouts",),
    ("data.archives",),
    ("data.sets",),
    ("data",),
    ("backbone.providers",),
    ("backbone",),
    ("runtime",),
    ("features",),
    ("data_module",),
    ("feature_arrays",),
    ("artifact.servers",),
    ("artifact",),
    ("model",),
    ("lightning",),
    ("debug.recording",),
    ("debug.rules", "debug.smdebug"),
    ("debug.profiling",),
    ("debug.profiling.triggers",),
    ("debug",),
    ("evaluation",),
    ("serving.web",),
    ("serving",),
    ("serving.requests",),
    ("serving.offline", "serving.http"),
    ("report",),
    ("report.run.wording",),
    ("report.run.figures",),
    ("report.run.sections",),
    ("report.run", "report.runs"),
    ("training",),
    ("run",),
    ("fitting",),
    ("train", "predict", "evaluate", "compare_backbones", "serve", "runs"),
    ("search",),
    ("search.report",),
    ("search.local",),
    ("cloud.container",),
    ("cloud.aws",),
    ("cloud.wheels",),
    ("cloud.jobs",),
    ("cloud.endpoints",),
    ("cloud.pipelines",),
    ("cloud.commands",),
    ("cloud",),
    ("__main__",),
)


# An experiment of a search has nothing to say to the training after it, and the other way round.
OTHERS_EXPERIMENTS = {
    ("tune", "experiment", "final"),
    ("pipeline", "experiment", "final"),
    ("final", "experiment", "hpo"),
    ("final", "experiment", "hpo_batch_lr"),
}


def imports_of(path: Path) -> set[str]:
    """Every dogbreed module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("dogbreed.")}


def modules() -> dict[str, Path]:
    paths = (PROJECT / "dogbreed").rglob("*.py")
    return {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
        if path != PROJECT / "dogbreed" / "__init__.py"
    }


def package_of(module: str, paths: dict[str, Path]) -> str:
    """The package or sub-package that a module is in, without the leading `dogbreed.`."""
    is_package = paths[module].name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    return (module if package == "dogbreed" else package).removeprefix("dogbreed.")


def test_no_import_goes_up() -> None:
    paths = modules()
    layer = {package: number for number, names in enumerate(LAYERS) for package in names}
    for name, path in paths.items():
        for imported in imports_of(path) & paths.keys():
            here, there = package_of(name, paths), package_of(imported, paths)
            is_lower = here == there or layer[there] < layer[here]
            assert is_lower or {here, there} == {"errors", "utils"}, f"{name} imports {imported}"


def test_no_two_files_import_each_other() -> None:
    known = modules()
    graph = {name: imports_of(path) & known.keys() for name, path in known.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += graph[name]
        return seen

    assert [name for name in graph if name in reached(name)] == []


def test_only_the_doors_know_hydra_and_only_cloud_knows_aws() -> None:
    for name, path in modules().items():
        text = path.read_text("utf-8")
        if name != "dogbreed.configuration.composing":
            assert "import hydra" not in text, name
            assert "from hydra" not in text, name
        if not name.startswith("dogbreed.cloud."):
            for forbidden in ("sagemaker", "boto3", "botocore"):
                assert not re.search(rf"(import|from) {forbidden}", text), name


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not {"torch", "numpy", "PIL", "hydra", "omegaconf", "yaml"} & loaded_by(
        "import dogbreed"
    )


def test_decoding_a_photo_needs_no_torch() -> None:
    assert "torch" not in loaded_by(
        "import dogbreed.data.decoding.photos, dogbreed.artifact.folder"
    )


def test_photos_are_checked_before_lightning_is_imported(photos_root: Path, tmp_path: Path) -> None:
    settings = [
        *("model.backbone=resnet18", "model.weights=none", "data.workers=1"),
        *(f"data.root={photos_root}", f"output_root={tmp_path}"),
    ]
    statement = (
        "from dogbreed.configuration.composing import compose\n"
        "from dogbreed.training import run\n"
        "def ends(folders, noun): raise KeyboardInterrupt\n"
        "run.show_photos = ends  # the photos are checked when it is called\n"
        f"try: run.train(compose({settings!r})); raise SystemExit('not reached')\n"
        "except KeyboardInterrupt: pass\n"
    )
    heavy = {"pytorch_lightning", "lightning_fabric", "torchmetrics", "sklearn", "pandas"}
    assert not heavy & loaded_by(statement)


def test_help_loads_no_torch_and_says_how_it_was_started(train: Train) -> None:
    done = train("--help")
    assert done.returncode == 0
    assert "Usage: python -m dogbreed.train " in done.stdout
    assert "samples | stanford_dogs" in done.stdout
    loaded = loaded_by(
        "import dogbreed.train\ndogbreed.train.main(['--help'])\nprint(end='', flush=True)"
    )
    assert "torch" not in loaded


def test_every_key_has_a_value_in_conf_and_every_value_a_key() -> None:
    tried = set()
    for name, schema in ((name, command.schema) for name, command in BY_NAME.items()):
        compose_as(schema, name, [])
        for group, choices in groups_of(schema).items():
            for choice in choices:
                if (name, group, choice) not in OTHERS_EXPERIMENTS:
                    compose_as(schema, name, [f"{group}={choice}"])
                    tried.add((group, choice))
    files = {(file.parent.name, file.stem) for file in conf_dir().glob("*/*.yaml")}
    assert tried == {(group, choice) for group, choice in files if choice != "base"}


def test_public_names_are_there_and_others_are_not() -> None:
    import dogbreed

    for name in dogbreed.__all__:
        assert getattr(dogbreed, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dogbreed.nothing  # noqa: B018


@pytest.mark.runs
def test_the_wheel_works_outside_the_checkout(photos_root: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    site = tmp_path / "site"
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        wheel.extractall(site)
        names = wheel.namelist()
    assert "dogbreed/conf/train.yaml" in names
    assert not [name for name in names if name.startswith(("tests", "outputs"))]
    done = subprocess.run(
        [sys.executable, "-m", "dogbreed.train", f"data.root={photos_root}", *SMALL],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert "dogbreed = dogbreed.__main__:console_script" in (site / entry_points).read_text("utf-8")
    for command in BY_NAME:
        helped = subprocess.run(
            [sys.executable, "-m", "dogbreed", command, "--help"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert helped.stdout.count(f"python -m dogbreed {command} ") >= 2, helped.stderr
    where = subprocess.run(
        [
            sys.executable,
            "-c",
            "import dogbreed.configuration.schema; print(dogbreed.configuration.schema.conf_dir())",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == str(site / "dogbreed" / "conf")


def test_the_reference_of_keys_is_todays() -> None:
    from dogbreed.configuration.reference import reference

    assert (PROJECT / "conf" / "README.md").read_text("utf-8") == reference(), "make reference"
