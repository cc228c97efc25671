"""The same colours give the same pixels, whatever colour space a photo is stored in."""

import base64
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import REAL_PHOTOS, REAL_WEIGHTS, Train, needs
from helpers import colour_profiles
from helpers.colour_agreement import agreements
from helpers.colour_profiles import cmyk_profile, grey_profile, in_space, packed, profile
from PIL import Image

from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.runtimes import open_runtime
from dogbreed.cloud.endpoints.downscale import downscaled
from dogbreed.data.decoding import colour
from dogbreed.data.decoding.icc import matrix_profile
from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.decoding.photos import decode
from dogbreed.data.decoding.preprocessing import Preprocessing
from dogbreed.errors import ArtifactError, PhotoError
from dogbreed.report.thumbnails import thumbnails
from dogbreed.serving.decoding_budget import DecodingBudget
from dogbreed.serving.predictor import Predictor

Array = npt.NDArray[Any]
WIDE = ("Display P3", "Adobe RGB", "ProPhoto")


def picture(width: int = 96, height: int = 64) -> Array:
    """A smooth sRGB picture of colours that are neither dark nor at the gamut's edge."""
    x, y = np.meshgrid(np.linspace(40, 230, width), np.linspace(40, 230, height))
    return np.stack([x, y, 260 - (x + y) / 2], axis=2).round().astype(np.uint8)


def encode(image: Image.Image | Array, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, format, **options)
    return out.getvalue()


def pixels_of(data: bytes, **options: Any) -> Array:
    photo = decode(data, wanted_px=224, **options)
    assert photo.mode == "RGB"
    assert "icc_profile" not in photo.info, "it would be converted twice"
    return np.asarray(photo).astype(int)


def difference(data: bytes, wanted: Array, **options: Any) -> float:
    """The mean difference of a channel, in levels of 255."""
    return float(np.abs(pixels_of(data, **options) - wanted).mean())


@pytest.mark.parametrize("space", WIDE)
@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0.5),
        ("TIFF", {}, 0.5),
        ("TIFF", {"compression": "tiff_lzw"}, 0.5),
        ("WEBP", {"lossless": True}, 0.5),
        ("JPEG", {"quality": 100, "subsampling": 0}, 1.5),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 1.5),
    ],
)
def test_an_embedded_profile_is_converted(
    space: str, format: str, options: dict[str, Any], tolerance: float
) -> None:
    data = encode(in_space(picture(), space), format, icc_profile=profile(space), **options)
    assert difference(data, picture()) <= tolerance
    # Without the conversion it is another picture: the test can fail.
    assert difference(data, picture(), to_srgb=False) > 5


@pytest.mark.parametrize("space", WIDE)
def test_a_heic_is_converted_as_the_others(space: str) -> None:
    heif = pytest.importorskip("pillow_heif")
    out, image = io.BytesIO(), Image.fromarray(in_space(picture(), space))
    image.info["icc_profile"] = profile(space)
    heif.from_pillow(image).save(out, quality=100, chroma=444)
    assert difference(out.getvalue(), picture()) <= 2
    assert difference(out.getvalue(), picture(), to_srgb=False) > 5


def test_a_photo_decoded_at_a_fraction_is_converted_too() -> None:
    whole = picture(1200, 900)
    data = encode(in_space(whole, "Display P3"), "JPEG", icc_profile=profile("Display P3"))
    small = decode(data, wanted_px=100)
    assert small.size == (300, 225)
    wanted = np.asarray(Image.fromarray(whole).reduce(4)).astype(int)
    assert np.abs(np.asarray(small) - wanted).mean() <= 2


def test_transparent_colours_are_converted_before_they_are_laid_over_white() -> None:
    alpha = np.tile(np.linspace(0, 255, 96).round(), (64, 1)).astype(np.uint8)
    rgba = np.dstack([in_space(picture(), "ProPhoto"), alpha])
    share = alpha[:, :, None] / 255
    wanted = picture() * share + 255 * (1 - share)
    assert difference(encode(rgba, "PNG", icc_profile=profile("ProPhoto")), wanted) <= 1


def test_a_palette_is_converted() -> None:
    colours = picture().reshape(-1, 3)[::97][:16]
    image = Image.fromarray((np.arange(64 * 96).reshape(64, 96) % 16).astype(np.uint8), "P")
    image.putpalette(in_space(colours, "Adobe RGB").ravel().tolist())
    wanted = colours[np.asarray(image)]
    assert difference(encode(image, "PNG", icc_profile=profile("Adobe RGB")), wanted) <= 0.5


