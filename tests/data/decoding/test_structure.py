"""A photo that costs more than its pixels is refused before anything is decoded."""

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from helpers import bombs
from PIL import Image

from dogbreed.data.decoding import jpeg_end, photos
from dogbreed.data.decoding.image_formats.base import IMAGE_FORMATS, check_structure
from dogbreed.data.decoding.structure import TOO_COMPLEX, base
from dogbreed.errors import PhotoError
from dogbreed.serving.requests.invocations import Invocation, RequestError, respond

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_refused_before_it_is_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = bombs.BOMBS[name]()
    monkeypatch.setattr(Image, "open", _never)
    heif = replace(IMAGE_FORMATS["HEIF"], open=_never)
    monkeypatch.setitem(IMAGE_FORMATS._entries, "HEIF", heif)
    monkeypatch.setattr("dogbreed.data.decoding.photos.open_by_pillow", _never)
    with pytest.raises(PhotoError, match=r"its file has more than [\d,]+ \w+") as caught:
        photos.open_photo(bomb)
    assert caught.value.reason == TOO_COMPLEX


def _never(*arguments: Any, **options: Any) -> NoReturn:
    raise AssertionError("it was opened")


@pytest.mark.parametrize("format", FORMATS)
def test_a_structure_says_what_the_decoder_does(format: str) -> None:
    structure = check_structure(bombs.encoded(format, (70, 50)))
    assert (structure.format, structure.width, structure.height) == (format, 70, 50)
    assert (structure.pixels, structure.scans, structure.arithmetic) == (3500, 1, False)


@pytest.mark.parametrize(
    ("mode", "scans"), [("L", 6), ("RGB", 10), ("CMYK", 18)]
)  # libjpeg's own scripts
def test_the_scans_of_a_jpeg_are_counted(mode: str, scans: int) -> None:
    out = io.BytesIO()
    Image.new(mode, (40, 30)).save(out, "JPEG", progressive=True)
    assert check_structure(out.getvalue()).scans == scans
    assert photos.decode(out.getvalue(), wanted_px=16).size == (40, 30)


def test_what_follows_the_first_of_two_pictures_counts_for_nothing() -> None:
    out = io.BytesIO()
    first, second = Image.new("RGB", (40, 30)), Image.new("RGB", (20, 10))
    first.save(out, "MPO", save_all=True, append_images=[second])
    assert check_structure(out.getvalue() + bombs.scans(100)).scans == 1
    assert check_structure(bombs.encoded("JPEG") + bombs.scans(100)).scans == 1


def test_an_arithmetic_jpeg_is_recognised() -> None:
    assert check_structure(bombs.arithmetic_scans(3)).arithmetic


def test_a_picture_that_its_decoder_allocates_when_it_is_opened_is_measured_before() -> None:
    canvas = bytes((16, 0, 0, 0)) + (16_382).to_bytes(3, "little") * 2
    with pytest.raises(PhotoError, match="16383x16383 pixels; the limit is") as caught:
        photos.open_photo(bombs.riff((b"VP8X", canvas)))
    assert caught.value.reason == "too_large"


def test_a_profile_of_many_segments_is_a_photo(tmp_path: Path) -> None:
    data = bombs.encoded("JPEG", icc_profile=bytes(4 * 2**20))
    assert check_structure(data).format == "JPEG"


