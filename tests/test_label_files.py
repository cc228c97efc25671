"""data.labels and data.group through every entry point: training, evaluation, Python, resuming."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from conftest import SMALL, Train, draw_photo
from helpers.hostile_text import NAMES as HOSTILE
from helpers.hostile_text import UNDECODABLE, unsafe

from dogbreed import BreedDataModule, compare_backbones, evaluate, load_features
from dogbreed.backbone.architecture import build_backbone
from dogbreed.configuration.composing import compose
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ConfigError, DataError
from dogbreed.training.data_record import describe_data, differences
from dogbreed.training.path_check import check_paths
from dogbreed.training.preparation import check_photos

BREEDS = ("akita", "beagle", "collie")
QUICK = (*SMALL, "trainer.epochs=1", "debug.enabled=false", "evaluate.baseline=false")


def write(root: Path, rows: Sequence[Sequence[str]]) -> None:
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def kaggle(root: Path, breeds: Sequence[str] = BREEDS) -> Path:
    """Kaggle's layout with ten photos of each breed, two of each dog; the test has no labels."""
    rows = [("id", "breed", "dog")]
    for number in range(10 * len(breeds)):
        breed, name = number % len(breeds), f"{number:08x}"
        draw_photo(root / "train" / f"{name}.jpg", 20 + 80 * breed, number)
        rows.append((name, breeds[breed], f"dog {breed}-{number // len(breeds) // 2}"))
    for number in range(4):
        draw_photo(root / "test" / f"unlabelled{number}.jpg", 20, number)
    write(root, rows)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return kaggle(tmp_path / "dogs")


def splits_of(run: Path) -> dict[str, tuple[str, str]]:
    """Split and class of each photo in a run's splits.csv, by its name."""
    with (run / "splits.csv").open(encoding="utf-8", newline="") as file:
        return {
            Path(row["path"]).stem: (row["split"], row["class"]) for row in csv.DictReader(file)
        }


def test_kaggles_layout_trains_as_it_is(train: Train, root: Path, tmp_path: Path) -> None:
    done = train(f"data.root={root}", "data.labels=labels.csv", "data.group=dog", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "photos: " in done.stdout
    assert "3 classes (18 train, 6 valid, 6 test)" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "without a row" in line]
    assert len(lines) == 1
    assert "4 photos without a row in labels.csv; left out, such as test/unlabelled0" in lines[0]
    assert "data.labels=labels.csv data.group=dog" in done.stdout  # the next commands
    run = tmp_path / "outputs" / "latest"
    splits = splits_of(run)
    assert {name: label for name, (_, label) in splits.items()} == {
        f"{number:08x}": BREEDS[number % 3] for number in range(30)
    }
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        dogs = {(row["dog"], splits[row["id"]][0]) for row in csv.DictReader(file)}
    assert len(dogs) == 15
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))["data"]
    assert (config["labels"], config["group"]) == ("labels.csv", "dog")
    assert "group in the column 'dog'" in (run / "findings.txt").read_text("utf-8")
    assert str(tmp_path) not in (run / "report.html").read_text("utf-8")


def test_rows_without_a_photo_count_as_bad_photos(train: Train, root: Path, tmp_path: Path) -> None:
    for number in range(9):
        (root / "train" / f"{number:08x}.jpg").unlink()
    given = (f"data.root={root}", "data.labels=labels.csv", *QUICK)
    done = train(*given)
    assert done.returncode == 1
    first, *listed = done.stderr.strip().splitlines()
    assert first.endswith(
        "9 of 30 photos in " + str(root) + " can't be used (9 missing_photo): more than "
        "data.max_bad_share=0.01. Repair or remove them, or raise that key:"
    )
    assert len(listed) == 1
    assert "9 of 30 rows have no photo below data.root, such as '00000000' (line 2)" in listed[0]
    assert not list((tmp_path / "outputs").glob("*-*"))
    done = train(*given, "data.max_bad_share=0.3")
    assert done.returncode == 0, done.stderr
    assert "warning: 9 bad photos are left out" in done.stdout
    findings = (tmp_path / "outputs" / "latest" / "findings.txt").read_text("utf-8")
    assert len(re.findall(r"'0000000[0-8]' .line \d+. is not there", findings)) == 9
    # A fraction of the photos has the same fraction of bad ones.
    assert "4 of 16 photos" in train(*given, "data.fraction=0.4").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "labels.csv has labels of photos: data.labels=labels.csv uses them."),
        (("data.labels=lables.csv",), "data.labels=lables.csv: no such file here or in"),
        (("data.labels=labels.csv", "data.columns.label=bred"), "Did you mean breed?"),
        (("data.labels=labels.csv", "data.columns.lable=x"), "Did you mean data.columns.label?"),
        (("data.labels=labels.csv", "data.group=breed"), "choose smaller groups"),
        (("data.labels=labels.csv", "data.group=("), "is no regular expression"),
        (("data.labels=labels.csv", "data.group=dog", "evaluate.folds=14"), "12 groups of photos"),
        (("data.labels=labels.csv", "data.nested_classes=true"), "leave one of the two out"),
    ],
)
def test_mistakes_are_one_message(
    train: Train, root: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = train(f"data.root={root}", *QUICK, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "outputs").glob("*-*"))


