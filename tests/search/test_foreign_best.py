"""best.yaml of somebody else: hyperparameters are taken, everything else is refused by name."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT
from helpers.in_process import run_in_process

from dogbreed.configuration.search import TuneConfig
from dogbreed.errors import ConfigError, DogbreedError, SearchError
from dogbreed.search.best import read_best
from dogbreed.search.final import compose_final
from dogbreed.search.searchable import SEARCHABLE
from dogbreed.search.user_settings import load_settings, save_settings

IMAGE = "999999999999.dkr.ecr.us-east-1.amazonaws.com/theirs:1"


def document(**changes: Any) -> dict[str, Any]:
    """What a search writes, with some of its keys otherwise."""
    return {
        "search": "theirs",
        "trial": "trial-001",
        "objective": {
            "metric": "valid_top1",
            "direction": "maximize",
            "value": 0.9,
            "ci95": [0.8, 0.95],
        },
        "parameters": {"optim.lr": 0.01, "optim.name": "sgd"},
        "settings": {"trainer.epochs": 7, "model.backbone": "resnet18"},
        **changes,
    }


def written(folder: Path, values: Any) -> Path:
    """best.yaml with these values."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "best.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    return path


def test_hyperparameters_of_somebody_else_are_taken(tmp_path: Path) -> None:
    path = written(tmp_path, document())
    for best in (path, tmp_path):
        config, _ = compose_final([f"best={best}", "data=samples"])
        assert (config.optim.lr, config.optim.name, config.trainer.epochs) == (0.01, "sgd", 7)
        assert config.model.backbone == "resnet18"


def test_what_is_searchable_names_no_path_no_account_and_no_limit() -> None:
    for word in (
        "root",
        "launcher",
        "model.weights",
        "output",
        "max_",
        "workers",
        "devices",
        "debug",
    ):
        assert not [name for name in SEARCHABLE if word in name]
    assert not {"name", "resume", "engine", "best"} & set(SEARCHABLE)


@pytest.mark.parametrize("place", ["parameters", "settings"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("launcher.bucket", "theirs"),
        ("launcher.image_uri", IMAGE),
        ("launcher.role", "arn:aws:iam::999999999999:role/SageMaker"),
        ("launcher.name", "sagemaker"),
        ("launcher.prefix", "x"),
        ("launcher.instance_type", "ml.p5.48xlarge"),
        ("launcher.instance_count", 100),
        ("launcher.output_kms_key", None),
        ("launcher.tags", {"a": "${oc.env:SECRET}"}),
        ("launcher.tags.a", "${oc.env:SECRET}"),
        ("launcher", {"bucket": "theirs"}),
        ("launcher", "local"),
        ("data.root", "/etc"),
        ("data.source", "dogimages"),
        ("data.feature_set", "/tmp"),
        ("data.max_pixels", 89_478_485),
        ("data.max_bad_share", 1.0),
        ("data.workers", 10**6),
        ("trainer.devices", 10**6),
        ("features.root", "/tmp"),
        ("model.weights", "/tmp/weights.pth"),
        ("output_root", "/tmp"),
        ("resume", "/tmp"),
        ("name", "../../x"),
        ("best", "other"),
        ("attach", "job"),
        ("dry_run", False),
        ("wait", False),
        ("debug.smdebug", True),
        ("debug.rules.overfit.action", "off"),
        ("cloud_debugger", True),
        ("hydra.run.dir", "/tmp"),
        ("hydra", {"run": {"dir": "/tmp"}}),
        ("defaults", ["/optim: sgd"]),
        ("_target_", "os.system"),
        ("optim", "sgd"),
        ("optim@_global_", "sgd"),
        ("experiment", "final"),
        ("+experiment", "hpo"),
        ("+optim.lr", 0.1),
        ("++optim.lr", 0.1),
        ("~optim.lr", None),
        ("optim.lr=1 launcher.bucket", "theirs"),
        ("optim.lr ", 0.1),
        ("optim..lr", 0.1),
        ("optim[lr]", 0.1),
        ("optim.lr\nlauncher.bucket", "theirs"),
        ("οptim.lr", 0.1),  # a Greek letter
        ("optim.lr\u200b", 0.1),
        ("", 0.1),
        ("x" * 100_000, 0.1),
        # Keys that can be searched, with values that they don't take.
        ("optim.lr", 0),
        ("optim.lr", 1000),
        ("optim.lr", -1e308),
        ("optim.lr", 10**399),
        ("optim.lr", True),
        ("optim.lr", "0.1"),
        ("optim.lr", "${oc.env:SECRET}"),
        ("optim.lr", "${now:%Y}"),
        ("optim.lr", None),
        ("optim.lr", [0.1]),
        ("optim.lr", {"a": 0.1}),
        ("optim.name", "${oc.env:SECRET}"),
        ("optim.name", "x" * 100_000),
        ("optim.name", ["sgd"]),
        ("data.batch_size", 0),
        ("data.batch_size", 10**12),
        ("data.batch_size", 64.5),
        ("data.batch_size", False),
        ("model.backbone", "x" * 101),
        ("model.hidden", 10**9),
        ("trainer.epochs", 10**9),
        ("seed", 2**32),
        ("features.views", 10**6),
    ],
)
def test_any_other_key_or_value_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, key: str, value: Any
) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    with pytest.raises(SearchError) as caught:
        read_best(written(tmp_path, document(**{place: {key: value}})))
    message = str(caught.value)
    assert "best.yaml: " in message
    assert key[:20].strip().split("\n")[0].encode("ascii", "ignore").decode() in message
    assert message.endswith("run the search again, or name another.")
    assert "s3cr3t" not in message
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hydra": {"run": 1}}, "hydra is no key"),
        ({"defaults": []}, "defaults is no key"),
        ({"_target_": "os.system"}, "_target_ is no key"),
        ({"launcher": {"bucket": "theirs"}}, "launcher is no key"),
        ({"parameters": None}, "parameters=None: must be KEY: VALUE lines"),
        ({"parameters": ["optim.lr=1"]}, "must be KEY: VALUE lines"),
        ({"parameters": "optim.lr=1"}, "must be KEY: VALUE lines"),
        ({"search": "a\x1b[31mb"}, "search="),
        ({"search": ["x"]}, "must be a name"),
        ({"trial": "x" * 300}, "must be a name"),
        ({"objective": {"metric": "x"}}, "objective.direction is missing"),
        ({"objective": 1}, "objective=1"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SearchError) as caught:
        read_best(written(tmp_path, document(**changes)))
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "objective",
    [
        {"value": True},
        {"value": "0.9"},
        {"value": 10**399},
        {"ci95": [1]},
        {"ci95": "ab"},
        {"ci95": [True, 1]},
        {"metric": "${oc.env:SECRET}"},
        {"direction": ["maximize"]},
        {"more": 1},
    ],
)
def test_an_objective_that_is_none_is_refused(tmp_path: Path, objective: dict[str, Any]) -> None:
    with pytest.raises(SearchError, match="objective"):
        read_best(written(tmp_path, document(objective={**document()["objective"], **objective})))


