"""The invented dog breeds, and how a photo of one is drawn from random numbers.

A drawing is made of one shape, the capsule (two circles and what is between them), so that a
body, an ear and a fir tree are each one line of numbers. Backgrounds, light and camera are drawn
from the same ranges for every breed: only the coat's pattern, the ears, the proportions and the
tail distinguish the breeds, and each pair of coat colours belongs to two breeds.
"""

import cmath
import math
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

VERSION = 1  # raise it with every change that alters a pixel, so that old folders are redrawn
_LONG_PX, _SHORT_PX = 320, 240
_MARGIN_PX = 6  # between the dog and the photo's edge
_FINE = 2  # dogs are drawn this much larger and reduced: smooth edges

_Points = NDArray[np.float64]  # (corners, 2), x to the right and y down
_Layers = dict[str, list[_Points]]
_Size = tuple[int, int]
_Colour = tuple[int, int, int]


class Breed(NamedTuple):
    """How a breed differs from the others; a tall dog's leg is 1 unit long."""

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
_WHIP = ((0, 0, 0.09), (-0.35, 0.05, 0.07), (-0.65, -0.25, 0.03))
_STUB = ((0, 0, 0.11), (-0.15, -0.3, 0.06))
_BRUSH = ((0, 0, 0.1), (-0.3, 0.25, 0.16), (-0.45, 0.6, 0.05))
_POMPON = ((0, 0, 0.07), (-0.2, -0.3, 0.06), (-0.22, -0.42, 0.16))
_SICKLE = ((0, 0, 0.08), (-0.2, -0.1, 0.1), (-0.3, -0.4, 0.12), (-0.2, -0.6, 0.1), (0, -0.6, 0.03))

BREEDS = (
    Breed("Spotted_Longear", _WHITE, _BLACK, "spots", False, 1.25, 0.42, 0.85, 0.34, _WHIP),
    Breed("Patched_Prickear", _WHITE, _BLACK, "patches", True, 1.05, 0.44, 0.65, 0.26, _STUB),
    Breed("Brindle_Lowback", _TAN, _UMBER, "brindle", False, 1.75, 0.40, 0.36, 0.38, _WHIP),
    Breed("Saddled_Herder", _TAN, _UMBER, "saddle", True, 1.4, 0.44, 0.9, 0.36, _BRUSH),
    Breed("Curly_Waterhound", _APRICOT, _RUST, "curls", False, 1.15, 0.48, 0.8, 0.26, _POMPON),
    Breed("Plain_Foxtail", _APRICOT, _RUST, "plain", True, 1.2, 0.34, 1.0, 0.30, _SICKLE),
)


class _Scene(NamedTuple):
    """A background, and what stands on its horizon."""

    far: _Colour
    ground: _Colour
    grain_px: _Size
    prop: _Colour
    shape: tuple[float, float, float]  # height, radius below and above, in heights of the photo


_SCENES = (
    _Scene((168, 204, 230), (110, 152, 74), (3, 9), (78, 122, 66), (0.08, 0.13, 0.10)),  # meadow
    _Scene((196, 212, 226), (226, 231, 238), (26, 12), (84, 116, 112), (0.34, 0.09, 0.01)),  # snow
    _Scene((214, 196, 170), (150, 106, 70), (80, 5), (188, 168, 146), (1.0, 0.02, 0.02)),  # a room
    _Scene((150, 200, 214), (214, 190, 144), (14, 5), (198, 172, 124), (0.02, 0.20, 0.12)),  # sand
    _Scene((206, 186, 176), (146, 142, 140), (4, 4), (172, 120, 96), (0.5, 0.12, 0.12)),  # a street
)