def test_grey_by_a_profile_of_grey() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    light = (ramp / 255) ** 1.0
    wanted = 255 * colour_profiles.stored(light, None)[:, :, None]
    for kind, values in (("PNG", ramp), ("TIFF", ramp), ("PNG", ramp.astype(np.uint16) * 257)):
        data = encode(values, kind, icc_profile=grey_profile(1.0))
        assert np.abs(pixels_of(data) - wanted).max() <= 1
    both = Image.merge("LA", [Image.fromarray(ramp), Image.new("L", (256, 8), 255)])
    assert difference(encode(both, "PNG", icc_profile=grey_profile(1.0)), wanted) <= 0.5


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_by_its_profile(format: str) -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0], inks[..., 3] = 255, np.linspace(0, 255, 16).round()
    image = Image.frombytes("CMYK", (16, 16), inks.tobytes())
    options = {"quality": 100} if format == "JPEG" else {}
    pixels = pixels_of(encode(image, format, icc_profile=cmyk_profile(), **options))
    # The profile says that cyan isn't seen, and that full black is black: the inks aren't inverted.
    assert np.ptp(pixels, axis=2).max() <= 3
    assert pixels[:, 0].min() > 250
    assert pixels[:, -1].max() < 5
    without = pixels_of(encode(image, format, **options))
    assert without[:, 0, 0].max() < 30


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_profile_of_another_kind_of_pixels_is_left_out_silently(mode: str) -> None:
    image = Image.fromarray(picture()).convert(mode)
    others = {"L": profile("ProPhoto"), "RGB": grey_profile(1.0), "CMYK": profile("ProPhoto")}
    data = encode(image, "JPEG", icc_profile=others[mode])
    assert difference(data, pixels_of(encode(image, "JPEG"))) == 0
    assert inspect(data).remarks == ()


P3 = profile("Display P3")
# A chain of 3 x 3 matrices, each an identity. Source: ICC.1:2022, 10.17.
_STAGES = 5000
_STAGE = b"matf" + bytes(4) + struct.pack(">HH12f", 3, 3, *(1, 0, 0, 0, 1, 0, 0, 0, 1), *(0, 0, 0))
ELEMENTS = (
    b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, _STAGES)
    + struct.pack(">II", 16 + 8 * _STAGES, len(_STAGE)) * _STAGES + _STAGE
)  # fmt: skip
WHITE = [(b"wtpt", colour_profiles.xyz(colour_profiles.D50))]
BROKEN = {
    "short": P3[:100],
    "truncated": P3[:-40],
    "no profile": b"x" * 3000,
    "another signature": P3[:36] + b"????" + P3[40:],
    "a device link": P3[:12] + b"link" + P3[16:],
    "tags beyond the end": P3[:148] + b"\xff\xff\xff\xf0" + P3[152:],
    "no tags": packed([], b"RGB "),
    "processing elements": packed([(b"D2B0", b"mpet" + bytes(60))], b"RGB "),
    "thousands of elements": packed([*WHITE, (b"D2B1", ELEMENTS)], b"RGB "),
    "elements in place of a table": packed([*WHITE, (b"A2B0", ELEMENTS)], b"RGB "),
    "elements after many tags": packed(
        [*WHITE, *((b"x%03d" % each, b"") for each in range(120)), (b"D2B0", ELEMENTS)], b"RGB "
    ),
    "too large": P3 + bytes(colour.MAX_PROFILE_BYTES),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_profile_that_cannot_be_used_is_reported_and_the_photo_read_as_srgb(name: str) -> None:
    for format in ("PNG", "TIFF") if name == "too large" else ("JPEG", "TIFF"):
        data = encode(picture(), format, icc_profile=BROKEN[name])
        assert difference(data, pixels_of(encode(picture(), format))) == 0
        ((reason, message),) = inspect(data).remarks
        assert reason == "colour_profile"
        assert "read as sRGB" in message


def test_a_png_with_more_profile_or_text_than_pillow_unpacks() -> None:
    large = profile("ProPhoto") + bytes(2 * 2**20)
    data = encode(in_space(picture(), "ProPhoto"), "PNG", icc_profile=large)
    assert difference(data, picture()) <= 0.5
    text = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 * 2**20)))
    assert difference(with_chunks(encode(picture(), "PNG"), text), picture()) == 0


