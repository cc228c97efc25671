"""The loggers of a run: what each of them gets, once, and that none of them harms a training."""

import csv
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SMALL, Train, draw_folders
from helpers.mlflow_server import free_port, mlflow_server, recording
from helpers.stopped import signal_at
from test_train import metrics_of

from dogbreed.artifact.tensors import read_safetensors
from dogbreed.configuration.loggers import LOGGERS, LoggedRun, LoggerKind
from dogbreed.training import path_check

QUICK = (*SMALL, "debug.enabled=false", "evaluate.baseline=false", "trainer.patience=0")
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/mine"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("loggers") / "photos"
    return draw_folders(root, {"train": 12, "valid": 4, "test": 4})


def latest(cwd: Path) -> Path:
    return (cwd / "outputs" / "latest").resolve()


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "csv" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def events(run: Path, name: str) -> list[tuple[int, float]]:
    """The steps and values of a scalar in TensorBoard's events."""
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    accumulator = EventAccumulator(str(run / "tensorboard"))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def test_files_have_every_epoch_the_test_and_the_parameters(
    photos: Path, tmp_path: Path, train: Train
) -> None:
    done = train(*QUICK, f"data.root={photos}", "logger=[csv,tensorboard]")
    assert done.returncode == 0, done.stderr
    run, metrics = latest(tmp_path), metrics_of(latest(tmp_path))
    *epochs, test = rows(run)
    assert [int(row["step"]) for row in epochs] == [1, 2, 3]
    for row, epoch in zip(epochs, metrics["epochs"], strict=True):
        assert {name: float(row[name]) for name in epoch} == pytest.approx(epoch)
    assert float(test["test_top1"]) == pytest.approx(metrics["test"]["top1"])
    assert [step for step, _ in events(run, "valid_loss")] == [1, 2, 3]
    ((step, top1),) = events(run, "test_top1")
    assert step == 3
    assert top1 == pytest.approx(metrics["test"]["top1"])
    for name in ("csv", "tensorboard"):
        parameters = yaml.safe_load((run / name / "hparams.yaml").read_text())
        assert parameters["optim.lr"] == 1e-3
        assert parameters["data.root"] == "photos"  # no folder of the user's
    assert metrics["seconds"]["loggers"] >= 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_resumed_run_logs_each_epoch_once(
    photos: Path, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    command = (*QUICK, f"data.root={photos}", "logger=[csv,tensorboard]", "data.batch_size=4")
    with monkeypatch.context() as patch:
        signal_at(patch, "training_step", 9 + 5, number)
        assert train(*command).returncode == 128 + number
    assert [row["step"] for row in rows(next((tmp_path / "outputs").glob("*-*")))] == ["1"]
    done = train(*command, "resume=auto")
    assert done.returncode == 0, done.stderr
    run = latest(tmp_path)
    assert [row["step"] for row in rows(run)] == ["1", "2", "3", "3"]
    assert [step for step, _ in events(run, "train_loss")] == [1, 2, 3]


def test_a_server_that_is_down_costs_one_warning(
    photos: Path, tmp_path: Path, train: Train
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    command = (*QUICK, f"data.root={photos}")
    done = train(*command, "logger=[mlflow,csv]", f"tracking.uri={address}")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("mlflow") == 2  # the warning, and its address
    assert re.search(r"warning: logger=mlflow has failed .*Connection refused", done.stdout)
    logged = latest(tmp_path)
    assert len(rows(logged)) == 4
    assert train(*command).returncode == 0
    plain = latest(tmp_path)
    assert metrics_of(plain)["epochs"] == metrics_of(logged)["epochs"]
    weights = (read_safetensors(run / "model" / "model.safetensors") for run in (logged, plain))
    assert bool((next(weights)["head.output.weight"] == next(weights)["head.output.weight"]).all())


def test_a_logger_that_fails_later_is_called_no_more(
    photos: Path, tmp_path: Path, train: Train
) -> None:
    from pytorch_lightning.loggers import CSVLogger

    calls: list[tuple[str, Any]] = []

    class Failing(CSVLogger):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            calls.append(("metrics", step))
            if step == 2:
                raise OSError(28, "No space left on device")

    def build(run: LoggedRun) -> CSVLogger:
        return Failing(run.folder, "failing")

    LOGGERS.register("failing", LoggerKind(build=build, add_file=lambda *_: calls.append(("f", 0))))
    try:
        done = train(*QUICK, f"data.root={photos}", "logger=[failing,csv]")
    finally:
        LOGGERS.unregister("failing")
    assert done.returncode == 0, done.stderr
    assert calls == [("metrics", 1), ("metrics", 2)]
    assert (done.stdout + done.stderr).count("No space left on device") == 1
    assert len(rows(latest(tmp_path))) == 4


def test_without_a_key_wandb_records_into_the_run(
    photos: Path, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    nothing = {"NETRC": str(tmp_path / "netrc"), "WANDB_CONFIG_DIR": str(tmp_path / "wandb")}
    done = train(
        *QUICK,
        *(f"data.root={photos}", "logger=wandb"),
        **nothing,
        WANDB_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    assert "logger=wandb: no API key (WANDB_API_KEY, wandb login); recorded offline" in done.stdout
    assert done.stderr == ""
    (recorded,) = (latest(tmp_path) / "wandb").glob("offline-run-*")
    assert (recorded / "files" / "report.html").stat().st_size
    (file,) = recorded.glob("*.wandb")
    data = file.read_bytes()
    assert all(word in data for word in (b"valid_top1", b"test_top1", b"optim.lr"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["logger=mlfow"], "must be one of csv, mlflow, tensorboard, wandb. Did you mean mlflow?"),
        (["tracking.uri=http://me:pw@host"], "an address with a password would be written"),
        (["logger=mlflow", f"tracking.uri={ARN}"], "pip install 'dogbreed[sagemaker-mlflow]'"),
        (["logger=[csv,wandb]"], "wandb must be installed: pip install 'dogbreed[wandb]'."),
    ],
)
def test_what_cannot_be_logged_to_is_refused_before_any_work(
    tmp_path: Path,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    found = path_check.importlib.util.find_spec  # type: ignore[attr-defined]
    gone = ("wandb", "sagemaker_mlflow")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name in gone else found(name, *more)
    )
    done = train(*arguments, "data.source=samples")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "outputs").exists()
    assert "pw" not in done.stderr.replace("password", "").replace("PASSWORD", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


def runs_of(address: str, experiment: str) -> list[Any]:
    """The runs of an experiment as the server has them."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def history(address: str, run: Any, name: str) -> list[int]:
    from mlflow.tracking import MlflowClient

    return [each.step for each in MlflowClient(address).get_metric_history(run.info.run_id, name)]


@pytest.mark.slow
def test_mlflow_has_the_run_and_a_resumed_one_is_the_same(
    photos: Path, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    place = (f"tracking.uri={server}", "tracking.experiment=resumed")
    command = (*QUICK, f"data.root={photos}", "logger=mlflow", "data.batch_size=4", *place)
    with monkeypatch.context() as patch:
        signal_at(patch, "training_step", 9 + 5, signal.SIGTERM)
        assert train(*command).returncode == 128 + signal.SIGTERM
    (stopped,) = runs_of(server, "resumed")
    assert stopped.info.status == "KILLED"
    done = train(*command, "resume=auto")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (run,) = runs_of(server, "resumed")
    assert run.info.run_id == stopped.info.run_id
    assert run.info.status == "FINISHED"
    assert history(server, run, "valid_loss") == [1, 2, 3]
    assert run.data.params["optim.lr"] == "0.001"
    assert run.data.params["tracking.uri"] == "null"  # it isn't published
    metrics = metrics_of(latest(tmp_path))
    assert run.data.metrics["test_top1"] == pytest.approx(metrics["test"]["top1"])
    from mlflow.tracking import MlflowClient

    (artifact,) = MlflowClient(server).list_artifacts(run.info.run_id)
    assert artifact.path == "report.html"
    assert artifact.file_size == (latest(tmp_path) / "report.html").stat().st_size


@pytest.mark.slow
def test_a_server_lost_in_training_gets_the_rest_when_the_run_is_resumed(
    photos: Path, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    settings = ("logger=mlflow", "data.batch_size=4", "tracking.experiment=lost")
    command = (*QUICK, f"data.root={photos}", *settings)
    with recording(server, fails_from=2) as proxy:
        place = f"tracking.uri={proxy.address}"
        with monkeypatch.context() as patch:
            signal_at(patch, "training_step", 3 * 9, signal.SIGTERM)
            lost = train(*command, place, MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0")
        assert lost.stdout.count("warning: logger=mlflow has failed") == 1, lost.stdout
        (run,) = runs_of(server, "lost")
        assert history(server, run, "valid_loss") == [1]
        proxy.fails_from = 1000
        done = train(*command, place, "resume=auto")
    assert done.returncode == 0, done.stderr
    (run,) = runs_of(server, "lost")
    assert history(server, run, "valid_loss") == [1, 2, 3]


@pytest.mark.slow
def test_an_arn_reaches_its_server_signed(
    photos: Path, tmp_path: Path, train: Train, server: str
) -> None:
    from mlflow.tracking import MlflowClient

    # On SageMaker artifacts are in S3, to which the client writes.
    MlflowClient(server).create_experiment("signed", (tmp_path / "artifacts").as_uri())
    with recording(server) as proxy:
        done = train(
            *QUICK,
            *(f"data.root={photos}", "logger=mlflow"),
            *(f"tracking.uri={ARN}", "tracking.experiment=signed"),
            SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT=proxy.address,
            AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
            AWS_SECRET_ACCESS_KEY="secret",
        )
    assert done.returncode == 0, done.stderr
    assert "logger=mlflow" not in done.stdout + done.stderr
    (run,) = runs_of(server, "signed")
    assert history(server, run, "valid_loss") == [1, 2, 3]
    assert proxy.seen
    for path, headers in proxy.seen:
        assert "/eu-west-1/sagemaker-mlflow/aws4_request" in headers["Authorization"], path
    assert list((tmp_path / "artifacts").rglob("report.html"))
    record = json.loads((latest(tmp_path) / "loggers.json").read_text())
    assert record["mlflow"]["id"] == run.info.run_id
