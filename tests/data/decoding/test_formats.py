"""Formats that can't be decoded are named and count as bad photos; HEIC is decoded."""

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import draw_folders
from PIL import Image, TiffImagePlugin

from dogbreed.data.check import check
from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.decoding.photos import decode, is_photo, open_photo, read_bytes
from dogbreed.data.layouts.folders import read_folders
from dogbreed.errors import DataError, PhotoError

Array = npt.NDArray[Any]
MAKE, SUBFILE, DNG_VERSION = 271, 254, 50706


def picture(width: int = 96, height: int = 64) -> Array:
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([255 * x, 255 * y, 255 * (1 - x) * y], axis=2).round().astype(np.uint8)


def encode(format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, format, **options)
    return out.getvalue()


def tiff(**tags: Any) -> bytes:
    """A TIFF that Pillow decodes, with tags by number (as t271=...)."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        if int(name[1:]) == DNG_VERSION:
            info.tagtype[DNG_VERSION] = 1
        info[int(name[1:])] = value
    return encode("TIFF", tiffinfo=info)


def with_raw_inside(order: str, make: bytes, photometric: int = 32803) -> bytes:
    """A TIFF whose first picture is a thumbnail of 2 by 2 and whose second one is raw."""
    entry = f"{order}HHI"

    def number(tag: int, value: int) -> bytes:
        return struct.pack(entry + "I", tag, 4, 1, value)

    first, second = 8, 8 + 2 + 12 * 10 + 4
    ends = second + 2 + 12 * 2 + 4
    tags = [number(tag, value) for tag, value in
            ((254, 0), (256, 2), (257, 2), (258, 8), (259, 1), (262, 1))]  # fmt: skip
    tags.append(struct.pack(entry, MAKE, 2, len(make)) + struct.pack(f"{order}I", ends))
    tags += [number(273, ends + len(make)), number(279, 4), number(330, second)]
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, first)
    data += struct.pack(f"{order}H", len(tags)) + b"".join(tags) + bytes(4)
    inner = [number(259, 1), number(262, photometric)]
    data += struct.pack(f"{order}H", 2) + b"".join(inner) + bytes(4)
    return data + make + bytes(100)


UNSUPPORTED = {
    "jxl": (b"\xff\x0a\xfa\x7f" + bytes(50), "JPEG XL"),
    "jxl container": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl " + bytes(50), "JPEG XL"),
    "jp2": (encode("JPEG2000"), "JPEG 2000"),
    "j2k": (encode("JPEG2000", no_jp2=True), "JPEG 2000"),
    "jxr": (b"II\xbc\x01" + bytes(50), "JPEG XR"),
    "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(90), "Canon CR2"),
    "cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(90), "Canon CR3"),
    "crw": (b"II\x1a\0\0\0HEAPCCDR" + bytes(90), "Canon CRW"),
    "nef": (with_raw_inside(">", b"NIKON CORPORATION\0"), "Nikon NEF"),
    "arw": (with_raw_inside("<", b"SONY\0\0"), "Sony ARW"),
    "pef": (with_raw_inside(">", b"PENTAX Corporation\0\0"), "Pentax PEF"),
    "srw": (with_raw_inside("<", b"SAMSUNG\0"), "Samsung SRW"),
    "another maker": (with_raw_inside("<", b"Somebody\0\0"), "camera raw"),
    "linear dng": (with_raw_inside("<", b"Google\0\0", 34892), "camera raw"),
    "dng": (tiff(t50706=b"\1\4\0\0"), "DNG"),
    "thumbnail first": (tiff(t254=1, t271="NIKON CORPORATION"), "Nikon NEF"),
    "orf": (b"IIRO\x08\0\0\0" + bytes(90), "Olympus ORF"),
    "rw2": (b"IIU\0\x18\0\0\0" + bytes(90), "Panasonic RW2"),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(90), "Fujifilm RAF"),
    "x3f": (b"FOVb" + bytes(90), "Sigma X3F"),
    "iiq": (b"II*\0\x08\0\0\0IIII" + bytes(90), "Phase One IIQ"),
    "psd": (b"8BPS\0\1" + bytes(90), "Photoshop"),
    "exr": (b"v/1\x01" + bytes(90), "OpenEXR"),
    "ppm": (b"P6\n# made by hand\n1 1\n255\nabc", "Netpbm"),
    "dcm": (bytes(128) + b"DICM" + bytes(90), "DICOM"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "svg with a prolog": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg/>", "SVG"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
}
# Named where somebody gives them, and passed over where they are beside photos.
DOCUMENTS = {
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "ico": (b"\0\0\1\0\1\0\x10\x10" + bytes(90), "icon"),
    "mov": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(90), "video"),
    "mp4": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(90), "video"),
}


@pytest.mark.parametrize("kind", [*UNSUPPORTED, *DOCUMENTS])
def test_it_is_named_with_the_fix(kind: str, tmp_path: Path) -> None:
    data, name = (UNSUPPORTED | DOCUMENTS)[kind]
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    assert caught.value.reason == "unsupported_format"
    assert name in str(caught.value)
    assert "to JPEG or PNG (for example: " in str(caught.value)
    (tmp_path / "no-suffix").write_bytes(data)
    assert is_photo(tmp_path / "no-suffix") == (kind in UNSUPPORTED)


@pytest.mark.parametrize(
    "suffix", [".cr2", ".NEF", ".dng", ".arw", ".orf", ".rw2", ".raf", ".jxl", ".jp2", ".psd"]
)
def test_the_name_tells_it_where_the_content_does_not(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"dog{suffix}"
    path.write_bytes(b"nothing that is known")
    with pytest.raises(PhotoError) as caught:
        read_bytes(path)
    assert caught.value.reason == "unsupported_format"


@pytest.mark.parametrize("suffix", [".cr2", ".nef", ".NEF", ".dng", ".pef"])
def test_a_raw_file_that_looks_like_a_small_tiff(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"dog{suffix}"
    path.write_bytes(tiff(t271="NIKON CORPORATION"))
    with pytest.raises(PhotoError, match=f"{suffix[1:].upper()}.*darktable-cli") as caught:
        read_bytes(path)
    assert caught.value.reason == "unsupported_format"


def test_what_is_decoded_stays_decoded(tmp_path: Path) -> None:
    # A camera's or scanner's own TIFF, and photos under the name of another format.
    assert decode(tiff(t271="NIKON CORPORATION"), wanted_px=64).size == (96, 64)
    for number, format in enumerate(("JPEG", "PNG", "WEBP", "GIF", "AVIF")):
        path = tmp_path / f"{number}.cr2"
        path.write_bytes(encode(format))
        assert decode(read_bytes(path), wanted_px=64).size == (96, 64)
    for text in (b"P3 is a camera", b"II", b"MM\0", b"<html><svg></svg></html>"):
        with pytest.raises(PhotoError, match="not an image of a known format"):
            open_photo(text)


def test_tiffs_that_pillow_does_not_decode_are_named() -> None:
    data = bytearray(tiff())
    data[data.index(struct.pack("<HHI", 262, 3, 1)) + 8] = 99
    with pytest.raises(PhotoError, match="TIFF that can't be decoded") as caught:
        open_photo(bytes(data))
    assert caught.value.reason == "unsupported_format"


def test_random_directories_of_a_tiff_end() -> None:
    random = np.random.default_rng(3)
    whole = np.frombuffer(with_raw_inside("<", b"SONY\0\0"), np.uint8)
    for _ in range(300):
        damaged = whole.copy()
        damaged[random.integers(4, 150, 6)] = random.integers(0, 256, 6)
        with contextlib.suppress(PhotoError):
            open_photo(damaged.tobytes()[: int(random.integers(1, len(whole)))])


# --- training --------------------------------------------------------------------------------


def test_they_count_as_bad_photos(photos_root: Path) -> None:
    folder = photos_root / "train" / "Beagle"
    for number, (data, _) in enumerate(UNSUPPORTED.values()):
        (folder / f"{number}").write_bytes(data)
    for kind in ("jxl", "cr2", "jp2"):
        (folder / f"dog.{kind}").write_bytes(b"x")
    for kind, (data, _) in DOCUMENTS.items():
        (folder / f"dog.{kind}").write_bytes(data)
    count = len(UNSUPPORTED) + 3
    folders = read_folders(photos_root)
    with pytest.raises(DataError, match=rf"{count} of {60 + count} .*{count} unsupported_format"):
        check(folders)
    checked = check(folders, max_bad_share=0.5)
    reasons = [finding.reason for finding in checked.findings]
    assert reasons.count("unsupported_format") == count
    assert reasons.count("ignored") == len(DOCUMENTS)
    assert len(checked.folders.all_samples()) == 60


def test_max_bad_share_applies(tmp_path: Path) -> None:
    root = draw_folders(tmp_path, {"train": 30, "valid": 10, "test": 10}, ("Akita", "Beagle"))
    (root / "train" / "Akita" / "dog.jxl").write_bytes(UNSUPPORTED["jxl"][0])
    (finding,) = check(read_folders(root)).findings
    assert (finding.reason, finding.bad) == ("unsupported_format", True)
    assert "djxl" in finding.message
    (root / "train" / "Akita" / "dog.nef").write_bytes(UNSUPPORTED["nef"][0])
    with pytest.raises(DataError, match=r"2 of 102 photos .*\(2 unsupported_format\)"):
        check(read_folders(root))


# --- HEIC ------------------------------------------------------------------------------------

pillow_heif = pytest.importorskip("pillow_heif")


def heic(image: Any = None, **options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(picture()) if image is None else image
    pillow_heif.from_pillow(image).save(out, **{"quality": 95, "chroma": 444} | options)
    return out.getvalue()


def pixels_of(data: bytes) -> Array:
    return np.asarray(decode(data, wanted_px=224)).astype(int)


def test_heic() -> None:
    assert open_photo(heic()).format == "HEIF"
    assert np.abs(pixels_of(heic()) - picture()).max() <= 8
    assert inspect(heic()).remarks == ()


def test_heic_of_ten_bits() -> None:
    deep = (picture().astype(np.uint16) * 257).tobytes()
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (96, 64), deep).save(out, quality=95, chroma=444)
    assert np.abs(pixels_of(out.getvalue()) - picture()).max() <= 8


def test_heic_with_transparency_is_laid_over_white() -> None:
    alpha = np.tile(np.linspace(0, 255, 96).round(), (64, 1)).astype(np.uint8)
    data = heic(Image.fromarray(np.dstack([picture(), alpha])))
    share = alpha[:, :, None] / 255
    assert np.abs(pixels_of(data) - (picture() * share + 255 * (1 - share))).mean() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_upright_once(orientation: int) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    stored = pillow_heif.from_bytes("RGB", (96, 64), picture().tobytes())
    stored.save(out, quality=95, chroma=444, exif=exif.tobytes())
    turned = {
        1: picture(), 2: picture()[:, ::-1], 3: picture()[::-1, ::-1], 4: picture()[::-1],
        5: picture().transpose(1, 0, 2), 6: np.rot90(picture(), -1),
        7: picture()[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(picture(), 1),
    }[orientation]  # fmt: skip
    found = pixels_of(out.getvalue())
    assert found.shape == turned.shape
    assert np.abs(found - turned).max() <= 10


def test_the_primary_picture_of_a_heic() -> None:
    file, out = pillow_heif.from_pillow(Image.new("RGB", (96, 64), "red")), io.BytesIO()
    file.add_from_pillow(Image.fromarray(picture()))
    file.save(out, quality=95, chroma=444, primary_index=1)
    assert np.abs(pixels_of(out.getvalue()) - picture()).max() <= 8


def test_the_thumbnail_of_a_heic_is_not_taken_for_it() -> None:
    large = Image.fromarray(picture(960, 640))
    file, out = pillow_heif.from_pillow(large), io.BytesIO()
    file.save(out, quality=95, thumbnails=[480])
    assert decode(out.getvalue(), wanted_px=32).size == (960, 640)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_half_a_heic(share: float) -> None:
    data = heic(Image.effect_noise((200, 150), 90).convert("RGB"))
    with pytest.raises(PhotoError) as caught:
        decode(data[: int(share * len(data))], wanted_px=32)
    assert caught.value.reason in ("truncated", "damaged")


def test_a_heic_that_lies_about_its_size() -> None:
    data = bytearray(heic())
    place = data.index(b"ispe") + 8
    for size, reason in (((60_000, 60_000), "too_large"), ((8, 8), "damaged")):
        data[place : place + 8] = struct.pack(">II", *size)
        with pytest.raises(PhotoError) as caught:
            decode(bytes(data), wanted_px=32)
        assert caught.value.reason in (reason, "damaged")


def test_random_damage_of_a_heic() -> None:
    whole, random = np.frombuffer(heic(), np.uint8), np.random.default_rng(7)
    for _ in range(60):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 6)] = random.integers(0, 256, 6)
        with contextlib.suppress(PhotoError):
            assert decode(damaged.tobytes(), wanted_px=32).mode == "RGB"


def test_without_pillow_heif_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match="pip install pillow-heif") as caught:
        open_photo(data)
    assert caught.value.reason == "unsupported_format"


def test_heic_in_the_folders(photos_root: Path) -> None:
    folder = photos_root / "train" / "Akita"
    for name in ("a.heic", "b.HEIF", "c.hif"):
        (folder / name).write_bytes(heic())
    (folder / "d.jpg").write_bytes(heic())
    (folder / "e").write_bytes(heic())
    checked = check(read_folders(photos_root))
    assert {f.path.name: f.reason for f in checked.findings} == {
        "d.jpg": "wrong_extension",
        "e": "wrong_extension",
    }
    assert len(checked.digests) == 65


def test_what_other_code_opens_stays_as_it_is() -> None:
    code = (
        "import sys, io; from PIL import Image; from dogbreed.data.decoding import photos\n"
        "photos.decode(sys.stdin.buffer.read(), wanted_px=8)\n"
        "Image.init(); print('HEIF' in Image.OPEN)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=heic(), capture_output=True)
    assert done.stdout.strip() == b"False", done.stderr
