"""The built-in data set: six invented dog breeds, drawn from a seed, never downloaded.

A drawing is made of one shape, the capsule (two circles and what lies between them), so that a
body, an ear and a fir tree are each one line of numbers. Backgrounds, light and camera are drawn
from the same ranges for every breed: only the coat's pattern, the ears, the proportions and the
tail tell the breeds apart, and each pair of coat colours belongs to two breeds.
"""

import math
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_VERSION = 1  # raise it with every change that alters a pixel, so that old folders are redrawn
_MARKER = ".drawing"
_LONG_PX, _SHORT_PX = 320, 240
_FINE = 2  # dogs are drawn this much larger and reduced: smooth edges

_Points = NDArray[np.float64]  # (corners, 2), x to the right and y down
_Layers = dict[str, list[_Points]]
_Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Breed:
    """How a breed differs from the others; lengths are in heights of an average dog's leg."""

    name: str
    coat: _Colour
    mark: _Colour
    pattern: str
    pricked: bool
    length: float
    girth: float
    legs: float
    muzzle: float
    tail: tuple[tuple[float, float, float], ...]  # (x, y, radius) from the rump outwards


_WHITE, _BLACK = (236, 230, 220), (48, 44, 46)
_TAN, _UMBER = (196, 142, 88), (74, 48, 34)
_APRICOT, _RUST = (218, 168, 108), (158, 102, 56)

BREEDS = (
    Breed(name="Spotted_Longear", coat=_WHITE, mark=_BLACK, pattern="spots", pricked=False,
          length=1.25, girth=0.42, legs=0.85, muzzle=0.34,
          tail=((0, 0, 0.09), (-0.35, 0.05, 0.07), (-0.65, -0.25, 0.03))),
    Breed(name="Patched_Prickear", coat=_WHITE, mark=_BLACK, pattern="patches", pricked=True,
          length=1.05, girth=0.44, legs=0.65, muzzle=0.26,
          tail=((0, 0, 0.11), (-0.15, -0.3, 0.06))),
    Breed(name="Brindle_Lowback", coat=_TAN, mark=_UMBER, pattern="brindle", pricked=False,
          length=1.75, girth=0.40, legs=0.36, muzzle=0.38,
          tail=((0, 0, 0.09), (-0.4, -0.15, 0.06), (-0.6, -0.4, 0.03))),
    Breed(name="Saddled_Herder", coat=_TAN, mark=_UMBER, pattern="saddle", pricked=True,
          length=1.4, girth=0.44, legs=0.9, muzzle=0.36,
          tail=((0, 0, 0.1), (-0.3, 0.25, 0.17), (-0.45, 0.6, 0.06))),
    Breed(name="Curly_Waterhound", coat=_APRICOT, mark=_RUST, pattern="curls", pricked=False,
          length=1.15, girth=0.48, legs=0.8, muzzle=0.26,
          tail=((0, 0, 0.07), (-0.2, -0.3, 0.06), (-0.22, -0.42, 0.16))),
    Breed(name="Plain_Foxtail", coat=_APRICOT, mark=_RUST, pattern="plain", pricked=True,
          length=1.2, girth=0.34, legs=1.0, muzzle=0.30,
          tail=((0, 0, 0.09), (-0.3, -0.3, 0.13), (-0.05, -0.55, 0.13), (0.12, -0.4, 0.05))),
)  # fmt: skip

PHOTOS_PER_BREED = {"train": 40, "valid": 12, "test": 12}


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """A background: two colours, the grain of the ground, and what stands on the horizon."""

    far: _Colour
    ground: _Colour
    grain_px: tuple[int, int]
    prop: _Colour
    prop_shape: tuple[float, float, float]  # height, radius at the foot, radius at the top


_SCENES = (
    _Scene(far=(168, 204, 230), ground=(110, 152, 74), grain_px=(3, 9),
           prop=(78, 122, 66), prop_shape=(0.08, 0.13, 0.10)),  # meadow and bushes
    _Scene(far=(196, 212, 226), ground=(226, 231, 238), grain_px=(26, 12),
           prop=(84, 116, 112), prop_shape=(0.34, 0.09, 0.01)),  # snow and firs
    _Scene(far=(214, 196, 170), ground=(150, 106, 70), grain_px=(80, 5),
           prop=(120, 140, 150), prop_shape=(0.0, 0.0, 0.0)),  # a room with a wooden floor
    _Scene(far=(150, 200, 214), ground=(214, 190, 144), grain_px=(14, 5),
           prop=(198, 172, 124), prop_shape=(0.02, 0.20, 0.12)),  # sand and dunes
    _Scene(far=(206, 186, 176), ground=(146, 142, 140), grain_px=(4, 4),
           prop=(172, 120, 96), prop_shape=(0.5, 0.12, 0.12)),  # a street
)  # fmt: skip


