"""dogbreed.Run: a finished run from its folder, its page in a notebook, and what is none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TrainedRun
from PIL import Image

import dogbreed
from dogbreed import Run
from dogbreed.errors import ArtifactError
from dogbreed.utils.files import write_table


@pytest.fixture
def folder(trained: TrainedRun, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return shutil.copytree(trained.run, tmp_path / "run", symlinks=True)


def test_an_existing_run(trained: TrainedRun) -> None:
    run = Run(trained.cwd / "outputs" / "latest")
    assert run.folder == trained.run
    assert run.metrics == json.loads((trained.run / "metrics.json").read_text())
    assert run.config["model"]["backbone"] == "resnet18"
    assert run.report.is_file()
    top1 = 100 * run.metrics["test"]["top1"]
    assert repr(run).startswith(f"Run({trained.run}: Top-1 {top1:.1f} % of 12 test photos (95 %: ")
    photo = next((trained.cwd / "photos").rglob("*.jpg"))
    assert run.predictor is run.predictor
    assert run.predictor(photo) == dogbreed.load(trained.run)(photo)


def test_names_of_runs(trained: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.cwd)
    assert Run("latest").folder == Run("best").folder == trained.run


def mistakes(folder: Path, *rows: tuple[object, ...]) -> None:
    header = ("split", "class", "predicted", "probability", "path")
    write_table(folder / "predictions.csv", [header, *rows])


def test_a_notebook_shows_the_result_and_the_surest_mistakes(folder: Path, tmp_path: Path) -> None:
    for name in ("a=b, 'c'.jpg", "d.jpg"):
        Image.new("RGB", (300, 200), (255, 0, 0)).save(tmp_path / name)
    unsure, sure = tmp_path / "d.jpg", tmp_path / "a=b, 'c'.jpg"
    mistakes(
        folder,
        ("test", "Akita", "Beagle", "0.5", unsure),
        ("test", "<b>=Akita", "Collie & co", "0.9", sure),
        ("test", "Akita", "missing", "0.99", tmp_path / "none.jpg"),
        ("test", "Akita", "no photo", "0.99", folder / "config.yaml"),
        ("valid", "Akita", "selected on", "0.99", unsure),
        ("test", "right", "right", "0.99", unsure),
        ("test", "Akita", "not finite", "nan", unsure),
    )
    page = Run(folder)._repr_html_()
    assert page.count("<img") == 2
    assert (
        page.index("&lt;b&gt;=Akita") < page.index("→ Collie &amp; co, 90 %") < page.index("50 %")
    )
    for left_out in ("missing", "no photo", "selected on", "right", "not finite", str(unsure)):
        assert left_out not in page
    assert "Top-1 " in page
    assert "resnet18" in page


def test_mistakes_that_cannot_be_read_are_left_out(folder: Path) -> None:
    for text in (b"", b"\xff\x00\n\n", b"split,class\ntest,a\n", b'a,"' + b"x" * 200_000):
        (folder / "predictions.csv").write_bytes(text)
        assert "<img" not in Run(folder)._repr_html_()
    (folder / "predictions.csv").unlink()
    assert "Top-1" in Run(folder)._repr_html_()


def test_a_page_is_bounded(folder: Path, tmp_path: Path) -> None:
    Image.effect_noise((900, 900), 90).convert("RGB").save(tmp_path / "noise.jpg")
    row = ("test", "Akita" * 10, "Beagle" * 10, "0.5", tmp_path / "noise.jpg")
    mistakes(folder, *[row] * 1000)
    page = Run(folder)._repr_html_()
    assert page.count("<img") == 6
    assert len(page) < 300_000


def unfinished(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def damaged(folder: Path) -> None:
    (folder / "metrics.json").write_text("{")


def without_top1(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"test": {"top1": "high"}}')


def of_an_evaluation(folder: Path) -> None:
    (folder / "config.yaml").write_text("model: outputs/latest\ndata:\n  root: photos\n")


def no_run(folder: Path) -> None:
    (folder / "config.yaml").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unfinished, r"isn't finished \(no metrics\.json\)\..* resume=auto continues it"),
        (damaged, r"metrics\.json is no JSON"),
        (without_top1, r"has no top-1 of the test photos"),
        (of_an_evaluation, r"has the results of another command"),
        (no_run, r"isn't the folder of a run \(no config\.yaml\)"),
        (shutil.rmtree, r"there is no such folder"),
    ],
)
def test_what_is_no_finished_run_is_a_sentence(
    folder: Path, change: Callable[[Path], None], message: str
) -> None:
    change(folder)
    with pytest.raises(ArtifactError, match=message):
        Run(folder)
