"""The slowest and the largest photo of a fuzzed corpus: CPU seconds and memory of decoding each.

    python tests/benchmarks/photo_costs.py [MUTATIONS] [SEED]

Photos of every format with MUTATIONS of each (60; bytes flipped, parts repeated, cut out or
exchanged), and files made to cost much. Each is decoded in a process of its own, which is ended
after 30 CPU seconds or at 4 GiB. Another commit is measured by PYTHONPATH=<its checkout>.
"""

import io
import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pillow_heif
from helpers import bombs
from PIL import Image

import dogbreed
from dogbreed.data.decoding import photos
from dogbreed.errors import PhotoError

CPU_S = 30
MEMORY_BYTES = 4 * 2**30
WANTED_PX = 224  # as a network of the usual size takes it
_OUTCOMES = {0: "accepted", 1: "refused", 2: "FAILED"}


@dataclass(frozen=True)
class Cost:
    """What decoding one file took."""

    name: str
    size: int
    outcome: str
    cpu_s: float
    memory_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.cpu_s:7.2f} s {self.memory_bytes / 1e6:7.0f} MB  {self.outcome:9} "
            f"{self.name} ({self.size:,} bytes)"
        )


def measured(name: str, path: Path) -> Cost:
    """Decode a file in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    process = os.fork()
    if process == 0:
        os._exit(_decode(path))
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    outcome = _OUTCOMES.get(code, "") if code >= 0 else f"ended by {signal.Signals(-code).name}"
    scale = 1 if sys.platform == "darwin" else 1024
    memory = max(0, usage.ru_maxrss - before) * scale
    return Cost(name, path.stat().st_size, outcome, usage.ru_utime + usage.ru_stime, memory)


def _decode(path: Path) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        photos.decode(photos.checked(path.read_bytes()), wanted_px=WANTED_PX)
    except PhotoError:
        return 1
    except BaseException:
        return 2
    finally:
        _end_decoding_processes()
    return 0


def _end_decoding_processes() -> None:
    """Wait for them: only then what they took is counted."""
    with suppress(ImportError):  # an older commit
        from dogbreed.data.decoding import pool as decoding_pool

        decoding_pool._end_all(decoding_pool.POOL._idle)


def seeds() -> dict[str, bytes]:
    """A photo of every format and of its kinds; one of 12 megapixels as phones take them."""
    picture = Image.effect_noise((640, 480), 40).convert("RGB")
    kinds: list[tuple[str, dict[str, Any]]] = [
        *(("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_blocks": 1})),
        *(("MPO", {"save_all": True, "append_images": [picture]}), ("PNG", {}), ("BMP", {})),
        *(("GIF", {}), ("GIF", {"save_all": True, "append_images": [picture.rotate(90)]})),
        *(("WEBP", {}), ("WEBP", {"lossless": True}), ("AVIF", {"speed": 10})),
        ("PNG", {"save_all": True, "append_images": [picture.rotate(90)]}),
        ("AVIF", {"speed": 10, "save_all": True, "append_images": [picture.rotate(90)]}),
        *(("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"})),
    ]
    found = {
        f"{format} {[*options]}": encoded(picture, format, options) for format, options in kinds
    }
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file)
    found["HEIF"] = file.getvalue()
    large = Image.effect_noise((4000, 3000), 40).convert("RGB")
    found["JPEG of 12 megapixels"] = encoded(large, "JPEG", {})
    found["progressive JPEG of 12 megapixels"] = encoded(large, "JPEG", {"progressive": True})
    return found


def encoded(picture: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    """A picture in a format."""
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def mutated(data: bytes, random_: random.Random) -> bytes:
    """The file with bytes changed, most in its head, or a part repeated, cut out or moved."""
    changed = bytearray(data)
    head = min(1000, len(data))
    kind = random_.randrange(4)
    if kind < 2:
        for _ in range(random_.choice((1, 3, 10))):
            place = random_.randrange(random_.choice((head, head, len(data))))
            changed[place] = random_.choice((0, 1, 0x7F, 0xFF, random_.randrange(256)))
        return bytes(changed)
    start = random_.randrange(random_.choice((head, len(data))))
    part = changed[start : start + random_.choice((2, 4, 12, 100, 1000))]
    if kind == 2:
        return bytes(changed[:start] + part * random_.choice((2, 100, 3000)) + changed[start:])
    del changed[start : start + len(part)]
    place = random_.randrange(len(changed))
    return bytes(changed[:place] + part + changed[place:])


def hostile() -> Iterator[tuple[str, bytes]]:
    """The bombs of the tests, and the same of some megabytes."""
    yield from ((name, make()) for name, make in bombs.BOMBS.items())
    yield "large: JPEG: scans", bombs.scans(2000, size=(9000, 8900), quality=1)
    yield "large: JPEG: comments", _jpeg(500_000 * bombs.segment(0xFE, b"a"))
    yield "large: JPEG: fill bytes", _jpeg(20_000_000 * b"\xff")
    yield "large: JPEG: EXIF", _jpeg(300 * bombs.segment(0xE1, b"Exif\0\0" + bytes(65_000)))
    yield "large: TIFF: strips", bombs.strips(1_500_000)
    yield "large: TIFF: tags", bombs.fractions(3_000_000)
    yield "large: TIFF: a JPEG of many scans", bombs.jpeg_in_tiff(100_000)
    yield "large: PNG: chunks", bombs.png_chunks(1_000_000)
    yield "large: PNG: EXIF", bombs.png_exif(bombs.fractions(3_000_000))
    yield "large: WebP: chunks", bombs.webp_chunks(3_000_000)
    yield "large: GIF: comments", bombs.gif_extensions(10_000_000)
    yield "large: GIF: rubbish", bombs.gif_rubbish(20_000_000)
    yield "large: BMP: run lengths", bombs.bmp_runs(9000, 9000) + 9000 * b"\1\0\0\0"
    yield "large: BMP: runs of one pixel", bombs.bmp_runs(5000, 4000, 10_000_000)
    yield "most: JPEG: scans", bombs.scans(0, size=(9459, 9459), quality=1)
    yield "most: JPEG: 32 scans", bombs.scans(22, size=(5200, 5200), quality=1)
    yield "most: BMP: run lengths", bombs.bmp_runs(4000, 4000) + 4000 * b"\1\0\0\0"
    yield "most: GIF: comments", bombs.gif_extensions(65_000)
    yield "most: TIFF: tags", bombs.png_exif(bombs.fractions(130_000))
    for format, mode in (
        *(("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "I;16"), ("GIF", "P"), ("BMP", "RGB")),
        *(("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "RGB"), ("TIFF", "F")),
    ):
        large = Image.new(mode, (9459, 9459))  # 89 megapixels, the most that is opened
        options = {"compression": "tiff_deflate"} if format == "TIFF" else {}
        yield f"most: {format} of mode {mode}", encoded(large, format, options)


def _jpeg(more: bytes) -> bytes:
    return bombs.after_start(bombs.encoded("JPEG"), more)


def corpus(mutations: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Every file with a name."""
    random_ = random.Random(seed)
    for name, data in seeds().items():
        yield name, data
        for number in range(mutations if len(data) < 2**20 else mutations // 10):
            yield f"{name}, mutation {number}", mutated(data, random_)
    yield from hostile()


def write(folder: Path, mutations: int, seed: int) -> list[tuple[str, Path]]:
    """Write the corpus, by another process: this one's peak of memory stays low."""
    process = os.fork()
    if process == 0:
        for number, (name, data) in enumerate(corpus(mutations, seed)):
            (folder / f"{number:06}").write_bytes(data)
            (folder / f"{number:06}.name").write_text(name, "utf-8")
        os._exit(0)
    os.waitpid(process, 0)
    files = sorted(folder.glob("*.name"))
    return [(each.read_text("utf-8"), each.with_suffix("")) for each in files]


def main(mutations: int = 60, seed: int = 0) -> None:
    """Measure the corpus and print its most expensive files."""
    warnings.simplefilter("ignore")
    print(f"dogbreed of {Path(dogbreed.__file__).parents[1].name}, seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        costs = [measured(*each) for each in write(Path(folder), mutations, seed)]
    for outcome in sorted({each.outcome for each in costs}):
        print(f"{sum(each.outcome == outcome for each in costs):6} {outcome}")
    accepted = [each for each in costs if each.outcome == "accepted"]
    for what, some in (("accepted", accepted), ("not accepted", set(costs) - set(accepted))):
        slowest = sorted(some, key=lambda each: -each.cpu_s)[:5]
        largest = sorted(some, key=lambda each: -each.memory_bytes)[:5]
        print(f"the slowest {what}:", *slowest, sep="\n  ")
        print(f"the largest {what}:", *largest, sep="\n  ")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