def draw_photo(breed: Breed, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """Return a photo of the breed, 320 x 240 or 240 x 320 pixels, and its JPEG quality."""
    sitting = bool(rng.random() < 0.4)
    portrait = rng.random() < (0.5 if sitting else 0.1)
    size = (_SHORT_PX, _LONG_PX) if portrait else (_LONG_PX, _SHORT_PX)
    layers = _skeleton(breed, sitting, rng)
    unit_px = _place(layers, size, rng)
    photo = _background(size, layers["back"] + layers["body"], rng)
    _dog(photo, layers, breed, unit_px, rng)
    photo = photo.filter(ImageFilter.BoxBlur(rng.uniform(0.0, 0.5)))
    return _light(photo, rng), int(rng.integers(72, 96))


def _capsule(x1: float, y1: float, r1: float, x2: float, y2: float, r2: float) -> _Points:
    """The outline round two circles; of the larger one alone where it holds the other."""
    distance = math.hypot(x2 - x1, y2 - y1)
    heading = math.atan2(y2 - y1, x2 - x1)
    meet = math.acos(min(1.0, max(-1.0, (r1 - r2) / distance)))
    front, back = np.linspace(-meet, meet, 14), np.linspace(meet, 2 * math.pi - meet, 14)
    angles = heading + np.concatenate([front, back])
    radii, xs, ys = (np.repeat(pair, 14) for pair in ((r2, r1), (x2, x1), (y2, y1)))
    return np.stack([xs + radii * np.cos(angles), ys + radii * np.sin(angles)], axis=1)


def _skeleton(breed: Breed, sitting: bool, rng: np.random.Generator) -> _Layers:
    """The dog's outlines by layer, facing right, its feet at y = 0."""
    layers: _Layers = defaultdict(list)
    girth = breed.girth * rng.uniform(0.92, 1.08)
    chest_x, chest_y = breed.length / 2, -breed.legs - girth * 0.8
    rump_x, rump_y = -chest_x, chest_y - girth * 0.05
    if sitting:
        rump_x, rump_y = chest_x - breed.length * 0.72, -girth * 0.95
    layers["body"].append(_capsule(rump_x, rump_y, girth * 0.78, chest_x, chest_y, girth))
    top = girth * 0.5
    saddle = (rump_x, rump_y - top, girth * 0.7, chest_x - 0.1, chest_y - top, girth * 0.7)
    layers["saddle"].append(_capsule(*saddle))
    thick = 0.08 + girth * 0.1
    for layer, shift in (("back", 0.16), ("body", -0.06)):
        thigh, foot = rump_x + shift, rump_x + shift + rng.uniform(-0.2, 0.12)
        leg = (thigh, rump_y + girth * 0.2, girth * 0.5, foot, -0.09, thick * 0.8)
        if sitting:
            foot = rump_x + girth * 0.9 + shift
            leg = (thigh + 0.1, -girth * 0.6, girth * 0.6, foot, -0.14, 0.13)
        layers["thigh" if sitting and layer == "body" else layer].append(_capsule(*leg))
        front = chest_x + shift + 0.04
        paw = front + rng.uniform(-0.12, 0.12)
        leg = (front, chest_y + girth * 0.2, thick * 1.4, paw, -0.1, thick * 0.8)
        layers[layer].append(_capsule(*leg))
        for x in (foot, paw):
            layers[layer].append(_capsule(x, -0.1, 0.1, x + 0.14, -0.09, 0.09))
    wag = rng.uniform(-0.2, 0.2)
    x, y = rump_x - girth * 0.55, rump_y - girth * 0.3
    for (x1, y1, r1), (x2, y2, r2) in pairwise(breed.tail):
        bone = (x + x1, y + y1 + wag * x1, r1, x + x2, y + y2 + wag * x2, r2)
        layers["back"].append(_capsule(*bone))
    _head(layers, breed, chest_x + girth * 0.2, chest_y - girth * 0.4, rng)
    return layers


def _head(layers: _Layers, breed: Breed, x: float, y: float, rng: np.random.Generator) -> None:
    """Add neck and head, turned by `yaw` from profile (0) towards the viewer."""
    yaw, tilt = rng.uniform(0.05, 1.25), rng.uniform(-0.25, 0.2)
    neck = complex(rng.uniform(0.15, 0.32), -rng.uniform(0.5, 0.62))
    head, collar = complex(x, y) + neck, complex(x, y) + 0.4 * neck
    layers["body"].append(_capsule(x - 0.1, y + 0.1, 0.3, head.real - 0.05, head.imag, 0.25))
    left, right = collar - (0.23 + 0.09j), collar + (0.23 + 0.09j)
    layers["collar"].append(_capsule(left.real, left.imag, 0.045, right.real, right.imag, 0.045))

    def seen(forward: float, side: float, down: float) -> tuple[float, float]:
        across = forward * math.cos(yaw) - side * math.sin(yaw)
        place = head + complex(across, down) * cmath.rect(1, tilt)
        return place.real, place.imag

    def part(layer: str, *circles: tuple[float, float, float, float]) -> None:
        """Two circles, each as (forward, sideways, down, radius) in the head's own directions."""
        (*place1, radius1), (*place2, radius2) = circles
        layers[layer].append(_capsule(*seen(*place1), radius1, *seen(*place2), radius2))

    tip = 0.12 + breed.muzzle
    part("head", (-0.04, 0, -0.02, 0.34), (0.06, 0, 0.04, 0.30))
    part("muzzle", (0.14, 0, 0.12, 0.2), (tip, 0, 0.16, 0.14))
    part("nose", (tip + 0.07, -0.04, 0.09, 0.055), (tip + 0.07, 0.04, 0.09, 0.055))
    part("mouth", (tip + 0.04, 0.02, 0.23, 0.014), (tip - 0.1, 0.08, 0.24, 0.014))
    part("mouth", (tip - 0.1, 0.08, 0.24, 0.014), (tip - 0.2, 0.14, 0.17, 0.014))
    if rng.random() < 0.5:
        part("tongue", (tip - 0.06, 0.01, 0.26, 0.06), (tip - 0.04, 0, 0.36, 0.06))
    for side in (-1, 1):
        ear = "ear" if side > 0 else "far ear"
        if breed.pricked:
            part(ear, (-0.06, 0.19 * side, -0.22, 0.14), (-0.1, 0.26 * side, -0.60, 0.025))
        else:
            part(ear, (-0.08, 0.28 * side, -0.16, 0.10), (-0.14, 0.38 * side, 0.34, 0.14))
        if side > 0 or yaw > 0.5:
            part("eye", (0.22, 0.15 * side, -0.06, 0.052), (0.23, 0.15 * side, -0.07, 0.052))
            part("glint", (0.25, 0.13 * side, -0.09, 0.018), (0.26, 0.13 * side, -0.09, 0.018))


def _place(layers: _Layers, size: _Size, rng: np.random.Generator) -> float:
    """Turn the outlines a little, mirror half of them, fit them in; returns pixels per unit."""
    mirror = (rng.choice([-1, 1]), 1)
    angle = rng.normal(0.0, 0.06)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    for outlines in layers.values():
        outlines[:] = [points * mirror @ turn for points in outlines]
    low, high = _bounds(chain(*layers.values()))
    room = np.array(size) - 2 * _MARGIN_PX
    unit_px = float(min(room / (high - low)) * rng.uniform(0.78, 1.0))
    slack = room - (high - low) * unit_px
    start = _MARGIN_PX + slack * np.array([rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.0)])
    for outlines in layers.values():
        outlines[:] = [(points - low) * unit_px + start for points in outlines]
    return unit_px


