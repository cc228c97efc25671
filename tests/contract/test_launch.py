"""launch/tune.py and launch/train.py against an emulated account, whose jobs really run."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from conftest import PROJECT, SMALL, draw_folders, draw_photo, wait_for_line
from helpers.in_process import run_in_process

from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch

Launch = Callable[..., subprocess.CompletedProcess[str]]

# Jobs print and write the same whatever the size of the network.
LOSS = ("search.objective=valid_loss", "search.direction=minimize")
QUICK = (
    *(each for each in SMALL if "batch_size" not in each),
    "launcher.instance_type=ml.m5.large",
    "launcher.install=none",  # test_packages.py installs; here all is installed
)


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", str(PROJECT / "launch" / script), *arguments]


@pytest.fixture
def launch(tmp_path: Path, account: "SageMakerAccount") -> Launch:
    """Run one of launch/ in `tmp_path`, under the account's role."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        role = f"launcher.role={account.role_arn}"
        return run_in_process(PROJECT / "launch" / script, role, *arguments, cwd=tmp_path)

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_folders(tmp_path / "photos", {"train": 12, "valid": 4, "test": 4})


def started(account: "SageMakerAccount", operation: str) -> list[dict[str, Any]]:
    return [sent for name, sent in account.requests if name == operation]


