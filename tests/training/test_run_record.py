"""run.json of a training, and what a training does for the page of all runs."""

import base64
import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SMALL, TrainedRun

from dogbreed.configuration.changes import changed_keys
from dogbreed.configuration.composing import compose
from dogbreed.errors import Stopped, TrainingError
from dogbreed.run_records.listing import FAILED, FINISHED, RUNNING, UNFINISHED, list_runs
from dogbreed.run_records.record import read_metrics, read_record
from dogbreed.training import run as training
from dogbreed.training import steps
from dogbreed.training.context import RunContext


def test_a_finished_run_has_its_record(trained: TrainedRun) -> None:
    record = read_record(trained.run)
    metrics = json.loads((trained.run / "metrics.json").read_text("utf-8"))
    assert record.data == "photos"
    assert record.changes == {
        "engine": "torch",
        "data.size_px": 64,
        "data.batch_size": 16,
        "model.backbone": "resnet18",
        "model.weights": "none",
        "trainer.epochs": 3,
        "artifact.openvino": False,
        "debug.every_n_steps": 2,
        "debug.tensorboard": True,
    }
    assert record.splits == {split: metrics[split] for split in ("valid", "test")}
    assert record.seconds == metrics["seconds"]["total"]
    of_metrics = read_metrics(trained.run)
    for name in ("classes", "classes_sha256", "data_fingerprint", "seconds", "splits"):
        assert getattr(record, name) == getattr(of_metrics, name), name
    (listed,) = list_runs(trained.run.parent)
    assert (listed.name, listed.state, listed.record) == (trained.run.name, FINISHED, record)


def test_a_metric_that_cannot_be_computed_loses_nothing(
    trained: TrainedRun, tmp_path: Path
) -> None:
    record = read_record(trained.run)
    assert record.splits is not None
    splits = json.loads(json.dumps(record.splits))
    splits["test"]["macro_f1"], splits["test"]["ci95"]["macro_f1"] = math.nan, (math.nan, 1.0)
    replace(record, splits=splits).write(tmp_path)
    again = read_record(tmp_path)
    assert (again.metric("test", "macro_f1"), again.interval("test", "macro_f1")) == (None, None)
    assert again.metric("test", "top1") == record.metric("test", "top1")


def test_its_answers_are_those_of_predictions_csv(trained: TrainedRun) -> None:
    answers = read_record(trained.run).test_answers
    assert answers is not None
    with (trained.run / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    right = [row["class"] == row["predicted"] for row in rows]
    bits = "".join(f"{byte:08b}" for byte in base64.b64decode(answers.right))
    assert [bit == "1" for bit in bits[: answers.n]] == right
    classes = ("Akita", "Beagle", "Collie")
    wrong = base64.b64decode(answers.wrong)
    assert [classes[wrong[place + 1]] for place in range(0, len(wrong), 2)] == [
        row["predicted"] for row in rows if row["class"] != row["predicted"]
    ]


def test_a_finished_run_is_in_the_page(trained: TrainedRun) -> None:
    page = (trained.run.parent / "index.html").read_text("utf-8")
    assert f'href="{trained.run.name}/report.html"' in page
    data = json.loads(page.split('id="run-data">')[1].split("</script>")[0])
    assert data["runs"][0]["photos"]["set"] == 0
    assert data["sets"][0]["base"] == "../photos/test"


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (TrainingError("the loss\nisn't finite"), FAILED, "the loss\\nisn't finite"),
        (MemoryError(), FAILED, "MemoryError"),
        (Stopped("stopped by SIGTERM", 15), UNFINISHED, None),
        (KeyboardInterrupt(), UNFINISHED, None),
    ],
)
def test_a_run_that_ends_early(
    photos_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    state: str,
    reason: str | None,
) -> None:
    def write_and_fail(context: RunContext, *, trial: bool) -> None:
        context.write_inputs()
        assert [run.state for run in list_runs(tmp_path / "outputs")] == [RUNNING]
        raise error

    monkeypatch.setattr(steps, "run_steps", write_and_fail)
    config = compose([f"data.root={photos_root}", *SMALL, f"output_root={tmp_path / 'outputs'}"])
    with pytest.raises(type(error)):
        training.train(config)
    (listed,) = list_runs(tmp_path / "outputs")
    assert listed.state == state
    assert listed.record is not None
    assert listed.record.failure == reason
    assert not (tmp_path / "outputs" / "index.html").exists()


def test_changed_keys_are_those_that_differ_from_the_defaults(tmp_path: Path) -> None:
    assert changed_keys(compose([])) == {}
    given = [f"data.root={tmp_path}", "name=x", "output_root=y", "resume=auto", "data=oxford_pets"]
    assert changed_keys(compose(given)) == {}
    weights = f"model.weights={tmp_path}/mine.pth"
    assert changed_keys(compose(["optim.lr=0.003", weights])) == {
        "optim.lr": 0.003,
        "model.weights": "mine.pth",
    }