def _bounds(outlines: Iterable[_Points]) -> tuple[_Points, _Points]:
    corners = np.concatenate(list(outlines))
    return corners.min(axis=0), corners.max(axis=0)


def _box(outlines: Iterable[_Points]) -> tuple[int, int, int, int]:
    """Integer pixels round the outlines and their rims."""
    low, high = _bounds(outlines)
    return int(low[0]) - 3, int(low[1]) - 3, int(high[0]) + 4, int(high[1]) + 4


def _fill(image: Image.Image, outlines: list[_Points], colour: float | tuple[int, ...]) -> None:
    draw = ImageDraw.Draw(image)
    for points in outlines:
        draw.polygon(points.ravel().tolist(), fill=colour)


def _noise(size: _Size, cell: tuple[float, float], rng: np.random.Generator) -> Image.Image:
    """Smooth grey noise whose bumps are `cell` pixels wide and high."""
    columns, rows = (max(2, round(side / step)) for side, step in zip(size, cell, strict=True))
    grid = Image.fromarray(rng.integers(0, 256, (rows, columns), dtype=np.uint8))
    return grid.resize(size, Image.Resampling.BICUBIC)


def _vary(colour: _Colour, rng: np.random.Generator, spread: float = 12) -> _Colour:
    """The colour somewhat lighter or darker, and a little off in hue."""
    red, green, blue = np.clip(rng.normal(colour, spread / 2) + rng.normal(0, spread), 0, 255)
    return int(red), int(green), int(blue)