def draw_samples(root: Path, *, seed: int = 0) -> Path:
    """Draw the set as `root/{train,valid,test}/<Breed>/<NNN>.jpg` unless it's there already.

    The same seed gives the same bytes on the same versions of Pillow and numpy. Returns `root`.
    Raises OSError where it can't write, FileExistsError where `root` holds anything that this
    function didn't draw.
    """
    marker = f"drawing {_VERSION}, seed {seed}\n"
    if _is_whole(root, marker):
        return root
    # Only whole sets are ever renamed to `root`, so files without a marker are somebody's own.
    if root.exists() and not (root / _MARKER).is_file() and any(root.iterdir()):
        raise FileExistsError(
            f"{root} holds files that aren't drawn samples: name a new or an empty folder"
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        drawn = Path(temporary, "drawn")
        for breed_index, breed in enumerate(BREEDS):
            for split_index, (split, count) in enumerate(PHOTOS_PER_BREED.items()):
                folder = drawn / split / breed.name
                folder.mkdir(parents=True)
                for index in range(count):
                    rng = np.random.default_rng([seed, breed_index, split_index, index])
                    photo, quality = _photo(breed, rng)
                    photo.save(folder / f"{index:03d}.jpg", quality=quality)
        (drawn / _MARKER).write_text(marker, encoding="utf-8")
        _publish(drawn, root, marker)
    return root


def _is_whole(root: Path, marker: str) -> bool:
    try:
        if (root / _MARKER).read_text(encoding="utf-8") != marker:
            return False
    except FileNotFoundError:
        return False
    photos = sum(1 for _ in root.glob("*/*/*.jpg"))
    return photos == len(BREEDS) * sum(PHOTOS_PER_BREED.values())


def _publish(drawn: Path, root: Path, marker: str) -> None:
    """Rename `drawn` to `root`; a process that was quicker has written the same bytes."""
    if root.exists() and not _is_whole(root, marker):
        root.rename(drawn.with_name("retired"))
    try:
        drawn.rename(root)
    except OSError:
        if not _is_whole(root, marker):
            raise


def _photo(breed: Breed, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """One photo of the breed and the JPEG quality to write it with."""
    sitting = bool(rng.random() < 0.4)
    portrait = rng.random() < (0.5 if sitting else 0.1)
    size = (_SHORT_PX, _LONG_PX) if portrait else (_LONG_PX, _SHORT_PX)
    layers = _skeleton(breed, sitting, rng)
    unit_px = _place(layers, size, rng)
    photo = _background(size, layers, rng)
    photo = photo.resize((size[0] * _FINE, size[1] * _FINE), Image.Resampling.BILINEAR)
    _dog(photo, layers, breed, unit_px, rng)
    photo = photo.reduce(_FINE).filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 0.8)))
    return _light(photo, rng), int(rng.integers(72, 96))


def _capsule(x1: float, y1: float, r1: float, x2: float, y2: float, r2: float) -> _Points:
    """The outline round two circles, neither of which swallows the other."""
    distance = math.hypot(x2 - x1, y2 - y1)
    heading = math.atan2(y2 - y1, x2 - x1)
    meet = math.acos(min(1.0, max(-1.0, (r1 - r2) / max(distance, 1e-6))))
    front = heading + np.linspace(-meet, meet, 14)
    back = heading + np.linspace(meet, 2 * math.pi - meet, 14)
    angles = np.concatenate([front, back])
    radii, xs, ys = (np.repeat(pair, 14) for pair in ((r2, r1), (x2, x1), (y2, y1)))
    return np.stack([xs + radii * np.cos(angles), ys + radii * np.sin(angles)], axis=1)