def test_labels_need_their_photos(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs the folder of its photos: write data\.root"):
        check_paths(compose([f"data.labels={root / 'labels.csv'}"]))


@pytest.mark.runs
def test_hostile_labels_command_nothing(train: Train, tmp_path: Path) -> None:
    names = [name.strip() for name in HOSTILE if name != UNDECODABLE]
    names = [*names, "../../x", "/etc", "a/b", "con", ".hidden", "<script>alert(1)</script>"]
    root = kaggle(tmp_path / "dogs", names)
    done = train(f"data.root={root}", "data.labels=labels.csv", *QUICK)
    assert done.returncode == 0, done.stderr
    assert unsafe(done.stdout + done.stderr, "\n\r") == []
    run = tmp_path / "outputs" / "latest"
    model = json.loads((run / "model" / "model.json").read_text("utf-8"))
    assert model["classes"] == sorted(names)
    assert "<script>alert(1)" not in (run / "report.html").read_text("utf-8")
    assert not (tmp_path / "x").exists()


def test_an_evaluation_by_labels(tiny_model: Path, tmp_path: Path) -> None:
    root, names = tmp_path / "photos", ("Chihuahua", "golden retriever", "Poodle")
    rows = [("file", "label", "split")]
    for number in range(12):
        draw_photo(root / "all" / f"{number}.jpg", 20 + 20 * number, number)
        rows.append((f"{number}.jpg", names[number % 3], "test" if number < 9 else "valid"))
    rows.append(("gone.jpg", names[0], "test"))
    write(root, rows)
    given = (f"model={tiny_model}", f"output_root={tmp_path / 'results'}", "engine=torch",
             f"data.root={root}", "data.labels=labels.csv")  # fmt: skip
    evaluate.main(given)
    (folder,) = (tmp_path / "results").glob("*-evaluation")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert metrics["test"]["n"] == 6
    findings = (folder / "findings.txt").read_text("utf-8")
    assert "the model has no class Poodle; its photos are left out" in findings
    assert "1 of 13 rows have no photo" in findings
    with pytest.raises(DataError, match="has no photos for train: name another split"):
        evaluate.main([*given, "data.split=train"])
    with pytest.raises(DataError, match=r"1 of 7 photos .*missing_photo"):
        evaluate.main([*given, "data.max_bad_share=0"])
    with pytest.raises(DataError, match=r"data\.labels=labels\.csv uses them"):
        evaluate.main([each for each in given if not each.startswith("data.labels")])


def test_python_reads_labels_and_groups(root: Path) -> None:
    network = build_backbone("resnet18", "none", "head", Preprocessing(size_px=64))
    features = load_features(root, backbone=network, workers=1, labels="labels.csv", group="dog")
    assert features.classes == BREEDS
    assert [len(split.y) for split in (features.train, features.valid, features.test)] == [18, 6, 6]
    module = BreedDataModule.from_folder(root, labels=root / "labels.csv", group=r"(\w{8})\.jpg")
    assert len(module.checked.folders.groups) == 30
    with pytest.raises(ConfigError, match="group="):
        BreedDataModule.from_folder(root, labels="labels.csv", group=["dog"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"data\.labels=other\.csv: no such file"):
        BreedDataModule.from_folder(root, labels="other.csv")


def test_changed_labels_and_groups_are_changed_data(root: Path) -> None:
    """A run is resumed with its own data only."""

    def data(*keys: str) -> object:
        config = compose([f"data.root={root}", "data.labels=labels.csv", *keys])
        return describe_data(check_photos(root, config), "backbone")

    before, grouped = data(), data("data.group=dog")
    assert differences(before, data()) == []  # type: ignore[arg-type]
    assert differences(before, grouped)  # type: ignore[arg-type]
    text = (root / "labels.csv").read_text("utf-8")
    (root / "labels.csv").write_text(text.replace(",akita,", ",beagle,", 1), "utf-8")
    (change,) = differences(before, data())  # type: ignore[arg-type]
    assert "photos of akita in" in change


@pytest.mark.runs
def test_backbones_are_compared_on_labels(root: Path, tmp_path: Path) -> None:
    compare_backbones.main(
        [f"data.root={root}", "data.labels=labels.csv", "data.group=dog", "data.size_px=64",
         "backbones=[efficientnet_lite2]", "engine=torch", f"output_root={tmp_path / 'out'}"]
    )  # fmt: skip
    (folder,) = (tmp_path / "out").glob("*-backbones")
    (row,) = json.loads((folder / "backbones.json").read_text("utf-8"))["backbones"]
    assert row["test"]["n"] == 6
