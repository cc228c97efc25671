"""The predictor: one photo, a folder, and the command, against eager torch in the same run.

python tests/benchmarks/predictor.py PHOTOS WEIGHTS
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import row, timed, title, train
from PIL import Image

from dogbreed import load

REPEATS = 60


def main(root: str, weights: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        train(
            [f"data.root={root}", f"model.weights={weights}", "artifact.int8=true"],
            work,
            work / "cache",
        )
        model = work / "outputs" / "latest"
        photo = work / "photo.jpg"
        largest = max(Path(root, "test").rglob("*.jpg"), key=lambda path: path.stat().st_size)
        Image.open(largest).convert("RGB").resize((500, 375)).save(photo, quality=90)
        views = load(model).description.views
        title(f"one photo of 500x375, {views} views of it, the model loaded: p50")
        report("bf16 on one core", milliseconds(model, photo, "openvino", 1), 45)
        report("bf16 on two cores", milliseconds(model, photo, "openvino", 2), 25)
        has_int8 = "int8" in load(model).description.forms
        if has_int8:
            report("int8 on two cores", milliseconds(model, photo, "int8", 2), 15)
        print(f"  eager torch on two cores: {milliseconds(model, photo, 'torch', 2):.1f} ms")
        command_line(model, photo, root, work, ["openvino", "int8"] if has_int8 else ["openvino"])


def command_line(model: Path, photo: Path, root: str, work: Path, engines: list[str]) -> None:
    """`python -m dogbreed.predict` as a person waits for it."""
    predict = [sys.executable, "-m", "dogbreed.predict", f"model={model}"]
    title("python -m dogbreed.predict")
    best = min(timed([*predict, str(photo)], work).seconds for _ in range(3))
    row("a photo, from the command to the answer", f"{best:.2f} s", "<= 3 s", best <= 3)
    loaded = timed([*predict, str(photo)], work).seconds
    test = Path(root, "test")
    photos = sum(1 for path in test.rglob("*") if path.is_file())
    for engine in engines:
        output = work / f"{engine}.csv"
        start = time.monotonic()
        timed([*predict, str(test), f"output={output}", f"engine={engine}"], work)
        rate = photos / (time.monotonic() - start - loaded)
        name, least = ("bf16", 45) if engine == "openvino" else ("int8", 80)
        row(
            f"a folder of {photos:,} photos, {name}, start left out",
            f"{rate:.1f} photos/s",
            f">= {least}",
            rate >= least,
        )


def milliseconds(model: Path, photo: Path, engine: str, cores: int) -> float:
    """The median of REPEATS answers in a process that may use so many cores."""
    done = timed([sys.executable, __file__, str(model), str(photo), engine, str(cores)], Path.cwd())
    return float(done.stdout)


def measure(model: str, photo: str, engine: str, cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    predictor = load(model, engine=engine, threads=cores)
    data = Path(photo).read_bytes()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predictor.predict(data)
        seconds.append(time.perf_counter() - start)
    print(1000 * float(np.median(seconds)))


def report(what: str, found: float, most: float) -> None:
    row(what, f"{found:.1f} ms", f"<= {most:g} ms", found <= most)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve()))