def _skeleton(breed: Breed, sitting: bool, rng: np.random.Generator) -> _Layers:
    """The dog's outlines by layer, facing right, its feet at y = 0."""
    layers: _Layers = defaultdict(list)
    girth = breed.girth * rng.uniform(0.92, 1.08)
    chest_x, chest_y = breed.length / 2, -breed.legs - girth * 0.8
    rump_x, rump_y = -chest_x, chest_y + girth * 0.05
    if sitting:
        rump_x, rump_y = chest_x - breed.length * 0.72, -girth * 0.95
    layers["body"].append(_capsule(rump_x, rump_y, girth * 0.85, chest_x, chest_y, girth))
    back = girth * 0.5
    layers["saddle"].append(
        _capsule(rump_x, rump_y - back, girth * 0.7, chest_x - 0.1, chest_y - back, girth * 0.7)
    )
    thick = 0.10 + girth * 0.12
    for layer, shift in (("back", 0.16), ("near", -0.06)):
        hind = rump_x + shift
        foot = hind + rng.uniform(-0.15, 0.15)
        if sitting:
            hind, foot = rump_x + 0.1 + shift, rump_x + girth * 0.9 + shift
            layers[layer].append(_capsule(hind, -girth * 0.6, girth * 0.62, foot, -0.14, 0.14))
        else:
            layers[layer].append(_capsule(hind, rump_y, girth * 0.7, foot, -0.09, thick * 0.8))
        layers[layer].append(_capsule(foot, -0.1, 0.1, foot + 0.14, -0.09, 0.09))
        front = chest_x + shift + 0.04
        foot = front + rng.uniform(-0.12, 0.12)
        layers[layer].append(_capsule(front, chest_y, thick * 1.5, foot, -0.1, thick * 0.8))
        layers[layer].append(_capsule(foot, -0.1, 0.1, foot + 0.14, -0.09, 0.09))
    wag = rng.uniform(-0.15, 0.15)
    start_x, start_y = rump_x - girth * 0.6, rump_y - girth * 0.35
    for (x1, y1, r1), (x2, y2, r2) in zip(breed.tail, breed.tail[1:], strict=False):
        ends = (start_x + x1, start_y + y1 + wag * -x1, r1, start_x + x2, start_y + y2 + wag * -x2)
        layers["back"].append(_capsule(*ends, r2))
    _head(layers, breed, chest_x + girth * 0.2, chest_y - girth * 0.4, rng)
    return layers


def _head(layers: _Layers, breed: Breed, x: float, y: float, rng: np.random.Generator) -> None:
    """Add neck and head, turned by `yaw` from profile (0) towards the viewer."""
    yaw, tilt = rng.uniform(0.05, 1.25), rng.uniform(-0.25, 0.2)
    head_x, head_y = x + rng.uniform(0.15, 0.32), y - rng.uniform(0.5, 0.62)
    layers["body"].append(_capsule(x - 0.1, y + 0.1, 0.3, head_x - 0.05, head_y, 0.25))
    along = np.array([head_x - x, head_y - y])
    collar = np.array([x, y]) + 0.42 * along
    across = np.array([-along[1], along[0]]) / np.hypot(*along) * 0.24
    ends = (*(collar - across), 0.045, *(collar + across + 0.04), 0.045)
    layers["collar"].append(_capsule(*ends))

    def part(layer: str, *circles: tuple[float, float, float, float]) -> None:
        """Two circles given as (forward, side, down, radius), seen under yaw and tilt."""
        ends: list[float] = []
        for forward, side, down, radius in circles:
            right = forward * math.cos(yaw) - side * math.sin(yaw)
            ends += [
                head_x + right * math.cos(tilt) - down * math.sin(tilt),
                head_y + right * math.sin(tilt) + down * math.cos(tilt),
                radius,
            ]
        layers[layer].append(_capsule(*ends))

    tip = 0.12 + breed.muzzle
    part("head", (-0.04, 0, -0.02, 0.34), (0.06, 0, 0.04, 0.30))
    part("muzzle", (0.14, 0, 0.12, 0.2), (tip, 0, 0.16, 0.14))
    part("nose", (tip + 0.07, -0.04, 0.09, 0.055), (tip + 0.07, 0.04, 0.09, 0.055))
    if rng.random() < 0.5:
        part("tongue", (tip - 0.08, 0.01, 0.29, 0.05), (tip - 0.06, 0, 0.42, 0.06))
    part("mouth", (tip + 0.05, 0, 0.22, 0.012), (tip - 0.2, 0.12, 0.25, 0.012))
    for side in (-1, 1):
        ear = "ear" if side > 0 else "far ear"
        if breed.pricked:
            part(ear, (-0.06, 0.19 * side, -0.22, 0.14), (-0.1, 0.26 * side, -0.60, 0.025))
        else:
            part(ear, (-0.08, 0.28 * side, -0.16, 0.10), (-0.14, 0.38 * side, 0.34, 0.14))
        if side > 0 or yaw > 0.5:
            part("eye", (0.22, 0.15 * side, -0.05, 0.05), (0.23, 0.15 * side, -0.06, 0.05))
            part("glint", (0.26, 0.14 * side, -0.08, 0.016), (0.27, 0.14 * side, -0.08, 0.016))


