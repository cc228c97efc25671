"""`python -m dogbreed.predict` on the real command line: what people and scripts read from it."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from conftest import draw_photo
from helpers.alike import alike
from helpers.in_process import run_in_process
from PIL import Image

from dogbreed import load
from dogbreed.configuration.run import PredictConfig
from dogbreed.configuration.schema import keys
from dogbreed.utils.printable import printable

Predict = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def predict(tiny_model: Path, tmp_path: Path) -> Predict:
    """Run the command in `tmp_path`; the model is the tiny one."""

    def run(
        *arguments: str | bytes, cwd: Path = tmp_path, stdin: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[str]:
        model = f"model={tiny_model}"
        return run_in_process("dogbreed.predict", model, *arguments, cwd=cwd, stdin=stdin)

    return run


def command(model: Path, *arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-m", "dogbreed.predict", f"model={model}", *arguments]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    draw_photo(tmp_path / "dog.jpg", 120, 1)
    return tmp_path / "dog.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos, one of them bad, among other files."""
    root = tmp_path / "photos"
    for number, name in enumerate(("b.jpg", "a.png", "sub/c.jpeg", "sub/deep/no-suffix")):
        draw_photo(root / f"{name}.jpg", 60 * number, number)
        (root / f"{name}.jpg").rename(root / name)
    (root / "sub" / "bad.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("no photo")
    for hidden in (".hidden.jpg", ".hidden/d.jpg", "sub/@eaDir/c.jpeg/SYNOPHOTO_THUMB_XL.jpg"):
        draw_photo(root / hidden, 1, 1)
    return root


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def refused(done: subprocess.CompletedProcess[str], sentence: str, code: int = 1) -> None:
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_into_a_pipe_each_photo_is_a_line_of_json(
    predict: Predict, photo: Path, tiny_model: Path
) -> None:
    done = predict("dog.jpg", "gone.jpg", "top_k=2", "dog.jpg")
    assert done.returncode == 1
    good, bad = map(json.loads, done.stdout.splitlines())
    prediction = load(tiny_model).predict(photo, 2)
    best = prediction.classes[0]
    assert (good["path"], good["label"], good["class"]) == ("dog.jpg", best.label, best.class_name)
    assert good["probability"] == pytest.approx(best.probability, abs=1e-6)
    assert good["unknown"] is prediction.unknown
    assert [b["class"] for b in good["classes"]] == [b.class_name for b in prediction.classes]
    assert good["error"] is None
    assert (bad["path"], bad["label"], bad["classes"]) == ("gone.jpg", None, [])
    assert bad["error"] == "can't be read: No such file or directory"
    assert done.stderr == "error: gone.jpg: can't be read: No such file or directory\n"


def on_a_terminal(model: Path, folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines that a terminal shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(model, *arguments), cwd=folder, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how a terminal ends
            pass
    os.close(ours)
    return process.returncode, shown.decode().splitlines()


def test_on_a_terminal_it_is_a_list_for_people(photo: Path, tiny_model: Path) -> None:
    prediction = load(tiny_model).predict(photo)
    code, lines = on_a_terminal(tiny_model, photo.parent, "dog.jpg")
    assert code == 0
    ranked = [f"  {b.probability:6.1%}  {b.label}" for b in prediction.classes]
    note = ["   unknown: no class reaches 40.0%; the best guesses are"] * prediction.unknown
    assert lines == ["dog.jpg", *note, *ranked]


def test_unknown_is_written_out_with_the_models_noun(
    photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from dogbreed import load_classifier

    model = load_classifier(tiny_model)
    model.save(tmp_path / "sure" / "model", threshold=0.999, noun="breed")
    _, lines = on_a_terminal(tmp_path / "sure", tmp_path, "dog.jpg")
    assert lines[1] == "   unknown: no breed reaches 99.9%; the best guesses are"
    assert len(lines) == 5


def test_standard_input_and_names_with_an_equals_sign(predict: Predict, photo: Path) -> None:
    photo.rename(photo.with_name("a=b.jpg"))
    with photo.with_name("a=b.jpg").open("rb") as file:
        done = predict("a=b.jpg", "-", stdin=file)
    assert done.returncode == 0
    named, piped = map(json.loads, done.stdout.splitlines())
    assert (named.pop("path"), piped.pop("path")) == ("a=b.jpg", "-")
    assert named == piped
    refused(predict("c=d.jpg"), "There is no key c.", code=2)


def test_help_and_mistakes_in_keys(predict: Predict, photo: Path) -> None:
    done = predict("--help")
    assert done.returncode == 0
    shown = " ".join(done.stdout.split())
    for name, _, sentence in keys(PredictConfig):
        assert f"  {name}=" in done.stdout
        assert sentence in shown
    refused(predict(), "No photo is given: write python -m dogbreed.predict model=", code=2)
    refused(predict("top_kk=3", "dog.jpg"), "Did you mean top_k?", code=2)
    refused(predict("top_k=0", "dog.jpg"), "top_k=0: must be at least 1", code=2)
    refused(predict("--top_k", "dog.jpg"), "options are written KEY=VALUE", code=2)
    refused(predict("output=x.txt", "dog.jpg"), "must end in .csv or .jsonl", code=2)
    refused(predict("output=x.csv", "embeddings=true", "dog.jpg"), "output=x.jsonl", code=2)
    refused(predict("model=nowhere", "dog.jpg"), "nowhere holds no trained model")


def test_a_folder_becomes_a_table(predict: Predict, folder: Path, tiny_model: Path) -> None:
    done = predict("photos/", "top_k=2")
    assert done.returncode == 1, "one is bad"
    assert "predictions.csv: 5 photos, 1 of them can't be used" in done.stdout
    assert "1 other files in the folders are no photos" in done.stdout
    assert "skipped 3 hidden or system files and folders: 1 '.hidden'" in done.stdout
    path = folder.parent / "predictions.csv"
    rows = table(path)
    assert list(rows[0]) == [
        *("path", "label", "class", "probability", "unknown", "label_2", "probability_2", "error")
    ]
    names = ["a.png", "b.jpg", "sub/bad.jpg", "sub/c.jpeg", "sub/deep/no-suffix"]
    assert [row["path"] for row in rows] == [f"photos/{name}" for name in names]
    assert rows[2]["error"] == "the file is empty (0 bytes)"
    assert rows[2]["label"] == rows[2]["unknown"] == ""
    first = load(tiny_model).predict(folder / "a.png")
    assert rows[0]["class"] == first.classes[0].class_name
    assert float(rows[0]["probability"]) == pytest.approx(first.classes[0].probability, abs=1e-6)
    assert rows[0]["label_2"] == first.classes[1].label
    assert rows[0]["unknown"] == str(first.unknown).lower()

    written = path.read_bytes()
    again = predict("photos", "top_k=2")
    assert again.returncode == 1
    assert "predictions.csv has 4 of 5 photos already" in again.stdout
    assert sorted(path.read_bytes().split()) == sorted(written.split())
    written = path.read_bytes()
    refused(predict("photos", "top_k=3"), "predictions.csv was made with another top_k")
    refused(predict("dog.jpg", "top_k=2", "output=predictions.csv"), "with another photos")
    meta = path.with_name("predictions.csv.meta.json")
    origin = json.loads(meta.read_text())
    meta.write_text(json.dumps({key: origin[key] for key in origin if key != "columns"}))
    refused(predict("photos", "top_k=2"), "was written by an older version of dogbreed")
    meta.unlink()
    refused(predict("photos", "top_k=2"), "which says which model and photos it is of, is missing")
    assert path.read_bytes() == written


def test_names_that_hold_anything_survive(predict: Predict, folder: Path) -> None:
    odd = ['x\ny,"z".jpg', "carriage\rreturn.jpg", "-dash.jpg", os.fsdecode(b"\xff\xfe.jpg")]
    for name in odd:
        (folder / name).write_bytes((folder / "b.jpg").read_bytes())
    for output, read in (("p.csv", table), ("p.jsonl", json_lines)):
        done = predict(f"output={output}", "photos")
        assert done.returncode == 1
        found = {row["path"] for row in read(folder.parent / output)}
        assert {f"photos/{name}" for name in odd} <= found
        assert len(found) == 9
        assert "has 8 of 9 photos already" in predict(f"output={output}", "photos").stdout
    done = predict("./-dash.jpg", b"photos/\xff\xfe.jpg", 'photos/x\ny,"z".jpg')
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()][1:] == [
        f"photos/{odd[3]}", f"photos/{odd[0]}"
    ]  # fmt: skip
    assert printable("a\x1b[31m\n\udcff") == r"a\x1b[31m\n\udcff"


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_embeddings_are_lines_of_json(predict: Predict, folder: Path, tiny_model: Path) -> None:
    done = predict("embeddings=true", "photos")
    assert done.returncode == 1
    rows = json_lines(folder.parent / "predictions.jsonl")
    wanted = load(tiny_model).predict(folder / "a.png").embedding
    assert rows[0]["embedding"] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert rows[2]["embedding"] is None
    assert rows[2]["error"] == "the file is empty (0 bytes)"


def test_pictures_are_written_beside_and_never_over(predict: Predict, folder: Path) -> None:
    here = folder.parent
    draw_photo(here / "a.jpg", 1, 1)
    draw_photo(here / "a-explained.jpg", 2, 2)
    before = (here / "a-explained.jpg").read_bytes()
    with (here / "a.jpg").open("rb") as file:
        done = predict("explain=true", "a.jpg", "photos/a.png", "-", stdin=file)
    assert done.returncode == 0, done.stderr
    assert "standard input: Grad-CAM overlay in stdin-explained.jpg" in done.stderr
    assert "a.jpg: Grad-CAM overlay in a-explained-2.jpg" in done.stderr
    assert (here / "a-explained.jpg").read_bytes() == before
    for number in (2, 3):
        with Image.open(here / f"a-explained-{number}.jpg") as picture:
            assert picture.size == (80, 60)

    draw_photo(folder / "a.jpg", 1, 1)
    for _ in range(2):
        done = predict("explain=true", "output=photos/out.csv", "photos")
        assert "photos/out.csv: 6 photos" in done.stdout, "our own pictures aren't photos"
    pictures = folder / "out-explained"
    found = sorted(str(p.relative_to(pictures)) for p in pictures.rglob("*") if p.is_file())
    assert found == [
        *("a.jpg.jpg", "a.png.jpg", "b.jpg.jpg"),
        *("sub/c.jpeg.jpg", "sub/deep/no-suffix.jpg"),
    ]
    contents = {path: path.read_bytes() for path in pictures.rglob("*.jpg")}
    draw_photo(folder / "a.bmp", 200, 3)
    draw_photo(folder / f"{'n' * 248}.jpg", 30, 4)
    done = predict("explain=true", "output=photos/out.csv", "photos")
    assert {path: path.read_bytes() for path in contents} == contents
    assert (pictures / "a.bmp.jpg").is_file()
    (long,) = [row for row in table(folder / "out.csv") if "nnn" in row["path"]]
    assert "too long" in long["error"]  # and the others were answered


def test_thousands_of_other_files_are_counted(predict: Predict, tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(10_000):
        (root / f"{number}.txt").touch()
    refused(predict("many"), "many holds no photo (its 10,000 files are no photos)")
    for number in range(300):
        (root / f"{number}.jpg").write_bytes(b"not a photo")
    done = predict("many")
    assert done.returncode == 1
    assert "300 photos, 300 of them can't be used" in done.stdout
    assert "10,000 other files" in done.stdout
    assert {row["error"] for row in table(tmp_path / "predictions.csv")} == {
        "not an image of a known format"
    }
    (tmp_path / "none").mkdir()
    refused(predict("none", "output=none.csv"), "none holds no photo (it is empty)")
    (root / "x.csv").mkdir()
    refused(predict("many", "output=many/x.csv"), "many/x.csv can't be written")


def test_what_failed_is_tried_again(predict: Predict, folder: Path, tmp_path: Path) -> None:
    for output in ("output=out.csv", "output=out.jsonl"):
        (folder / "sub" / "bad.jpg").write_bytes(b"")
        first = predict(output, "photos")
        assert first.returncode == 1
        assert "5 photos, 1 of them can't be used" in first.stdout
        draw_photo(folder / "sub" / "bad.jpg", 10, 1)
        second = predict(output, "photos")
        assert second.returncode == 0, second.stderr
        assert "has 4 of 5 photos already" in second.stdout
    rows = table(tmp_path / "out.csv")
    assert len(rows) == len({row["path"] for row in rows}) == 5
    assert not any(row["error"] for row in rows)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["error"] for line in lines] == [None] * 5


def test_a_table_is_of_the_photos_that_were_given(
    predict: Predict, photo: Path, tmp_path: Path
) -> None:
    with photo.open("rb") as file:
        piped = predict("output=piped.jsonl", "-", stdin=file)
        assert piped.returncode == 0, piped.stderr
        again = predict("output=piped.jsonl", "-", stdin=file)
    refused(again, "has a row for a photo from the standard input")
    for name in ("one", "two"):
        draw_photo(tmp_path / name / "x.jpg", 50, len(name))
        done = predict(f"output={tmp_path / 'x.csv'}", ".", cwd=tmp_path / name)
    refused(done, "was made with another photos")


class Waiting(BaseHTTPRequestHandler):
    """Serves a photo once it may."""

    may: threading.Event
    photo: bytes

    def do_GET(self) -> None:
        if not self.path.startswith(("/photo", "/gone")):
            self.may.wait()
        self.send_response(404 if self.path.startswith(("/missing", "/gone")) else 200)
        self.end_headers()
        self.wfile.write(self.photo)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server(photo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Waiting.may, Waiting.photo = threading.Event(), photo.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        Waiting.may.set()
        http.shutdown()
        thread.join()


def test_urls_are_photos_too(predict: Predict, server: str) -> None:
    late = f"{server}/late"
    done = predict(f"{server}/photo", late, "file:///etc/hostname", "dog.jpg", "timeout_s=3")
    assert done.returncode == 1
    web, slow, local, file = map(json.loads, done.stdout.splitlines())
    assert (web["path"], slow["path"]) == (f"{server}/photo", late)
    assert slow["error"] == "can't be fetched: it took longer than 3 s (timeout_s)"
    assert "can't be fetched: file: only http and https are fetched" in local["error"]
    assert alike({**web, "path": ""}, {**file, "path": ""})


def rows_of(path: Path) -> list[Any]:
    """The rows of a table, numbers as numbers: their last digits depend on what was computed at
    once."""
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return [[number(cell) for cell in row] for row in csv.reader(io.StringIO(text))]


def number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def test_urls_as_people_paste_them(predict: Predict, server: str, tmp_path: Path) -> None:
    place = server.removeprefix("http://")
    given = (
        f" HTTP://u:s3cret@{place}/photo#top",
        f"http://u:s3c/ret@{place}/photo",
        f"{server}/gone?id=3&X-Amz-Signature=s3cret#access_token=s3cret",
    )
    for output in ("rows.csv", "rows.csv"):  # the second time from where the first ended
        done = predict(*given, f"output={output}")
        assert done.returncode == 1
        good, bad, signed = table(tmp_path / output)
        assert (good["path"], good["error"]) == (f"HTTP://***@{place}/photo#top", "")
        assert bad["path"] == f"http://***@{place}/photo"
        assert bad["error"] == "can't be fetched: the URL's host or port isn't valid"
        assert signed["path"].startswith(f"{server}/gone?id=3&***")
        assert "404 Not Found" in signed["error"]
        written = b"".join(path.read_bytes() for path in tmp_path.glob("rows.csv*")).decode()
        for secret in ("s3c", "ret@"):
            assert secret not in written + done.stdout + done.stderr
    done = predict(*given, f"{place}/photo?a=b", "data:image/png;base64,AAAA=")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert "s3c" not in done.stdout + done.stderr
    assert rows[3]["error"] == f"no such file; if it is a URL, write https://{place}/photo?a=b"
    assert "base64 -d" in rows[4]["error"]


def wait_for_rows(process: subprocess.Popen[bytes], path: Path, rows: int) -> None:
    """Until the table has so many rows; a process that ends before fails the test."""
    while not path.exists() or path.read_bytes().count(b"\n") < rows:
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        threading.Event().wait(0.01)


@pytest.mark.parametrize(("number", "suffix"), [(signal.SIGKILL, "csv"), (signal.SIGINT, "jsonl")])
@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_file(
    predict: Predict, server: str, tiny_model: Path, tmp_path: Path, number: int, suffix: str
) -> None:
    for photo in range(40):
        draw_photo(tmp_path / "photos" / f'{photo:02} "\n.jpg', 6 * photo, photo)
    (tmp_path / "photos" / "05.jpg").write_bytes(b"bad")
    output = tmp_path / f"stopped.{suffix}"
    arguments = (f"output={output.name}", "photos", f"{server}/late", "timeout_s=600")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(tiny_model, *arguments), cwd=tmp_path, stdout=pipe, stderr=pipe
    ) as process:
        # The last photo doesn't come: what is before its batch has been written.
        wait_for_rows(process, output, 30)
        refused(predict(*arguments), "is being written by another command")
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert b"Traceback" not in stderr
    with output.open("ab") as file:
        file.write((b'"photos/torn\n' if suffix == "csv" else b'{"path": "') + b"x" * 99_999)
    Waiting.may.set()
    done = predict(*arguments)
    assert done.returncode == 1, done.stderr
    resumed = re.match(rf"stopped.{suffix} has (\d+) of 42 photos already", done.stdout)
    assert resumed is not None
    assert 30 <= int(resumed[1]) < 42
    complete = predict(f"output=complete.{suffix}", *arguments[1:])
    assert f"complete.{suffix}: 42 photos, 1 of them" in complete.stdout
    rows, wanted = (rows_of(path) for path in (output, tmp_path / f"complete.{suffix}"))
    assert alike(rows, wanted)


def test_a_table_that_was_edited_is_not_added_to(predict: Predict, folder: Path) -> None:
    predict("photos", "output=p.jsonl")
    path = folder.parent / "p.jsonl"
    path.write_text("{}\n" + path.read_text())
    refused(predict("photos", "output=p.jsonl"), "p.jsonl was changed since it was written")


def test_a_damaged_model_is_one_sentence(
    predict: Predict, photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in (tiny_model / "model").iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "openvino.bin").write_bytes(b"other weights")
    done = predict(f"model={damaged}", "dog.jpg")
    refused(done, "openvino.bin isn't the file that model.json was written for")
    assert done.stdout == ""


def test_the_command_loads_no_torch_where_openvino_serves(tiny_model: Path, photo: Path) -> None:
    code = (
        "import sys\nfrom dogbreed.predict import main\n"
        f"main(['model={tiny_model}', {str(photo)!r}, 'engine=openvino'])\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[1].split())
    assert "openvino" in loaded
    assert not loaded & {"torch", "pytorch_lightning", "pandas", "sklearn", "scipy"}
