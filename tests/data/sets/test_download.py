"""The public sets, fetched from a real HTTP server on loopback; no test touches another network."""

import errno
import hashlib
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

from dogbreed.data.sets import download
from dogbreed.data.sets.download import SETS, PublicSet, fetch
from dogbreed.errors import DownloadError
from dogbreed.utils.files import locked

CHIHUAHUA, MALTESE = "n02085620-Chihuahua", "n02085936-Maltese_dog"
PHOTOS = {
    "oxford_pets": ["Abyssinian/Abyssinian_1", "Abyssinian/Abyssinian_201", "great_pyrenees/"
                    "great_pyrenees_10"],
    "stanford_dogs": [f"{CHIHUAHUA}/n02085620_7", f"{CHIHUAHUA}/n02085620_10074",
                      f"{MALTESE}/n02085936_37"],
    "dogimages": ["train/001.Affenpinscher/Affenpinscher_00001", "valid/001.Affenpinscher/"
                  "Affenpinscher_00038", "test/002.Afghan_hound/Afghan_hound_00116"],
}  # fmt: skip


def photo(path: str) -> bytes:
    """3 kB that don't compress, like a photo's, and differ for every path."""
    return random.Random(path).randbytes(3000)


def members_of(name: str) -> dict[str, bytes]:
    """An archive's members, named at the depth at which the publisher names them."""
    if name == "oxford_pets":
        return {f"images/{path.split('/')[1]}.jpg": photo(path) for path in PHOTOS[name]}
    return {f"top/{path}.jpg": photo(path) for path in PHOTOS[name]}