def _place(layers: _Layers, size: tuple[int, int], rng: np.random.Generator) -> float:
    """Move the outlines into the photo, mirrored or not; returns photo pixels per unit."""
    width, height = size
    if rng.random() < 0.5:
        for outlines in layers.values():
            outlines[:] = [points * (-1, 1) for points in outlines]
    angle = rng.normal(0.0, 0.06)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = np.concatenate([points @ turn for outlines in layers.values() for points in outlines])
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = np.array(size) - 12
    unit_px = float(min(room / (high - low)) * rng.uniform(0.78, 1.0))
    slack = room - (high - low) * unit_px
    start = 6 + slack * np.array([rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.0)])
    for outlines in layers.values():
        outlines[:] = [(points @ turn - low) * unit_px + start for points in outlines]
    return unit_px


def _fill(draw: ImageDraw.ImageDraw, outlines: list[_Points], colour: Any, scale: int = 1) -> None:
    for points in outlines:
        draw.polygon((points * scale).ravel().tolist(), fill=colour)


def _noise(size: tuple[int, int], cell_px: tuple[float, float], rng: np.random.Generator) -> Image.Image:
    """Smooth grey noise whose bumps are `cell_px` wide and high."""
    cells = tuple(max(2, round(side / cell)) for side, cell in zip(size, cell_px, strict=True))
    grid = Image.fromarray(rng.integers(0, 256, cells[::-1], dtype=np.uint8))
    return grid.resize(size, Image.Resampling.BICUBIC)


def _vary(colour: _Colour, rng: np.random.Generator, spread: float = 14) -> _Colour:
    red, green, blue = np.clip(rng.normal(colour, spread / 2) + rng.normal(0, spread), 0, 255)
    return int(red), int(green), int(blue)


def _background(size: tuple[int, int], layers: _Layers, rng: np.random.Generator) -> Image.Image:
    """A scene out of focus, with the dog's shadow on the ground."""
    width, height = size
    scene = _SCENES[rng.integers(len(_SCENES))]
    photo = Image.new("RGB", size, _vary(scene.far, rng))
    draw = ImageDraw.Draw(photo)
    horizon = height * rng.uniform(0.45, 0.7)
    tall, foot, top = scene.prop_shape
    for _ in range(rng.integers(2, 7) if tall else 0):
        x, grow = rng.uniform(0, width), height * rng.uniform(0.7, 1.3)
        tree = _capsule(x, horizon, foot * grow, x + 1, horizon - tall * grow, top * grow)
        _fill(draw, [tree], _vary(scene.prop, rng))
    ground = _vary(scene.ground, rng)
    darker = tuple(int(channel * 0.78) for channel in ground)
    grain = _noise(size, scene.grain_px, rng)
    patch = Image.composite(Image.new("RGB", size, ground), Image.new("RGB", size, darker), grain)
    photo.paste(patch.crop((0, int(horizon), width, height)), (0, int(horizon)))
    feet = np.concatenate(layers["near"] + layers["back"])
    feet_y = feet[:, 1].max() - 3
    shadow = Image.new("L", size)
    oval = (feet[:, 0].min() - 8, feet_y - 12, feet[:, 0].max() + 8, feet_y + 8)
    ImageDraw.Draw(shadow).ellipse(oval, fill=110)
    photo.paste((30, 28, 40), mask=shadow.filter(ImageFilter.BoxBlur(5)))
    return photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 2.0)))


