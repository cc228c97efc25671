"""Damaged photos write nothing to the standard error but our own sentences, which name the file."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Train
from PIL import Image

PILLOW = """
import sys
from PIL import Image
for path in sys.argv[1:]:
    try:
        Image.open(path).load()
    except Exception:
        pass
"""
OURS = """
import sys
from dogbreed.data.decoding.inspection import inspect
from dogbreed.errors import PhotoError
for path in sys.argv[1:]:
    try:
        inspect(open(path, "rb").read())
    except PhotoError:
        pass
"""


def broken(folder: Path, compression: str, count: int = 12) -> list[Path]:
    """TIFFs with damage in their pixels and in their tags."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    out, random = io.BytesIO(), np.random.default_rng(1)
    Image.fromarray(pixels).save(out, "TIFF", compression=compression)
    whole, paths = np.frombuffer(out.getvalue(), np.uint8), []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 30)] = random.integers(0, 256, 30)
        damaged[:8] = whole[:8]
        paths.append(folder / f"{compression}{number}.tif")
        paths[-1].write_bytes(damaged.tobytes()[: len(whole) - 900 * (number % 2)])
    return paths


def test_libtiff_writes_nothing(tmp_path: Path) -> None:
    kinds = ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits", "zstd")
    paths = [str(path) for kind in kinds for path in broken(tmp_path, kind)]
    alone = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PILLOW, *paths], capture_output=True, text=True
    )
    if not alone.stderr:
        pytest.skip("this libtiff writes nothing by itself")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OURS, *paths], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.runs
def test_a_training_names_every_file_that_it_writes_about(photos_root: Path, train: Train) -> None:
    for kind in ("tiff_lzw", "jpeg"):
        broken(photos_root / "train" / "Akita", kind)
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff"
    Image.new("RGB", (80, 60), "teal").save(photos_root / "train" / "Akita" / "a.jpg", exif=exif)
    done = train(f"data.root={photos_root}", "data.max_bad_share=0.9", *SMALL)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"PIL|Warning|libtiff|JPEGLib|Decode", done.stderr), done.stderr
