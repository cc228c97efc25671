"""Folders that several users write to: no link of another's is followed, caches are closed."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import SMALL, Train, draw_folders

from dogbreed.configuration.composing import compose
from dogbreed.data.sets import download, samples
from dogbreed.data.sets.archive import BadArchive
from dogbreed.data.sets.samples import sample_photos
from dogbreed.debug.recording.records import RecordingWriter
from dogbreed.errors import DownloadError, OutputError, SearchError
from dogbreed.evaluation.logistic_regression import _is_private
from dogbreed.features.files import FEATURES, INDEX, FeatureFiles
from dogbreed.run_records.lock import RunLock
from dogbreed.serving.offline.table import open_table
from dogbreed.training.path_check import check_paths
from dogbreed.training.run_folder import RunFolder
from dogbreed.utils.files import locked, open_plain, write_text
from dogbreed.utils.user_paths import make_private, private_folder

OTHER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
KEPT = b"what another file of the user's holds\n"

# What opens a file at a place that is known beforehand, to write to it.
Write = Callable[[Path], object]


def lock(path: Path) -> None:
    with locked(path):
        pass


def table(path: Path) -> None:
    with open_table(path, {}, 1, []):
        pass


def feature_files(path: Path) -> None:
    with FeatureFiles.locked(path.parent):
        pass


WRITERS: dict[str, tuple[str, Write]] = {
    "lock": (".samples.lock", lock),
    "lock of a run": (".lock", lambda path: RunLock.acquire(path.parent)),
    "log of a run": ("log.txt", lambda path: RunFolder(path.parent).close()),
    "recording": ("recording", lambda path: RecordingWriter(path, ("a",)).close()),
    "index of features": (INDEX, feature_files),
    "features": (FEATURES, feature_files),
    "part of a download": (
        "x.part",
        lambda path: os.close(open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)),
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("target", ["file", "nothing yet", "pipe"])
def test_a_planted_link_or_pipe_is_not_written_through(
    tmp_path: Path, kind: str, target: str
) -> None:
    name, write = WRITERS[kind]
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir()
    if target == "pipe":
        os.mkfifo(shared / name)
    else:
        (shared / name).symlink_to(victim)
    if target == "file":
        victim.write_bytes(KEPT)
    with pytest.raises(PermissionError, match=r"symbolic link, which|no regular file"):
        write(shared / name)
    assert victim.exists() == (target == "file")
    assert target != "file" or victim.read_bytes() == KEPT


def test_a_file_that_is_written_at_once_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(KEPT)
    (tmp_path / "metrics.json").symlink_to("victim")
    write_text(tmp_path / "metrics.json", "{}")
    assert (tmp_path / "victim").read_bytes() == KEPT
    assert not (tmp_path / "metrics.json").is_symlink()


def test_features_are_not_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(KEPT)
    (tmp_path / INDEX).symlink_to("victim")
    with pytest.raises(PermissionError):
        FeatureFiles.open(tmp_path)


def test_a_download_writes_through_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the part nor its version, nor the folder that the archive is unpacked into."""
    pets = download.SETS["oxford_pets"]
    (tmp_path / "victim").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ".oxford_pets.unpacking").symlink_to(tmp_path / "victim")
    (tmp_path / "cache" / "oxford_pets-images.tar.gz").write_bytes(KEPT)
    monkeypatch.setattr(download, "_check_space", lambda *_: None)
    monkeypatch.setattr(download, "check_bytes", lambda *_: None)

    def unpack(archive: Path, target: Path, *_: object) -> None:
        (target / "a.jpg").touch()
        raise BadArchive("enough")

    monkeypatch.setattr(download, "unpack", unpack)
    with pytest.raises(DownloadError, match="enough"):
        download.fetch(pets, tmp_path / "cache")
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_search_does_not_write_to_a_linked_study(tmp_path: Path) -> None:
    from dogbreed.configuration.composing import compose_as
    from dogbreed.configuration.search import TuneConfig
    from dogbreed.search.local.search import _open_folder

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "study.db").symlink_to(tmp_path / "victim.db")
    config = compose_as(TuneConfig, "tune", ["search.name=mine"])
    with pytest.raises(SearchError, match=r"study\.db is no regular file"):
        _open_folder(tmp_path, config, "photos")


