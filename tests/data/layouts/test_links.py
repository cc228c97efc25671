"""Symbolic links that lead out of a folder of photos: not trained on, shown, answered or sent."""

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import SMALL, Train, draw_folders

from dogbreed.cloud.endpoints.batch_photos import photos_of
from dogbreed.cloud.jobs.source import pack_source
from dogbreed.configuration.composing import compose, compose_as
from dogbreed.configuration.deploy import DeployConfig
from dogbreed.configuration.run import PredictConfig
from dogbreed.data.check import as_lines, check
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.data.layouts import system_files
from dogbreed.data.layouts.folders import read_folders
from dogbreed.data_module import BreedDataModule
from dogbreed.errors import CloudError, DataError, PhotoError
from dogbreed.predict import main as predict
from dogbreed.report.thumbnails import thumbnails
from dogbreed.serving.offline.sources import find_sources
from dogbreed.training.preparation import check_photos
from dogbreed.utils.links import is_within, open_within

Make = Callable[[Path, Path], None]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody's own photos, beside the data."""
    return draw_folders(tmp_path / "photos of mine", {"": 3}, ("private", "secret"))


def link(path: Path, target: Path | str) -> None:
    path.symlink_to(target)


def chain(root: Path, outside: Path) -> None:
    """Two links in the folder and one beside it, the last of which leads to the photo."""
    link(root.parent / "third", outside / "private" / "000.jpg")
    link(root / "second.txt", root.parent / "third")
    link(root / "train" / "Akita" / "zz.jpg", "../../second.txt")


LEADING_OUT: dict[str, Make] = {
    "file, absolute": lambda root, out: link(
        root / "train" / "Akita" / "zz.jpg", out / "private" / "000.jpg"
    ),
    "file, relative": lambda root, out: link(
        root / "train" / "Akita" / "zz.jpg", f"../../../{out.name}/private/000.jpg"
    ),
    "file without a suffix": lambda root, out: link(
        root / "train" / "Akita" / "zz", out / "private" / "000.jpg"
    ),
    "file of another split": lambda root, out: link(
        root / "test" / "Beagle" / "zz.png", out / "private" / "000.jpg"
    ),
    "file of the system": lambda root, _: link(root / "train" / "Akita" / "zz.jpg", "/etc/passwd"),
    "a device": lambda root, _: link(root / "train" / "Akita" / "zz.jpg", "/dev/zero"),
    "chain": chain,
    "folder in a class": lambda root, out: link(root / "train" / "Akita" / "zz", out / "private"),
    "class folder": lambda root, out: link(root / "train" / "Zebra", out / "private"),
    "class folder in test": lambda root, out: link(root / "test" / "Akita2", out / "private"),
    "folder beside the splits": lambda root, out: link(root / "more", out),
    "parent folder": lambda root, _: link(root / "train" / "Akita" / "zz", ".."),
    "the root's parent": lambda root, _: link(root / "train" / "Akita" / "zz", "../../.."),
    "the system": lambda root, _: link(root / "train" / "Akita" / "zz", "/"),
    "of a name that begins alike": lambda root, out: link(
        root / "train" / "Akita" / "zz", out.rename(root.with_name(root.name + "2")) / "private"
    ),
    "nothing": lambda root, out: link(root / "train" / "Akita" / "zz.jpg", out / "gone.jpg"),
}
INSIDE = ("parent folder",)  # leads to what is in the folder already


def made(root: Path, outside: Path, kind: str) -> set[Path]:
    """The photos of the folder before a link of this kind was put into it."""
    before = {sample.path for sample in read_folders(root).all_samples()}
    LEADING_OUT[kind](root, outside)
    return before


@pytest.mark.parametrize("kind", LEADING_OUT)
def test_a_link_out_of_the_folder_is_skipped_and_reported(
    photos_root: Path, outside: Path, kind: str
) -> None:
    before = made(photos_root, outside, kind)
    folders = read_folders(photos_root, nested_classes=False)
    assert {sample.path for sample in folders.all_samples()} == before
    found = [finding for finding in folders.findings if finding.reason == "outside_link"]
    if kind in INSIDE:
        assert not found
        return
    assert len(found) >= 2
    assert "data.links=true" in found[0].message
    assert found[0].path == photos_root
    assert all(f.path.is_symlink() for f in found[1:])
    assert not any(finding.bad or finding.photos for finding in found)


@pytest.mark.parametrize("kind", LEADING_OUT)
def test_predict_skips_it_too(photos_root: Path, outside: Path, kind: str) -> None:
    before = {str(path) for path in made(photos_root, outside, kind)}
    found = find_sources([str(photos_root)])
    assert {source.name for source in found.sources} == before
    assert found.complete
    assert ("data.links=true" in " ".join(found.notes)) == (kind not in INSIDE)