def test_a_bomb_without_a_photo_s_name_is_one_that_cant_be_used(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(bombs.strips(40_000))
    (tmp_path / "text").write_bytes(b"BM or not")
    assert photos.is_photo(tmp_path / "photo")
    assert not photos.is_photo(tmp_path / "text")


def test_segments_after_the_last_scan_are_not_all_read() -> None:
    def flood(count: int) -> bytes:
        return bombs.encoded("JPEG")[:-2] + count * bombs.segment(0xFE, b"ab")

    assert jpeg_end.is_missing(flood(1000))
    assert not jpeg_end.is_missing(flood(3000))


# --- bytes of any kind -------------------------------------------------------------------------


def seeds() -> list[bytes]:
    return [*(bombs.encoded(format) for format in FORMATS), bombs.scans(2), bombs.jpeg_in_tiff(2),
            bombs.grid(4, (64, 64), (128, 128)), bombs.hevc_larger_than_said(1, 64),
            bombs.hidden_frames(2), bombs.samples(2), bombs.big_tiff_strips(3),
            bombs.png_exif(bombs.nested_fractions(3)), bombs.bmp_runs(10, 10)]  # fmt: skip


def outcome(data: bytes) -> bool:
    """Whether it has a structure, or is refused for it; anything else is raised."""
    try:
        return check_structure(data).scans >= 1
    except PhotoError as error:
        return error.reason == TOO_COMPLEX


@pytest.mark.parametrize("number", range(8))
def test_nothing_but_photo_errors_comes_of_any_bytes(number: int) -> None:
    random_ = random.Random(number)
    for seed in seeds():
        for _ in range(60):
            data = bytearray(seed)
            for _ in range(random_.choice((1, 2, 5, 50))):
                place = random_.randrange(random_.choice((len(data), min(len(data), 200))))
                data[place] = random_.choice((0, 1, 0x7F, 0x80, 0xFF, random_.randrange(256)))
            if random_.random() < 0.3:
                del data[random_.randrange(len(data)) :]
            assert outcome(bytes(data))


UNITS = [
    *(b"\xff", b"\0", b"\xff\xd0", b"\xff\x00", b"\xff\x01", b"\xff\xda\0\2", b"!\xfe\1a\0"),
    *(b"JUNK\0\0\0\0", b"\0\0\0\0IDAT\0\0\0\0", b"\0\0\0\x08free", b"\0\0\0\x0cmeta\0\0\0\0"),
    b"\0\0\0\x01free\0\0\0\0\0\0\0\x10",
]
STARTS = [
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a" + bytes(7)),
    *(b"II*\0\x08\0\0\0", b"\0\0\0\x10ftypheic\0\0\0\0"),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("start", STARTS)
def test_steps_do_not_grow_faster_than_the_file(
    start: bytes, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(count: int) -> int:
        seen = 0

        def counted(*arguments: Any) -> int:
            nonlocal seen
            seen += 1
            return original(*arguments)

        original: Callable[..., int] = base.number
        for module in ("jpeg", "png", "riff", "gif", "ifd", "iso", "iso_boxes", "coded"):
            monkeypatch.setattr(f"dogbreed.data.decoding.structure.{module}.number", counted)
        assert outcome(start + count * unit)
        monkeypatch.undo()
        return seen

    assert steps(4000) <= 5 * steps(1000) + 100


def test_a_file_that_refers_to_itself_comes_to_an_end() -> None:
    loop = bombs.tiff([(34665, 4, 1, 8), (34853, 4, 1, 8)])[:-4] + (8).to_bytes(4, "little")
    assert check_structure(loop).format == "TIFF"


# --- over HTTP ---------------------------------------------------------------------------------


def test_a_container_takes_no_tiff_unless_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo:
        def predict_many(self, many: list[bytes], top_k: int) -> Any:
            return iter([PhotoError("damaged", "seen") for _ in many])

    def code() -> tuple[int, str]:
        with pytest.raises(RequestError) as caught:
            respond(Echo(), Invocation(photos=(bombs.encoded("TIFF"),)))  # type: ignore[arg-type]
        return caught.value.status, caught.value.code

    assert code() == (415, "unsupported_format")
    monkeypatch.setenv("DOGBREED_TIFF", "1")
    assert code() == (400, "damaged")


def test_a_bomb_is_a_413() -> None:
    class Opens:
        def predict_many(self, many: list[bytes], top_k: int) -> Any:
            for data in many:
                try:
                    photos.open_photo(data)
                except PhotoError as error:
                    yield error

    with pytest.raises(RequestError) as caught:
        respond(Opens(), Invocation(photos=(bombs.scans(40),)))  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.code) == (413, TOO_COMPLEX)