def _dog(photo: Image.Image, layers: _Layers, breed: Breed, unit_px: float, rng: np.random.Generator) -> None:
    """Draw the dog into the photo, layer by layer from back to front."""
    pixel = unit_px * _FINE
    mark = _vary(breed.mark, rng)
    marking = _marking(photo.size, breed, layers, pixel, rng)
    coat = Image.composite(
        Image.new("RGB", photo.size, mark), Image.new("RGB", photo.size, _vary(breed.coat, rng)), marking
    )
    fur = _noise(photo.size, (0.03 * pixel, 0.05 * pixel), rng).point([v // 5 for v in range(256)])
    coat.paste((40, 30, 30), mask=fur)
    shaded = coat.point([int(v * 0.8) for v in range(256)] * 3)
    light = Image.blend(coat, Image.new("RGB", photo.size, (250, 236, 214)), 0.35)
    rim = tuple(int(channel * 0.45) for channel in mark)
    ears = Image.blend(coat, Image.new("RGB", photo.size, mark), 0.8)
    draw = ImageDraw.Draw(photo)
    flat = {
        "collar": _vary((180, 90, 90), rng, 60), "tongue": (226, 120, 128), "nose": (40, 32, 34),
        "mouth": (60, 40, 40), "eye": (38, 26, 22), "glint": (250, 250, 250),
    }  # fmt: skip
    furry = {"back": shaded, "body": coat, "near": coat, "far ear": ears, "head": coat,
             "muzzle": light, "ear": ears}  # fmt: skip
    order = ("back", "body", "near", "collar", "far ear", "head", "tongue", "muzzle", "mouth",
             "nose", "eye", "glint", "ear")  # fmt: skip
    for layer in order:
        if layer in flat:
            _fill(draw, layers[layer], flat[layer], _FINE)
            continue
        mask = Image.new("L", photo.size)
        _fill(ImageDraw.Draw(mask), layers[layer], 255, _FINE)
        for points in layers[layer]:
            corners = (points * _FINE).ravel().tolist()
            draw.line(corners + corners[:4], fill=rim, width=5, joint="curve")
        photo.paste(furry[layer], mask=mask)


def _marking(
    size: tuple[int, int], breed: Breed, layers: _Layers, pixel: float, rng: np.random.Generator
) -> Image.Image:
    """How much of the mark's colour lies where, 0..255."""
    if breed.pattern == "plain":
        return _noise(size, (0.5 * pixel, 0.5 * pixel), rng).point([v // 3 for v in range(256)])
    if breed.pattern in ("patches", "brindle"):
        cell = (0.5, 0.45) if breed.pattern == "patches" else (0.07, 0.4)
        edge = rng.integers(120, 150)
        steep = [min(255, max(0, (v - edge) * 12 + 128)) for v in range(256)]
        return _noise(size, (cell[0] * pixel, cell[1] * pixel), rng).point(steep)
    marking = Image.new("L", size)
    draw = ImageDraw.Draw(marking)
    if breed.pattern == "saddle":
        _fill(draw, layers["saddle"], 240, _FINE)
        return marking.filter(ImageFilter.BoxBlur(0.06 * pixel))
    count = int(size[0] * size[1] / pixel**2 * (14 if breed.pattern == "spots" else 70))
    xs, ys = rng.uniform(0, size[0], count), rng.uniform(0, size[1], count)
    radii = pixel * (rng.uniform(0.025, 0.085, count) if breed.pattern == "spots" else rng.uniform(0.05, 0.1, count))
    for x, y, radius, start in zip(xs, ys, radii, rng.uniform(0, 360, count), strict=True):
        box = (x - radius, y - radius, x + radius, y + radius)
        if breed.pattern == "spots":
            draw.ellipse(box, fill=255)
        else:
            draw.arc(box, start, start + 230, fill=220, width=round(0.035 * pixel))
    return marking


def _light(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, warmth, a light from one side, and the sensor's noise."""
    width, height = photo.size
    warmth = rng.uniform(-0.1, 0.1)
    gain = rng.uniform(0.75, 1.1) * np.array([1 + warmth, 1, 1 - warmth])
    slope_x, slope_y = rng.uniform(-0.2, 0.2, 2)
    shade = 1 + slope_x * np.linspace(-1, 1, width) + slope_y * np.linspace(-1, 1, height)[:, None]
    pixels = np.asarray(photo, dtype=np.float32)
    pixels = pixels * shade[..., None].astype(np.float32) * gain.astype(np.float32)
    # One value per pixel: JPEG drops most of what differs between the colours anyway.
    noise = rng.standard_normal((height, width, 1), dtype=np.float32)
    pixels += noise * np.float32(rng.uniform(1, 8))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