@pytest.mark.parametrize("links", [False, True])
def test_the_answers_of_predict(
    photos_root: Path, outside: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    link(photos_root / "test" / "mine", outside)
    monkeypatch.chdir(photos_root.parent)
    predict([f"model={tiny_model}", "engine=torch", f"data.links={links}".lower(), "photos/test"])
    answered = Path("predictions.csv").read_text("utf-8")
    assert answered.count("photos/test/Akita/") == 4
    assert answered.count("private") == (3 if links else 0)


@pytest.mark.runs
def test_a_training_shows_nothing_from_outside(
    train: Train, photos_root: Path, outside: Path, tmp_path: Path
) -> None:
    link(photos_root / "train" / "Zebra", outside / "private")
    link(photos_root / "test" / "Akita" / "zz.jpg", outside / "secret" / "000.jpg")
    for more in ((), ("features.store=false", "trainer.epochs=1")):
        done = train(f"data.root={photos_root}", *SMALL, *more)
        assert done.returncode == 0, done.stderr
        assert "warning: skipped 2 symbolic links that lead out of the folder" in done.stdout
        run = tmp_path / "outputs" / "latest"
        assert "outside_link" in (run / "findings.txt").read_text("utf-8")
        for path in run.rglob("*"):
            if path.is_file():
                assert os.fsencode(outside.name) not in path.read_bytes(), path
        (tmp_path / "outputs" / "latest").unlink()


def test_links_are_followed_where_that_is_set(photos_root: Path, outside: Path) -> None:
    before = made(photos_root, outside, "class folder")
    assert "Zebra" in read_folders(photos_root, links=True).classes
    config = compose([f"data.root={photos_root}", "data.links=true"])
    followed = {s.path for s in check_photos(photos_root, config).folders.all_samples()}
    assert len(followed) == len(before) + 3
    found = find_sources([str(photos_root)], links=True)
    assert len(found.sources) == len(before) + 3
    assert found.notes == ()
    assert "Zebra" in BreedDataModule.from_folder(photos_root, links=True, workers=0).classes
    assert "Zebra" not in BreedDataModule.from_folder(photos_root, workers=0).classes


def test_links_within_the_folder_and_to_it_work_as_before(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "all", {"": 6}, ("pool", "x")).parent / "photos"
    (tmp_path / "all").rename(root)
    (root / ".pool").mkdir()
    for number in range(6):
        (root / "x" / f"{number:03}.jpg").rename(root / ".pool" / f"{number}.jpg")
        link(root / "x" / f"link{number}.jpg", f"../.pool/{number}.jpg")
    link(root / "y", root / "pool")  # absolute, a folder
    link(tmp_path / "linked", root)
    for way in (root, tmp_path / "linked", tmp_path / "linked" / ".." / "photos"):
        folders = read_folders(way)
        assert folders.classes == ("pool", "x", "y")
        assert len(folders.all_samples()) == 18
        assert [finding.reason for finding in folders.findings] == ["system_files"]  # .pool
        checked = check(folders, max_bad_share=0)
        assert len(checked.digests) == 18
        assert len(find_sources([str(way)]).sources) == 12  # each folder once


def test_a_link_that_comes_back_from_outside_works(photos_root: Path, tmp_path: Path) -> None:
    link(tmp_path / "beside", photos_root / "train" / "Beagle" / "000.jpg")
    link(photos_root / "train" / "Akita" / "zz.jpg", tmp_path / "beside")
    folders = read_folders(photos_root)
    assert len(folders.samples["train"]) == 37
    assert check(folders, max_bad_share=0).findings == ()


@pytest.mark.parametrize("split", ["train", "valid", "test", "Validation"])
def test_a_split_is_not_drawn_where_its_link_is_skipped(
    photos_root: Path, tmp_path: Path, split: str
) -> None:
    name = "valid" if split == "Validation" else split
    (photos_root / name).rename(tmp_path / "elsewhere")
    link(photos_root / split, tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"data\.links=true") as caught:
        read_folders(photos_root)
    assert f"{photos_root / split} is a symbolic link" in str(caught.value)
    assert len(read_folders(photos_root, links=True).all_samples()) == 60


@pytest.mark.parametrize("of_classes", [True, False], ids=["class folders", "photos"])
def test_a_folder_of_nothing_but_links_says_what_follows_them(
    tmp_path: Path, outside: Path, of_classes: bool
) -> None:
    root = tmp_path / "train" / "photos"
    root.mkdir(parents=True)
    for folder in outside.iterdir():
        if of_classes:
            link(root / folder.name, folder)
            continue
        (root / folder.name).mkdir()
        for path in folder.iterdir():
            link(root / folder.name / path.name, path)
    with pytest.raises(DataError, match=r"skipped \d symbolic links .*data\.links=true"):
        read_folders(root)
    with pytest.raises(DataError, match=r"data\.links=true"):
        find_sources([str(root)])
    assert read_folders(root, links=True).classes == ("private", "secret")


def test_many_links_are_counted_and_the_first_named(
    photos_root: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    monkeypatch.setattr(system_files, "MAX_NAMED_LINKS", 30)
    for number in range(100):
        link(photos_root / "train" / "Akita" / f"zz{number}.jpg", "/etc/passwd")
    checked = check_photos(photos_root, compose([f"data.root={photos_root}"]))
    log = logged()
    assert "warning: skipped 100 symbolic links that lead out of the folder" in log
    assert "and 97 more" in log
    assert len(log.splitlines()) < 30
    assert len(as_lines(checked.findings)) == 31


# --- links that change between the check and the reading -----------------------------------


def test_a_photo_that_becomes_a_link_after_the_listing_is_not_read(
    photos_root: Path, outside: Path
) -> None:
    folders = read_folders(photos_root)
    (source, *_) = find_sources([str(photos_root)]).sources
    victim = folders.samples["train"][0].path
    victim.unlink()
    link(victim, outside / "private" / "000.jpg")
    (bad,) = check(folders, max_bad_share=1).findings
    assert (bad.path, bad.reason, bad.bad) == (victim, "unreadable", True)
    for sample in folders.samples["test"][:1]:
        assert thumbnails(photos_root, [sample.path], folders.within)[sample.path].uri
    assert thumbnails(photos_root, [victim], folders.within)[victim].uri is None
    source_path = Path(source.name)
    source_path.unlink()
    link(source_path, outside / "private" / "000.jpg")
    opener = source.opener(1, 1)
    assert callable(opener)
    with pytest.raises(PhotoError, match="leads out of"):
        opener()


def test_a_folder_that_becomes_a_link_after_the_check_is_not_read_live(photos_root: Path) -> None:
    data = BreedDataModule.from_folder(photos_root, workers=0)
    akita = photos_root / "train" / "Akita"
    akita.rename(photos_root.parent / "moved")
    link(akita, "../../moved")
    with pytest.raises(DataError, match="can't be read: a symbolic link leads out of"):
        list(data.train_dataloader())


def test_what_is_opened_is_what_is_compared(tmp_path: Path) -> None:
    """However often a link is swapped, what is read is never the file outside."""
    (tmp_path / "root").mkdir()
    inner, path = tmp_path / "root" / "inner", tmp_path / "root" / "link"
    inner.write_bytes(b"inner")
    (tmp_path / "outer").write_bytes(b"outer")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for target in (inner, tmp_path / "outer"):
                beside = tmp_path / "root" / "beside"
                link(beside, target)
                beside.replace(path)

    link(path, inner)
    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(500):
            with suppress(PhotoError):
                assert read_bytes(path, str(tmp_path / "root")) == b"inner"
    finally:
        ended.set()
        swapping.join()


@pytest.mark.parametrize("proc", [True, False], ids=["/proc", "no /proc"])
def test_open_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proc: bool) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    link(root / "in", "a")
    link(root / "out", "../b")
    readlink = os.readlink

    def no_proc(path: str) -> str:
        if path.startswith("/proc"):
            raise FileNotFoundError(path)
        return readlink(path)

    if not proc:
        monkeypatch.setattr(os, "readlink", no_proc)
    for name in ("a", "in"):
        os.close(open_within(root / name, str(root)))
    with pytest.raises(PermissionError, match="leads out of"):
        open_within(root / "out", str(root))
    with pytest.raises(PermissionError, match="leads out of"):
        open_within(root / ".." / "b", str(root))
    os.close(open_within(root / "out", None))


def test_is_within() -> None:
    assert is_within("/a/b", "/a")
    assert is_within("/a", "/a")
    assert is_within("/a", "/")
    assert not is_within("/ab", "/a")
    assert not is_within("/", "/a")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match="not a regular file"):
        read_bytes(tmp_path / "pipe.jpg")