def test_random_damage_of_a_profile_never_costs_the_photo() -> None:
    random = np.random.default_rng(5)
    for whole in (P3, cmyk_profile(), grey_profile(2.2)):
        mode = {b"RGB ": "RGB", b"CMYK": "CMYK", b"GRAY": "L"}[whole[16:20]]
        image = Image.fromarray(picture(8, 8)).convert(mode)
        for _ in range(60):
            damaged = np.frombuffer(whole, np.uint8).copy()
            where = random.integers(0, len(damaged), 5)
            damaged[where] = random.integers(0, 256, 5)
            data = encode(image, "TIFF", icc_profile=damaged.tobytes())
            assert pixels_of(data).shape == (8, 8, 3)
            inspect(data)


def test_srgb_under_any_name_changes_no_pixel() -> None:
    for same in (profile("sRGB"), matrix_profile(colour_profiles.SPACES["sRGB"][0])):
        data = encode(picture(), "PNG", icc_profile=same)
        assert difference(data, picture()) == 0


def test_few_conversions_are_kept() -> None:
    for number in range(40):
        pixels_of(encode(picture(8, 8), "PNG", icc_profile=profile("ProPhoto") + bytes([number])))
    assert len(colour._CONVERSIONS._found) <= colour._KEPT_TRANSFORMS


def test_threads_give_what_one_gives() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    sent = [
        encode(np.roll(noise, n, 0), "PNG", icc_profile=profile(WIDE[n % 3]), compress_level=1)
        for n in range(24)
    ]
    alone = [pixels_of(data) for data in sent]
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(pixels_of, sent), alone, strict=True):
            assert np.array_equal(found, wanted)


# --- colours that a file describes otherwise -------------------------------------------------