def pack(file_name: str, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    if file_name.endswith(".zip"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
            for name, data in members.items():
                box.writestr(name, data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w:gz" if file_name.endswith(".gz") else "w") as tape:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tape.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Publisher:
    """What the server offers, how it misbehaves, and what it was asked."""

    data: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ignores_range: bool = False
    drops: int = 0  # answers that are cut off
    drop_after: int = 0  # bytes of the body
    status: int = 200
    wrong_range: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)
    sent_bytes: int = 0
    base_url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = dict(handler.headers)
        self.requests.append(asked)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", asked.get("Range", ""))
        known = asked.get("If-Range", "")
        fresh = known in self.headers.values() and not known.startswith("W/")
        if match and fresh and not self.ignores_range:
            start = int(match[1])
            if start >= len(self.data):
                handler.send_error(416)
                return
            handler.send_response(206)
            first = start + 7 if self.wrong_range else start
            size = len(self.data)
            handler.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        else:
            handler.send_response(200)
        body = self.data[start:]
        handler.send_header("Content-Length", str(len(body)))
        for key, value in self.headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        if self.drops:
            body, self.drops = body[: self.drop_after], self.drops - 1
        self.sent_bytes += len(body)  # before the client can have seen the end
        handler.wfile.write(body)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    offer = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            offer.answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        offer.base_url = f"http://127.0.0.1:{server.server_port}/sets"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield offer
        server.shutdown()
        thread.join()


def offered(publisher: Publisher, name: str, data: bytes | None = None) -> PublicSet:
    """Makes the publisher offer a small archive of that set, and describes it as SETS would."""
    public_set = SETS[name]
    publisher.data = pack(public_set.file_name, members_of(name)) if data is None else data
    return replace(
        public_set,
        base_url=publisher.base_url,
        size_bytes=len(publisher.data),
        sha256=public_set.sha256 and hashlib.sha256(publisher.data).hexdigest(),
        photos=3,
        classes=2,
    )


def files_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def photos_of(name: str) -> list[str]:
    return sorted(f"{path}.jpg" for path in PHOTOS[name])


def refusal(public_set: PublicSet, cache: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(public_set, cache)
    assert not (cache / public_set.name).exists()
    assert not (cache / f".{public_set.name}.unpacking").exists()
    return str(caught.value)


@pytest.mark.parametrize("name", SETS)
def test_each_set_becomes_class_folders_and_a_second_call_asks_nothing(
    name: str, publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, name)
    root = fetch(public_set, tmp_path / "not" / "yet")
    assert root == tmp_path / "not" / "yet" / name
    assert files_under(root) == photos_of(name)
    for path in PHOTOS[name]:
        assert (root / f"{path}.jpg").read_bytes() == photo(path)
    expected = [f".{name}.lock", *([] if public_set.sha256 else [f".{name}.sha256"]), name]
    assert [p.name for p in sorted(root.parent.iterdir())] == expected
    asked = len(publisher.requests)
    assert fetch(public_set, tmp_path / "not" / "yet") == root
    assert len(publisher.requests) == asked == 1


def test_what_has_no_published_checksum_is_never_another_file_than_the_first(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public_set = offered(publisher, "dogimages")
    digest = hashlib.sha256(publisher.data).hexdigest()
    root = fetch(public_set, tmp_path)
    assert f"This download's SHA-256 is {digest}: compare it" in capsys.readouterr().err
    assert (tmp_path / ".dogimages.sha256").read_text() == f"{digest}\n"
    shutil.rmtree(root)
    assert fetch(public_set, tmp_path) == root, "the same file again"
    assert "SHA-256" not in capsys.readouterr().err
    # Another photo at the same address, whole by its own CRC-32.
    shutil.rmtree(root)
    members = {name: photo("train/x/other") for name in members_of("dogimages")}
    planted = offered(publisher, "dogimages", pack("dogImages.zip", members))
    message = refusal(planted, tmp_path)
    assert f"expected {digest} (that of the first download" in message
    assert str(tmp_path / ".dogimages.sha256") in message


def test_an_https_address_never_leads_to_plain_http(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_set = offered(publisher, "dogimages")
    secure = replace(public_set, base_url="https://example.invalid/sets")
    opened = urllib.request.urlopen

    def redirected(request: urllib.request.Request, timeout: float) -> Any:
        return opened(public_set.url, timeout=timeout)

    monkeypatch.setattr(urllib.request, "urlopen", redirected)
    assert "which anyone on the way can change" in refusal(secure, tmp_path)


def test_a_finished_folder_is_returned_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "dogimages").mkdir()
    assert fetch(SETS["dogimages"], tmp_path) == tmp_path / "dogimages"
    assert [path.name for path in tmp_path.iterdir()] == ["dogimages"]


def test_the_table_names_three_sets_and_real_addresses() -> None:
    assert {name: public_set.url for name, public_set in SETS.items()} == {
        "oxford_pets": "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
        "stanford_dogs": "http://vision.stanford.edu/aditya86/ImageNetDogs/images.tar",
        "dogimages": "https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project/dogImages.zip",
    }


def test_a_dropped_connection_goes_on_from_where_it_broke(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    publisher.drops, publisher.drop_after = 1, len(publisher.data) // 2
    root = fetch(public_set, tmp_path)
    assert files_under(root) == photos_of("oxford_pets")
    assert publisher.sent_bytes == len(publisher.data)
    assert publisher.requests[1]["Range"] == f"bytes={len(publisher.data) // 2}-"


def test_a_line_that_keeps_breaking_is_borne_while_bytes_arrive(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    publisher.drops = 2 * download.TRIES
    publisher.drop_after = len(publisher.data) // (publisher.drops + 1)
    fetch(public_set, tmp_path)
    assert len(publisher.requests) > 2 * download.TRIES
    assert publisher.sent_bytes == len(publisher.data)


def cut_off(publisher: Publisher, public_set: PublicSet, cache: Path) -> int:
    """Leaves a part of half the archive behind, and forgets what the server has seen."""
    half = len(publisher.data) // 2
    publisher.drops, publisher.drop_after = 1, half

    def out_of_order(seconds: float) -> None:
        publisher.status = 503

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", out_of_order)
        assert "503" in refusal(public_set, cache)
    publisher.status = 200
    publisher.requests.clear()
    publisher.sent_bytes = 0
    return half


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"one"'},
        {"ETag": 'W/"weak"', "Last-Modified": "Wed, 01 Mar 2017 12:00:00 GMT"},
    ],
)
def test_a_later_run_resumes_the_part(
    headers: dict[str, str], publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "dogimages")
    publisher.headers = headers
    half = cut_off(publisher, public_set, tmp_path)
    fetch(public_set, tmp_path)
    assert publisher.sent_bytes == len(publisher.data) - half
    assert len(publisher.requests) == 1


def test_a_file_that_changed_since_is_fetched_from_its_start(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "stanford_dogs")
    cut_off(publisher, public_set, tmp_path)
    members = members_of("stanford_dogs")
    name = next(iter(members))
    changed = pack("images.tar", {**members, name: bytes(3000)})  # of the same size
    public_set = offered(publisher, "stanford_dogs", changed)
    publisher.headers = {"ETag": '"two"'}
    root = fetch(public_set, tmp_path)
    assert publisher.sent_bytes == len(changed)
    assert (root / Path(name).relative_to("top")).read_bytes() == bytes(3000)


@pytest.mark.parametrize("fault", ["ignores_range", "wrong_range", "no_version"])
def test_a_server_that_can_not_resume_is_asked_from_the_start(
    fault: str, publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    if fault == "no_version":
        publisher.headers = {}
    else:
        setattr(publisher, fault, True)
    cut_off(publisher, public_set, tmp_path)
    assert files_under(fetch(public_set, tmp_path)) == photos_of("oxford_pets")
    assert "Range" not in publisher.requests[-1] or fault == "ignores_range"


def test_a_part_longer_than_the_servers_file_is_dropped(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    whole = publisher.data
    cut_off(publisher, public_set, tmp_path)
    publisher.data = whole[:100]
    assert "offers 100 bytes" in refusal(public_set, tmp_path)
    publisher.data = whole
    fetch(public_set, tmp_path)


def test_a_wrong_checksum_removes_the_file_and_says_what_was_expected(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    good, spoiled = publisher.data, publisher.data[:-1] + b"!"
    publisher.data = spoiled
    message = refusal(public_set, tmp_path)
    assert f"expected {hashlib.sha256(good).hexdigest()}" in message
    assert f"got {hashlib.sha256(spoiled).hexdigest()}" in message
    assert "oxford_pets-images.tar.gz" in message
    assert "run the command again" in message
    assert files_under(tmp_path) == [".oxford_pets.lock"]
    publisher.data = good
    fetch(public_set, tmp_path)


def test_an_address_that_is_gone_is_not_asked_again(publisher: Publisher, tmp_path: Path) -> None:
    public_set = offered(publisher, "stanford_dogs")
    publisher.status = 404
    message = refusal(public_set, tmp_path)
    assert public_set.url in message
    assert "404" in message
    assert "data.root=FOLDER" in message
    assert len(publisher.requests) == 1


def test_a_server_that_stays_busy_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    public_set = offered(publisher, "stanford_dogs")
    publisher.status = 503
    assert "503" in refusal(public_set, tmp_path)
    assert len(publisher.requests) == download.TRIES


def test_without_a_network_the_address_and_the_ways_out_are_named(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = replace(SETS["dogimages"], size_bytes=1000, base_url="http://127.0.0.1:1/sets")
    message = refusal(public_set, tmp_path)
    assert "http://127.0.0.1:1/sets/dogImages.zip: " in message
    assert "Connection refused" in message
    assert str(tmp_path / "dogimages-dogImages.zip") in message
    assert "data.root=FOLDER" in message


def test_only_http_is_spoken(tmp_path: Path) -> None:
    public_set = replace(SETS["dogimages"], size_bytes=1000, base_url="file:///etc")
    assert "must start with http" in refusal(public_set, tmp_path)


def test_an_archive_fetched_by_hand_is_checked_and_used(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "oxford_pets")
    (tmp_path / "oxford_pets-images.tar.gz").write_bytes(publisher.data)
    assert files_under(fetch(public_set, tmp_path)) == photos_of("oxford_pets")
    assert publisher.requests == []


def test_a_damaged_archive_is_removed(publisher: Publisher, tmp_path: Path) -> None:
    whole = pack("dogImages.zip", members_of("dogimages"))
    message = refusal(offered(publisher, "dogimages", whole[: len(whole) // 2]), tmp_path)
    assert "dogimages-dogImages.zip is damaged" in message
    assert files_under(tmp_path) == [".dogimages.lock"]


def in_a_process(public_set: PublicSet, cache: Path, first: str = "") -> "subprocess.Popen[str]":
    code = (
        f"{first}\nfrom pathlib import Path\n"
        "from dogbreed.data.sets.download import PublicSet, fetch\n"
        f"fetch({public_set!r}, Path({str(cache)!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], text=True, stderr=subprocess.PIPE
    )


def test_a_run_killed_while_unpacking_leaves_nothing_that_is_taken_for_whole(
    publisher: Publisher, tmp_path: Path
) -> None:
    public_set = offered(publisher, "stanford_dogs")
    kill = (
        "import os, shutil\n"
        "def copy(source, target, length):\n"
        "    target.write(source.read(10)); target.flush(); os.kill(os.getpid(), 9)\n"
        "shutil.copyfileobj = copy"
    )
    with in_a_process(public_set, tmp_path, kill) as process:
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "stanford_dogs").exists()
    stray = tmp_path / ".stanford_dogs.unpacking" / "n0-Stray" / "n0_1.jpg"
    assert stray.parent.parent.exists()  # the killed run's
    stray.parent.mkdir()
    stray.touch()
    root = fetch(public_set, tmp_path)
    assert files_under(root) == photos_of("stanford_dogs")
    assert (root / f"{PHOTOS['stanford_dogs'][0]}.jpg").stat().st_size > 10
    assert len(publisher.requests) == 1  # the archive was whole, and was kept


def test_an_interrupt_while_unpacking_cleans_up(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_set = offered(publisher, "dogimages")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(public_set, tmp_path)
    assert files_under(tmp_path) == [".dogimages.lock", "dogimages-dogImages.zip"]
    assert not (tmp_path / ".dogimages.unpacking").exists()


def test_two_processes_at_once_fetch_one_archive(publisher: Publisher, tmp_path: Path) -> None:
    public_set = offered(publisher, "oxford_pets")
    with locked(tmp_path / ".oxford_pets.lock"):  # a third process, until both wait for it
        both = [in_a_process(public_set, tmp_path) for _ in range(2)]
        for process in both:
            assert process.stderr
            assert "waiting for it" in process.stderr.readline()
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(publisher.requests) == 1
    assert files_under(tmp_path / "oxford_pets") == photos_of("oxford_pets")


def test_too_small_a_disk_is_told_before_the_first_request(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_set = offered(publisher, "oxford_pets")
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * public_set.size_bytes - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "are free" in refusal(public_set, tmp_path)
    assert publisher.requests == []


def test_a_disk_that_fills_up_keeps_the_part(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_set = offered(publisher, "oxford_pets")
    really_open: Callable[..., Any] = Path.open

    class Filling:
        def __init__(self, file: IO[bytes]) -> None:
            self.file = file

        def __enter__(self) -> "Filling":
            return self

        def __exit__(self, *args: object) -> None:
            self.file.close()

        def write(self, block: bytes) -> int:
            self.file.write(block[:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path: Path, *args: Any, **kwargs: Any) -> Any:
        file = really_open(path, *args, **kwargs)
        return Filling(file) if path.suffix == ".part" else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        assert "is full. What has been fetched is saved" in refusal(public_set, tmp_path)
    assert (tmp_path / "oxford_pets-images.tar.gz.part").stat().st_size == 1000
    fetch(public_set, tmp_path)
    assert publisher.requests[-1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("of", ["part", "version"])
def test_a_planted_link_is_not_written_through(
    publisher: Publisher, tmp_path: Path, of: str
) -> None:
    public_set = offered(publisher, "oxford_pets")
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    (tmp_path / "cache").mkdir()
    planted = tmp_path / "cache" / f"oxford_pets-images.tar.gz.{of}"
    planted.symlink_to(victim)
    if of == "part":
        victim.unlink()  # else its bytes are those of another version, and it is begun anew
        planted.with_suffix(".version").write_text('"1"')
    fetch(public_set, tmp_path / "cache")
    assert victim.exists() == (of == "version")
    assert of == "part" or victim.read_bytes() == b"kept"


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_set = offered(publisher, "oxford_pets")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    assert "is full. What has been fetched is saved" in refusal(public_set, tmp_path)
    assert files_under(tmp_path) == [".oxford_pets.lock", "oxford_pets-images.tar.gz"]


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"Can't write to .*file/cache"):
        fetch(SETS["dogimages"], tmp_path / "file" / "cache")


def test_the_terms_are_told_and_the_progress_shows(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("dogbreed.utils.progress.SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr("dogbreed.utils.progress.INTERVAL_GROWTH", 0.0)
    photos = {f"images/Breed_{i}.jpg": random.Random(i).randbytes(700_000) for i in range(3)}
    data = pack("images.tar.gz", photos)
    fetch(replace(offered(publisher, "oxford_pets", data), classes=1), tmp_path)
    out, err = capsys.readouterr()
    assert "CC BY-SA 4.0" in err
    assert re.findall(r"images\.tar\.gz: (\d of \d) MB", err)[-1] == "2 of 2"
    assert "unpacking oxford_pets-images.tar.gz: 3 of 3 photos" in err
    assert out == ""