def test_tune_table_train_the_best_attach(
    launch: Launch, account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    done = launch(
        *("tune.py", "+experiment=hpo", f"data.root={photos}", "data.fraction=0.5"),
        *("search.trials=3", "search.name=breeds", *QUICK, *LOSS),
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    folder = tmp_path / "outputs" / "searches" / "breeds"
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["TrainingJobStatus"] for row in rows] == ["Completed"] * 3
    for row in rows:
        assert row["TrainingJobName"].startswith("breeds-")
        assert row["data.batch_size"] in ("64", "128", "256")
        assert 1e-4 <= float(row["optim.lr"]) <= 0.1
        assert 1e-9 <= float(row["optim.eps"]) <= 1e-8
        low, high = float(row["FinalObjectiveLow95"]), float(row["FinalObjectiveHigh95"])
        assert low < float(row["FinalObjectiveValue"]) < high
        assert float(row["TrainingElapsedTimeSeconds"]) > 0
        assert float(row["CostUSD"]) > 0
        # What the service read is what the job printed, by the expressions that were sent.
        log = account.log(row["TrainingJobName"])
        read = re.findall(metric_regexes(objectives())["valid_loss"], log)
        assert float(row["FinalObjectiveValue"]) == pytest.approx(float(read[-1]), rel=1e-5)
        # The trials read features, and no photo.
        assert "18 train" in log
        assert "computed now" not in log
        assert "of the feature set" in log
    best = yaml.safe_load((folder / "best.yaml").read_text("utf-8"))
    lowest = min(rows, key=lambda row: float(row["FinalObjectiveValue"]))
    assert best["trial"] == lowest["TrainingJobName"]
    assert best["parameters"]["data.batch_size"] == int(lowest["data.batch_size"])
    assert best["settings"]["model.backbone"] == "resnet18"
    assert not [name for name in best["settings"] if name.startswith(("launcher.", "data.root"))]
    (tuning,) = started(account, "CreateHyperParameterTuningJob")
    assert "optim.lr" not in tuning["TrainingJobDefinition"]["StaticHyperParameters"]

    done = launch("train.py")
    assert done.returncode == 0, done.stderr
    assert "0 to upload" in done.stdout
    assert "60 unchanged" in done.stdout
    sent = started(account, "CreateTrainingJob")[-1]
    hyperparameters = sent["HyperParameters"]
    assert json.loads(hyperparameters["optim.lr"]) == best["parameters"]["optim.lr"]
    assert "data.fraction" not in hyperparameters
    name = sent["TrainingJobName"]
    run = tmp_path / "outputs" / name
    assert (tmp_path / "outputs" / "latest").resolve() == run
    assert "36 train" in account.log(name)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    assert f"test top-1 {100 * metrics['test']['top1']:.1f}%" in done.stdout
    queried = run_in_process("dogbreed.predict", str(next(photos.rglob("*.jpg"))), cwd=tmp_path)
    assert queried.returncode == 0, queried.stderr
    assert json.loads(queried.stdout)["classes"][0]["label"] in ("Akita", "Beagle", "Collie")

    # Both can be taken up again, by name and from elsewhere; nothing is started by it.
    before = len(account.training_jobs)
    elsewhere = f"output_root={tmp_path / 'elsewhere'}"
    again = launch("tune.py", "attach=breeds", elsewhere)
    assert again.returncode == 0, again.stderr
    assert f"best: {best['trial']}" in again.stdout
    taken = tmp_path / "elsewhere" / "searches" / "breeds" / "trials.csv"
    assert taken.read_text("utf-8") == (folder / "trials.csv").read_text("utf-8")
    again = launch("train.py", f"attach={name}", elsewhere)
    assert again.returncode == 0, again.stderr
    copied = tmp_path / "elsewhere" / name / "model" / "model.safetensors"
    assert copied.read_bytes() == (run / "model" / "model.safetensors").read_bytes()
    assert len(account.training_jobs) == before

    # The features are there, so another search extracts none.
    more = launch(
        *("tune.py", "+experiment=hpo", f"data.root={photos}", "data.fraction=0.5", *QUICK),
        *("search.trials=1", "search.parallel=1", "search.name=more", "wait=false", *LOSS),
    )
    assert more.returncode == 0, more.stderr
    assert "features exist already" in more.stdout
    assert "attach=more" in more.stdout
    assert account.wait("more", 120) == "Completed"


def test_a_search_in_one_job(
    launch: Launch, account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    done = launch(
        *("tune.py", f"data.root={photos}", "search=lr_batch", "search.jobs=one", *QUICK),
        *("search.trials=3", "search.name=inside"),
    )
    assert done.returncode == 0, done.stderr
    assert [sent["TrainingJobName"] for sent in started(account, "CreateTrainingJob")] == ["inside"]
    assert started(account, "CreateHyperParameterTuningJob") == []
    folder = tmp_path / "outputs" / "searches" / "inside"
    best = yaml.safe_load((folder / "best.yaml").read_text("utf-8"))
    assert 32 <= best["parameters"]["data.batch_size"] <= 512
    assert best["settings"]["model.backbone"] == "resnet18"
    assert str(photos) not in (folder / "best.yaml").read_text("utf-8")
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3

    # What somebody else puts in the place of its results gets no further than its own files.
    (folder / "settings.yaml").write_text("mine: 1\n", "utf-8")
    planted = {"best.yaml": dict(best), "settings.yaml": {"launcher.bucket": "theirs"}}
    planted["best.yaml"]["settings"] = {"launcher.bucket": "theirs"}
    plant(account, "inside", {name: yaml.safe_dump(text) for name, text in planted.items()})
    again = launch("tune.py", "attach=inside")
    assert again.returncode == 1
    assert "launcher.bucket='theirs'" in again.stderr
    assert "best.yaml: " in again.stderr
    assert "also wrote settings.yaml" in again.stdout
    assert (folder / "settings.yaml").read_text("utf-8") == "mine: 1\n"
    done = launch("train.py", "dry_run=true")
    assert done.returncode == 1
    assert "launcher.bucket='theirs'" in done.stderr

    # A search of this machine isn't overwritten by a job of its name.
    (folder / "lock").touch()
    again = launch("tune.py", "attach=inside")
    assert again.returncode == 1
    assert "has results of this machine" in again.stderr


def plant(account: "SageMakerAccount", job: str, files: dict[str, str]) -> None:
    """Replace a job's output.tar.gz in S3 by an archive of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tape:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tape.addfile(member, io.BytesIO(text.encode()))
    account.client("s3").put_object(
        Bucket=account.bucket,
        Key=f"dogbreed/jobs/{job}/output/output.tar.gz",
        Body=packed.getvalue(),
    )


def head_of(run: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {n: t for n, t in load_file(run / "model" / "model.safetensors").items() if "head" in n}


def test_an_interrupted_spot_job_ends_with_the_same_weights(
    launch: Launch, account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    common = (
        f"data.root={photos}",
        "best=null",
        *QUICK,
        "trainer.epochs=300",
        "trainer.patience=0",
    )
    done = launch("train.py", *common)
    assert done.returncode == 0, done.stderr
    uninterrupted = head_of((tmp_path / "outputs" / "latest").resolve())
    with subprocess.Popen(
        command(
            *("train.py", f"launcher.role={account.role_arn}", *common, "launcher.spot=true"),
        ),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = wait_for_line(process.stdout, "started ")
        name = line.split()[1]
        account.wait_for_line(name, "epoch=20 ")
        account.interrupt(name)
        account.wait_for_line(name, "resuming ")
        _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err + account.log(name)
    log = account.log(name)
    assert log.count("features:") == 2
    assert "120 computed now" in log
    assert "0 computed now" in log.split("resuming ")[1]
    run = (tmp_path / "outputs" / "latest").resolve()
    # The running epoch is computed again, no other: its line may have come before its checkpoint.
    lines = (run / "log.txt").read_text("utf-8")
    epochs = [int(number) for number in re.findall(r" epoch=(\d+) ", lines)]
    assert sorted(set(epochs)) == list(range(1, 301))
    assert len(epochs) <= 301
    resumed = head_of(run)
    assert resumed.keys() == uninterrupted.keys()
    for key, tensor in resumed.items():
        torch.testing.assert_close(tensor, uninterrupted[key], rtol=0, atol=0)


def test_two_instances_train_as_one(
    launch: Launch, account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    common = (f"data.root={photos}", "best=null", *QUICK)
    latest = tmp_path / "outputs" / "latest"
    one = launch("train.py", *common, "launcher=local")
    assert one.returncode == 0, one.stderr
    first = json.loads((latest / "metrics.json").read_text("utf-8"))
    # On photos in S3, where they are.
    s3, place = account.client("s3"), "dogbreed/photos/of-the-kennel"
    for path in photos.rglob("*.jpg"):
        key = f"{place}/{path.relative_to(photos).as_posix()}"
        s3.put_object(Bucket=account.bucket, Key=key, Body=path.read_bytes())
    in_place = f"data.root=s3://{account.bucket}/{place}"
    two = launch("train.py", *common, in_place, "launcher.instance_count=2")
    (name,) = account.training_jobs
    assert two.returncode == 0, two.stderr + account.log(name)
    second = json.loads((latest / "metrics.json").read_text("utf-8"))
    assert "torchrun" in account.log(name)
    stored = s3.list_objects_v2(Bucket=account.bucket, Prefix="dogbreed/photos/")["Contents"]
    written = {each["Key"].split("/")[2] for each in stored}
    assert written == {"of-the-kennel", "listings", "manifests"}
    # As one: two trainings side by side would come to the same loss.
    config = yaml.safe_load((latest / "config.yaml").read_text("utf-8"))
    assert config["trainer"]["strategy"] == "ddp"
    assert second["valid"]["loss"] == pytest.approx(first["valid"]["loss"], rel=1e-3)


def test_two_instances_share_the_extraction(
    launch: Launch, account: "SageMakerAccount", photos: Path
) -> None:
    done = launch(
        *("tune.py", f"data.root={photos}", *QUICK, "search.trials=1", "search.name=shared"),
        "launcher.extract_instance_count=2",
    )
    assert done.returncode == 0, done.stderr
    counts = re.findall(
        r"features: (\d+) views of photos",
        account.log(next(n for n in account.training_jobs if n.startswith("dogbreed-extract-"))),
    )
    assert sorted(map(int, counts)) == [60, 60]


def test_labels_and_groups_hold_in_jobs(
    launch: Launch, account: "SageMakerAccount", tmp_path: Path
) -> None:
    rows = ["file;breed;dog"]
    for number in range(40):
        draw_photo(tmp_path / "photos" / f"{number}.jpg", 20 + 80 * (number % 2), number)
        rows.append(f"{number}.jpg;{('a/b', 'c')[number % 2]};{number // 4}")
    (tmp_path / "photos" / "dogs.csv").write_text("\n".join(rows), "utf-8")
    labels = ("data.labels=dogs.csv", "data.group=dog")
    done = launch(
        *("tune.py", "search=lr_batch", f"data.root={tmp_path / 'photos'}", *labels),
        *("search.trials=1", "search.name=dogs", *QUICK, *LOSS),
    )
    assert done.returncode == 0, done.stderr
    extraction, trial = list(account.training_jobs)
    sent = account.training_jobs[extraction].request["HyperParameters"]
    assert sent["data.labels"] == '"dogbreed-labels.csv"'
    assert sent["data.group"] == '"group"'
    sizes = "2 classes (32 train, 4 valid, 4 test)"
    assert all(sizes in account.log(job) for job in (extraction, trial))
    done = launch("train.py", "evaluate.folds=4")
    assert done.returncode == 0, done.stderr
    (folder,) = (each for each in (tmp_path / "outputs").glob("dogbreed-*") if each.is_dir())
    with (folder / "splits.csv").open(encoding="utf-8", newline="") as file:
        splits = {(int(Path(row["path"]).stem) // 4, row["split"]) for row in csv.DictReader(file)}
    assert len(splits) == 10  # each dog in one split
    done = launch("train.py", "evaluate.folds=10")
    assert "there are 9 groups of photos (data.group)" in done.stderr


def test_a_failed_job_reports_why(
    launch: Launch, account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    s3, place = account.client("s3"), "dogbreed/photos/objects/"

    def delete_one() -> None:
        first = s3.list_objects_v2(Bucket=account.bucket, Prefix=place)["Contents"][0]
        s3.delete_object(Bucket=account.bucket, Key=first["Key"])

    account.when_called("HeadObject", delete_one)  # after the upload, before the job
    done = launch("train.py", f"data.root={photos}", "best=null", *QUICK)
    assert done.returncode == 1
    (name,) = account.training_jobs
    assert f"{name}: Failed." in done.stderr
    assert "ClientError: " in done.stderr
    assert "404" in done.stderr
    assert "deleted in S3 after the launch: the same command lists the photos" in done.stderr
    done = launch(
        *("train.py", f"data.root={photos}", "best=null", *QUICK),
        "model.weights=IMAGENET1K_V9",
    )
    assert done.returncode == 1
    assert "1 to upload (0.0 MB), 59 unchanged" in done.stdout
    name = list(account.training_jobs)[-1]
    assert f"{name}: Failed." in done.stderr
    assert "IMAGENET1K_V9" in done.stderr
    assert f"Its log is in CloudWatch: /aws/sagemaker/TrainingJobs, {name}." in done.stderr
    assert "Traceback" not in done.stderr
    done = launch(
        *("train.py", f"data.root={photos}", "best=null", *QUICK, "debug.every_n_steps=1"),
        *(
            f"debug.rules.exploding_gradient.{limit}"
            for limit in ("action=stop", "norm_above=1e-9")
        ),
    )
    assert done.returncode == 1
    name = list(account.training_jobs)[-1]
    assert f"{name}: Failed." in done.stderr
    assert "exploding_gradient" in done.stderr
    assert done.stderr.endswith(f". Its output until then: outputs/{name}/debug.\n")
    rules = json.loads((tmp_path / "outputs" / name / "debug" / "rules.json").read_text("utf-8"))
    assert rules
    assert not (tmp_path / "outputs" / "latest").exists()
    done = launch(
        *("tune.py", f"data.root={photos}", *QUICK, "search.trials=1", "search.name=bad"),
        *("search.input=photos", "model.weights=IMAGENET1K_V9"),
    )
    assert done.returncode == 1
    assert "none of its" in done.stderr
    assert "IMAGENET1K_V9" in done.stderr


def test_a_search_that_was_stopped_half_way_keeps_what_ended(
    account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    long = ("trainer.epochs=400", "trainer.patience=0", "search.trials=20", "search.parallel=1")
    with subprocess.Popen(
        command(
            *("tune.py", f"launcher.role={account.role_arn}", f"data.root={photos}", *QUICK, *long),
            "search.name=half",
        ),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AWS_MAX_ATTEMPTS": "1"},
    ) as process:
        wait_for_line(process.stdout, "started half")
        # A network that drops while waiting is waited for.
        account.drop_next(3, operation="DescribeHyperParameterTuningJob")
        wait_for_line(process.stdout, "half-001-")
        account.client("sagemaker").stop_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="half"
        )
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "half was stopped: its completed trials count" in out
    assert (tmp_path / "outputs" / "searches" / "half" / "best.yaml").is_file()


def test_ctrl_c_names_what_still_runs(
    account: "SageMakerAccount", photos: Path, tmp_path: Path
) -> None:
    arguments = (f"launcher.role={account.role_arn}", f"data.root={photos}", "best=null", *QUICK)
    with subprocess.Popen(
        command("train.py", *arguments, "trainer.epochs=3000", "trainer.patience=0"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = wait_for_line(process.stdout, "started ")
        name = line.split()[1]
        account.wait_for_line(name, "epoch=3 ")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"attach={name}" in err
    assert f"aws sagemaker stop-training-job --training-job-name {name}" in err
    assert account.training_jobs[name].status == "InProgress"