def _background(size: _Size, dog: list[_Points], rng: np.random.Generator) -> Image.Image:
    """A scene out of focus, with the dog's shadow on the ground."""
    width, height = size
    scene = _SCENES[rng.integers(len(_SCENES))]
    photo = Image.new("RGB", size, _vary(scene.far, rng))
    horizon = int(height * rng.uniform(0.45, 0.7))
    tall, foot, top = (length * height * rng.uniform(0.8, 1.2) for length in scene.shape)
    for x in rng.uniform(0, width, rng.integers(2, 7)):
        prop = _capsule(x, horizon, foot, x + 1, horizon - tall * rng.uniform(0.7, 1.3), top)
        _fill(photo, [prop], _vary(scene.prop, rng))
    ground = _vary(scene.ground, rng)
    photo.paste(ground, (0, horizon, width, height))
    grain = _noise((width, height - horizon), scene.grain_px, rng)
    dark = (ground[0] * 3 // 4, ground[1] * 3 // 4, ground[2] * 3 // 4)
    photo.paste(dark, (0, horizon, width, height), grain)
    low, high = _bounds(dog)
    shadow = Image.new("L", size)
    ImageDraw.Draw(shadow).ellipse((low[0] - 8, high[1] - 15, high[0] + 8, high[1] + 5), fill=110)
    photo.paste((30, 28, 40), mask=shadow.filter(ImageFilter.BoxBlur(5)))
    return photo.filter(ImageFilter.BoxBlur(rng.uniform(0.5, 2.0)))


def _dog(
    photo: Image.Image, layers: _Layers, breed: Breed, unit_px: float, rng: np.random.Generator
) -> None:
    """Draw the dog into the photo, layer by layer from back to front."""
    left, top, right, bottom = _box(chain(*layers.values()))
    size = ((right - left) * _FINE, (bottom - top) * _FINE)
    canvas = photo.crop((left, top, right, bottom)).resize(size, Image.Resampling.NEAREST)
    for outlines in layers.values():
        outlines[:] = [(points - (left, top)) * _FINE for points in outlines]
    mark, cream = _vary(breed.mark, rng), (250, 236, 214)
    coat = Image.new("RGB", size, _vary(breed.coat, rng))
    coat.paste(mark, mask=_marking(size, breed.pattern, layers["saddle"], unit_px * _FINE, rng))
    hairs = _noise(size, (0.03 * unit_px * _FINE, 0.05 * unit_px * _FINE), rng)
    coat.paste((40, 30, 30), mask=hairs.point([value // 5 for value in range(256)]))
    rim = (mark[0] // 2, mark[1] // 2, mark[2] // 2)
    # From back to front. A fourth number makes the colour a wash over the coat, of 255.
    for layer, colour in (
        ("back", (20, 14, 20, 60)), ("body", (*cream, 0)), ("thigh", (*cream, 0)),
        ("collar", _vary((170, 90, 90), rng, 60)), ("far ear", (*mark, 200)),
        ("head", (*cream, 0)), ("tongue", (226, 120, 128)), ("muzzle", (*cream, 90)),
        ("mouth", (60, 40, 40)), ("nose", (40, 32, 34)), ("eye", (38, 26, 22)),
        ("glint", (250, 250, 250)), ("ear", (*mark, 200)),
    ):  # fmt: skip
        if len(colour) == 3:
            _fill(canvas, layers[layer], colour)
        elif layers[layer]:
            _dress(canvas, layers[layer], coat, colour, rim)
    photo.paste(canvas.reduce(_FINE), (left, top))


def _dress(
    canvas: Image.Image, outlines: list[_Points], coat: Image.Image, wash: tuple[int, ...],
    rim: _Colour,
) -> None:  # fmt: skip
    """Draw one layer with the coat, the wash's colour over it, and a rim."""
    # All rims first: where two parts of one layer meet, no line shows.
    for points in outlines:
        ring = np.concatenate([points, points[:2]])
        ImageDraw.Draw(canvas).line(ring.ravel().tolist(), fill=rim, width=5)
    left, top, right, bottom = _box(outlines)
    fur = coat.crop((left, top, right, bottom))
    ImageDraw.Draw(fur, "RGBA").rectangle((0, 0, *fur.size), fill=wash)
    mask = Image.new("L", fur.size)
    _fill(mask, [points - (left, top) for points in outlines], 255)
    canvas.paste(fur, (left, top), mask)


def _marking(
    size: _Size, pattern: str, saddle: list[_Points], unit: float, rng: np.random.Generator
) -> Image.Image:
    """Where the mark's colour covers the coat's, 0..255; `unit` in pixels."""
    if pattern == "plain":
        faint = [value // 3 for value in range(256)]
        return _noise(size, (0.5 * unit, 0.5 * unit), rng).point(faint)
    if pattern in ("patches", "brindle"):
        wide, high = (0.45, 0.4) if pattern == "patches" else (0.07, 0.4)
        edge = int(rng.integers(125, 155))
        steep = [min(255, max(0, (value - edge) * 12)) for value in range(256)]
        return _noise(size, (wide * unit, high * unit), rng).point(steep)
    marking = Image.new("L", size)
    if pattern == "saddle":
        _fill(marking, saddle, 240)
        return marking.filter(ImageFilter.BoxBlur(0.06 * unit))
    draw = ImageDraw.Draw(marking)
    spots = pattern == "spots"
    per_unit, smallest, largest = (14, 0.025, 0.085) if spots else (70, 0.05, 0.1)
    count = int(per_unit * size[0] * size[1] / unit**2)
    spread = rng.uniform((0, 0, smallest * unit, 0), (*size, largest * unit, 360), (count, 4))
    for x, y, radius, start in spread.tolist():
        box = (x - radius, y - radius, x + radius, y + radius)
        if spots:
            draw.ellipse(box, fill=255)
        else:
            draw.arc(box, start, start + 230, fill=220, width=round(0.035 * unit))
    return marking


def _light(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, warmth, light from one side, and the sensor's noise."""
    width, height = photo.size
    warmth = rng.uniform(-0.08, 0.08)
    gain = rng.uniform(0.75, 1.1) * np.array([1 + warmth, 1, 1 - warmth], dtype=np.float32)
    slope_x, slope_y = rng.uniform(-0.2, 0.2, 2)
    columns, rows = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    shade = (1 + slope_x * columns + slope_y * rows).astype(np.float32)[..., None]
    pixels = np.asarray(photo, dtype=np.float32) * shade
    pixels *= gain
    # One value for all three colours: JPEG drops most of what differs between them.
    noise = rng.standard_normal((height, width, 1), dtype=np.float32)
    pixels += noise * np.float32(rng.uniform(1, 8))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