def test_a_million_keys_a_bomb_and_an_empty_file_end_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "best.yaml"
    lines = "".join(f"  k{n}: 1\n" for n in range(10**6))
    levels = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    for text, expected in {
        f"parameters:\n{lines}": "is larger than 256 KiB",
        f"a0: &a0 [x]\n{levels}": "has an anchor",
        "": "holds no mapping",
        "parameters: {optim.lr: 1, optim.lr: 2}": "has the key optim.lr twice",
    }.items():
        path.write_text(text, "utf-8")
        with pytest.raises(SearchError, match=expected):
            read_best(path)


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "device"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "theirs" / "best.yaml"
    path.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        secret = tmp_path / "secret"
        secret.write_text("password: hunter2", "utf-8")
        path.symlink_to(secret)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DogbreedError) as caught:
        compose_final([f"best={path}"])
    assert "best" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_own_settings_come_from_the_own_cache_alone(tmp_path: Path, own_cache: Path) -> None:
    folder = tmp_path / "outputs" / "searches" / "mine"
    written(folder, document())
    foreign = {"launcher.bucket": "theirs", "data.root": "/etc"}
    for name in ("settings.yaml", "config.yaml", "launch.yaml"):
        (folder / name).write_text(yaml.safe_dump(foreign), "utf-8")
    arguments = [f"output_root={tmp_path / 'outputs'}"]
    with pytest.raises(ConfigError, match=r"add data\.root=PHOTOS"):
        compose_final(arguments)
    config, _ = compose_final([*arguments, "data=samples"])
    assert (config.launcher.bucket, config.data.root) == (None, None)

    save_settings(folder, {"launcher.bucket": "ours", "data.root": "/photos", "optim.lr": 0.5})
    config, _ = compose_final(arguments)
    assert (config.launcher.bucket, config.data.root) == ("ours", "/photos")
    assert config.optim.lr == 0.01  # the best goes before
    config, _ = compose_final([*arguments, "launcher=local", "data.root=/others"])
    assert (config.launcher.bucket, config.data.root) == (None, "/others")

    # In a cache that several users share somebody else may have put the file there.
    (saved,) = (own_cache / "searches").iterdir()
    saved.chmod(0o666)
    assert load_settings(folder) is None
    saved.chmod(0o600)
    assert load_settings(folder) is not None
    other = tmp_path / "elsewhere.json"
    saved.rename(other)
    saved.symlink_to(other)
    assert load_settings(folder) is None


def test_settings_are_values_and_no_text(tmp_path: Path) -> None:
    texts = ["x,y launcher.role=z", "${oc.env:HOME}", "null", "{a: 'b}"]
    folder = tmp_path / "outputs" / "searches" / "mine"
    written(folder, document())
    for text in texts:
        save_settings(
            folder, {"name": text, "launcher.tags": {text: text}, "launcher.subnets": [text]}
        )
        config, _ = compose_final([f"output_root={tmp_path / 'outputs'}"])
        assert config.name == text
        assert config.launcher.tags == {text: text}
        assert config.launcher.subnets == (text,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": {"launcher.bucket": "theirs-123"}}, "launcher.bucket='theirs-123'"),
        ({"parameters": {"optim.lr": "${oc.env:SECRET}"}}, "optim.lr='${oc.env:SECRET}'"),
    ],
)
def test_the_command_sends_nothing_under_a_foreign_best(
    tmp_path: Path, photos_root: Path, changes: dict[str, Any], expected: str
) -> None:
    written(tmp_path, document(**changes))
    done = run_in_process(
        PROJECT / "launch" / "train.py",
        *("dry_run=true", "best=best.yaml", f"data.root={photos_root}"),
        cwd=tmp_path,
        SECRET="s3cr3t",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: best.yaml: ")
    assert expected in done.stderr
    assert "Would" not in done.stdout
    assert "s3cr3t" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_space_searches_what_a_result_may_set() -> None:
    from dogbreed.configuration.composing import compose_as
    from dogbreed.search.space import read_space

    for key, value in {"data.root": "/a", "name": "x", "data.workers": 2}.items():
        values = json.dumps([value, f"{value}1"])
        config = compose_as(
            TuneConfig, "tune", [f"search.space.{key}={{type: choice, values: {values}}}"]
        )
        with pytest.raises(ConfigError, match=f"{key} can't be searched"):
            read_space(config.search.space)