def with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with more chunks behind its header."""
    made = b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return data[:33] + made + data[33:]


def test_code_points_of_a_png() -> None:
    data = encode(in_space(picture(), "Display P3"), "PNG")
    assert difference(with_chunks(data, (b"cICP", bytes([12, 13, 0, 1]))), picture()) <= 0.5
    # They come before a profile; sRGB's change nothing, nor do those that we don't know.
    both = encode(in_space(picture(), "Display P3"), "PNG", icc_profile=profile("ProPhoto"))
    assert difference(with_chunks(both, (b"cICP", bytes([12, 13, 0, 1]))), picture()) <= 0.5
    plain = encode(picture(), "PNG")
    for codes in ([1, 13, 0, 1], [2, 2, 0, 1], [9, 16, 0, 1], [200, 200, 0, 1], [12]):
        assert difference(with_chunks(plain, (b"cICP", bytes(codes))), picture()) == 0


def test_gamma_and_chromaticities_of_a_png() -> None:
    xy = colour_profiles.SPACES["Adobe RGB"][0]
    white_first = b"".join(struct.pack(">I", round(v * 100_000)) for v in (*xy[6:], *xy[:6]))
    gamma = struct.pack(">I", round(100_000 * 256 / 563))
    data = encode(in_space(picture(), "Adobe RGB"), "PNG")
    wide = with_chunks(data, (b"cHRM", white_first), (b"gAMA", gamma))
    assert difference(wide, picture()) <= 0.5
    linear = (255 * colour_profiles.linear(picture() / 255, None)).round().astype(np.uint8)
    dark = encode(linear, "PNG")
    found = pixels_of(with_chunks(dark, (b"gAMA", struct.pack(">I", 100_000))))
    assert np.abs(found - picture()).mean() < 2
    # sRGB's gamma, as many programs write it, changes nothing; nor does nonsense.
    plain = encode(picture(), "PNG")
    for chunk in ((b"gAMA", gamma), (b"gAMA", bytes(4)), (b"cHRM", bytes(32))):
        assert difference(with_chunks(plain, chunk), picture()) == 0


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_code_points_of_a_heif(format: str) -> None:
    wide = Image.fromarray(in_space(picture(), "Display P3"))
    if format == "HEIF":
        heif, out = pytest.importorskip("pillow_heif"), io.BytesIO()
        codes = {"color_primaries": 12, "transfer_characteristics": 13}
        heif.from_pillow(wide).save(out, quality=100, chroma=444, **codes)
        data = out.getvalue()
    else:
        data = encode(wide, "AVIF", quality=100, subsampling="4:4:4")
        place = data.index(b"colrnclx") + 8
        data = data[:place] + struct.pack(">HH", 12, 13) + data[place + 4 :]
    assert difference(data, picture()) <= 2
    assert difference(data, picture(), to_srgb=False) > 5


# --- every entry point -----------------------------------------------------------------------


@pytest.fixture
def wide() -> bytes:
    return encode(in_space(picture(), "Display P3"), "PNG", icc_profile=profile("Display P3"))


def predictor_of(model: Path, version: str, budget: DecodingBudget | None = None) -> Predictor:
    """The predictor of a model that was trained with a version of the preprocessing."""
    folder = find_artifact(model)
    description = read_description(folder)
    values = dict(description.preprocessing) | {"version": version}
    if version == "1":
        del values["version"]  # as the first ones may lack it
    description = replace(description, preprocessing=values)
    return Predictor(
        description, open_runtime(folder, description), folder=folder, decoding_budget=budget
    )


def test_every_way_into_the_predictor_converts(
    tiny_model: Path, tmp_path: Path, wide: bytes
) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(wide)
    wanted = Preprocessing(size_px=64).view(decode(wide, wanted_px=64), "centre")
    stored = Preprocessing(size_px=64).view(decode(wide, wanted_px=64, to_srgb=False), "centre")
    assert np.abs(wanted.astype(int) - stored).max() > 10
    for version, pixels in (("2", wanted), ("1", stored)):
        for budget in (None, DecodingBudget()):
            predictor = predictor_of(tiny_model, version, budget)
            with Image.open(path) as opened:
                ways: list[Any] = [wide, path, str(path), lambda: wide, opened]
                for way in ways:
                    views = predictor.decode(way)
                    assert not isinstance(views, PhotoError)
                    assert np.array_equal(views[0], pixels)


def test_an_explanation_shows_the_colours_that_the_network_saw(
    tiny_model: Path, wide: bytes
) -> None:
    found = np.asarray(predictor_of(tiny_model, "2").explain(wide, None)).astype(int)
    again = np.asarray(predictor_of(tiny_model, "2").explain(encode(picture(), "PNG"), None))
    old = np.asarray(predictor_of(tiny_model, "1").explain(wide, None))
    assert np.abs(found - again).mean() < np.abs(found - old).mean() / 3


def test_a_model_of_a_later_preprocessing_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ArtifactError, match="preprocessing that this dogbreed doesn't have"):
        predictor_of(tiny_model, "3")


def test_thumbnails_and_what_is_sent_are_srgb(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(
        encode(in_space(picture(600, 400), "Display P3"), "PNG", icc_profile=profile("Display P3"))
    )
    uri = thumbnails(tmp_path, [tmp_path / "a.png"])[tmp_path / "a.png"].uri
    assert uri is not None
    sent = downscaled((tmp_path / "a.png").read_bytes(), 192)
    for data in (base64.b64decode(uri.split(",")[1]), sent):
        with Image.open(io.BytesIO(data)) as small:
            assert small.size == (192, 128)
            assert "icc_profile" not in small.info
            wanted = np.asarray(Image.fromarray(picture(600, 400)).resize(small.size)).astype(int)
            assert np.abs(np.asarray(small) - wanted).mean() < 2


# --- real photos -----------------------------------------------------------------------------


@pytest.mark.runs
@needs(REAL_PHOTOS)
@needs(REAL_WEIGHTS)
def test_converted_copies_of_real_photos_get_the_same_answers(tmp_path: Path, train: Train) -> None:
    """99 % of the test photos of 10 breeds; tests/benchmarks/colour_spaces.py measures more."""
    for split in ("train", "valid", "test"):
        (tmp_path / "photos" / split).mkdir(parents=True)
        for folder in sorted((REAL_PHOTOS / split).iterdir())[::12]:
            (tmp_path / "photos" / split / folder.name).symlink_to(folder)
    done = train(
        f"data.root={tmp_path / 'photos'}",
        "data.links=true",
        f"model.weights={REAL_WEIGHTS}",
        "features.views=1",
        "trainer.epochs=20",
    )
    assert done.returncode == 0, done.stderr
    paths = sorted((tmp_path / "photos" / "test").glob("*/*.jpg"))
    shares = agreements(tmp_path / "outputs" / "latest", paths, ("PNG",))
    assert shares["Display P3", "PNG"] >= 0.99
    assert shares["Adobe RGB", "PNG"] >= 0.99