# --- what is made --------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_what_is_made_of_a_cache_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    cache = tmp_path / "new" / "cache"
    monkeypatch.setenv("DOGBREED_CACHE", str(cache))
    monkeypatch.setattr(samples, "generate_samples", lambda root: root)  # it takes seconds
    with umask(mask):
        check_paths(compose([f"output_root={tmp_path / 'outputs'}"]))
        sample_photos()
        assert _is_private(cache / "baselines")
    for folder in (cache, cache.parent, *(cache / name for name in ("features", "baselines"))):
        assert mode(folder) == 0o700, folder


def test_folders_that_are_there_keep_their_modes(own_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir(mode=0o775)
    own_cache.mkdir(mode=0o750)
    before = mode(own_cache), mode(tmp_path / "features")
    root = draw_folders(tmp_path / "photos", {"": 1}, ("a",))
    check_paths(compose([f"data.root={root}", f"features.root={tmp_path / 'features'}"]))
    assert (mode(own_cache), mode(tmp_path / "features")) == before


@pytest.mark.runs
def test_a_training_leaves_a_closed_cache(train: Train, own_cache: Path, photos_root: Path) -> None:
    done = train(f"data.root={photos_root}", *SMALL)
    assert done.returncode == 0, done.stderr
    assert mode(own_cache) == mode(own_cache / "features") == 0o700


# --- folders of others ---------------------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may write to, without the sticky bit."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@contextmanager
def user(number: int) -> Iterator[None]:
    """Be another user for a while."""
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("sticky", [False, True])
def test_a_cache_that_everybody_can_write_to_is_refused(
    shared: Path, monkeypatch: pytest.MonkeyPatch, sticky: bool
) -> None:
    shared.chmod(0o1777 if sticky else 0o777)
    if sticky:
        assert private_folder(shared) == shared
        return
    with pytest.raises(PermissionError, match="chmod o-w"):
        private_folder(shared)
    monkeypatch.setenv("DOGBREED_CACHE", str(shared))
    for begin in (sample_photos, lambda: check_paths(compose([f"output_root={shared / 'o'}"]))):
        with pytest.raises(OutputError, match=r"every user could replace .* DOGBREED_CACHE"):
            begin()
    assert not _is_private(shared)
    with pytest.raises(DownloadError, match="every user could replace"):
        download.fetch(download.SETS["dogimages"], shared)


@as_root
def test_a_folder_that_another_user_has_planted_is_refused(shared: Path) -> None:
    shared.chmod(0o1777)
    with user(OTHER):
        (shared / "features").mkdir()
        (shared / "mine").mkdir()
        (shared / "linked").symlink_to(shared / "victim")
    with user(OTHER + 1):
        (shared / "victim").mkdir()
        for name in ("features", "linked"):
            with pytest.raises(PermissionError, match="belongs to another user"):
                private_folder(shared / name)
        assert private_folder(shared / "own").stat().st_uid == OTHER + 1
        assert private_folder(Path("/")) == Path("/"), "root's are fine"
    assert private_folder(shared / "mine"), "root may use any"


@as_root
def test_links_of_other_users_are_not_followed(shared: Path) -> None:
    """Where the system itself has nothing against it, in a folder without the sticky bit."""
    victim = shared / "victim.csv"
    with user(OTHER):
        (shared / "predictions.csv").symlink_to(victim)
        (shared / "key").symlink_to(shared)
    with user(OTHER + 1):
        with pytest.raises(OutputError, match="is a symbolic link of another user's"):
            table(shared / "predictions.csv")
        with pytest.raises(PermissionError, match="is a symbolic link of another user's"):
            feature_files(shared / "key" / INDEX)
        assert not victim.exists()
        (shared / "own.csv").symlink_to(victim)
        table(shared / "own.csv")
        assert victim.exists(), "the user's own link is followed"


@as_root
def test_a_shared_feature_cache_is_shared(shared: Path) -> None:
    """features.root may be a folder of several users; each recipe's folder follows the umask."""
    with user(OTHER), umask(0):
        feature_files(shared / "team" / "key" / INDEX)
    assert mode(shared / "team") == mode(shared / "team" / "key") == 0o700, "made here: closed"
    (shared / "team").chmod(0o777)
    with user(OTHER), umask(0):
        feature_files(shared / "team" / "other key" / INDEX)
    with user(OTHER + 1):
        feature_files(shared / "team" / "other key" / INDEX)


def test_make_private_makes_what_is_missing_above(tmp_path: Path) -> None:
    with umask(0):
        make_private(tmp_path / "a" / "b")
        make_private(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "file/x", "dangling"):
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            make_private(tmp_path / name)