# --- uploads -------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [False, True])
def test_the_photos_of_a_batch_job(photos_root: Path, outside: Path, links: bool) -> None:
    link(photos_root / "more.jpg", outside / "private" / "000.jpg")
    link(photos_root / "mine", outside)

    class NoAccount:
        bucket = "bucket"

    config = compose_as(
        DeployConfig,
        "deploy",
        ["deploy=batch", f"deploy.photos={photos_root}", f"data.links={str(links).lower()}"],
    )
    photos = photos_of(NoAccount(), config)  # type: ignore[arg-type]
    assert len(photos.local) == 60 + 7 * links
    assert (photos.within is None) == links


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name in ("dogbreed", "conf", "launch"):
        (folder / name).mkdir(parents=True)
    (folder / "launch" / "job.py").write_text("pass")
    (folder / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    (folder / "constraints.txt").write_text("")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def test_a_tracked_link_out_of_the_source_is_not_packed(checkout: Path) -> None:
    link(checkout / "dogbreed" / "inner.py", "../launch/job.py")
    subprocess.run(["git", "-C", str(checkout), "add", "."], check=True)
    assert len(pack_source(checkout).files) == 2
    link(checkout / "dogbreed" / "x.py", "/etc/passwd")
    subprocess.run(["git", "-C", str(checkout), "add", "."], check=True)
    with pytest.raises(CloudError, match=r"x\.py can't be packed: .* leads out of"):
        pack_source(checkout)


# --- the key -------------------------------------------------------------------------------


def test_the_key_is_the_same_at_every_command() -> None:
    assert not compose([]).data.links
    assert not compose_as(PredictConfig, "predict", []).data.links
    assert compose_as(PredictConfig, "predict", ["data.links=true"]).data.links
