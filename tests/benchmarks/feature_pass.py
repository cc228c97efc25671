"""The feature pass against the machine's own matrix product and against eager torch.

python tests/benchmarks/feature_pass.py PHOTOS WEIGHTS
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import row, title

from dogbreed.backbone.architecture import build_backbone
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.preprocessing import CENTRE, Preprocessing
from dogbreed.data.layouts.folders import read_folders
from dogbreed.features.extraction import FrozenPart, Request, fill_caches, open_caches
from dogbreed.runtime.engine import choose_engine
from dogbreed.runtime.limit import photos_per_s_limit
from dogbreed.utils.machine import cores

PHOTOS = 1536
EAGER_PHOTOS = 192
ROUNDS = 3


def main(root: Path, weights: str) -> None:
    backbone = build_backbone("resnet50", weights)
    choice = choose_engine()
    frozen = FrozenPart(backbone, choice)
    samples = read_folders(root).all_samples()[: PHOTOS * ROUNDS]
    requests = [
        Request(path=s.path, digest=photos.digest(s.path.read_bytes()), views=(CENTRE,))
        for s in samples
    ]
    ratios_limit, ratios_eager = [], []
    title(f"feature pass, {choice.name} in {choice.precision}, decoding included")
    with tempfile.TemporaryDirectory() as temporary:
        stores = open_caches(Path(temporary), frozen, (CENTRE,))
        # The first call converts and compiles the network, which isn't part of the rate.
        for number in range(ROUNDS):
            part = requests[number * PHOTOS : (number + 1) * PHOTOS]
            limit = photos_per_s_limit(backbone, choice)
            start = time.perf_counter()
            fill_caches(stores, part[:1], frozen, workers=cores())
            warmed = time.perf_counter()
            count = fill_caches(stores, part, frozen, workers=cores())
            # Each call compiles anew: what the first one took for one photo is taken off.
            rate = count / (time.perf_counter() - warmed - (warmed - start))
            eager = eager_rate(backbone.trunk, backbone.preprocessing, part[:EAGER_PHOTOS])
            after = photos_per_s_limit(backbone, choice)
            limit = (limit + after) / 2
            print(
                f"  round {number + 1}: {rate:.1f} photos/s, product {limit:.1f}, eager {eager:.1f}"
            )
            ratios_limit.append(rate / limit)
            ratios_eager.append(rate / eager)
    of_limit, of_eager = statistics.median(ratios_limit), statistics.median(ratios_eager)
    row(
        f"of what the {choice.precision} matrix product allows",
        f"{of_limit:.2f} x",
        ">= 0.9 x",
        of_limit >= 0.9,
    )
    row(
        "of eager fp32 torch, channels last, batch 32",
        f"{of_eager:.2f} x",
        ">= 2.5 x",
        of_eager >= 2.5,
    )


def photos_per_s(root: Path, name: str, weights: str) -> float:
    """Photos a second of the pass with another backbone, decoding included."""
    frozen = FrozenPart(build_backbone(name, weights), choose_engine())
    requests = [
        Request(path=s.path, digest=photos.digest(s.path.read_bytes()), views=(CENTRE,))
        for s in read_folders(root).all_samples()[: PHOTOS // 2]
    ]
    with tempfile.TemporaryDirectory() as temporary:
        stores = open_caches(Path(temporary), frozen, (CENTRE,))
        started = time.perf_counter()
        fill_caches(stores, requests[:1], frozen, workers=cores())
        warmed = time.perf_counter()
        count = fill_caches(stores, requests, frozen, workers=cores())
        return count / (time.perf_counter() - warmed - (warmed - started))


def eager_rate(
    trunk: torch.nn.Module, preprocessing: Preprocessing, requests: list[Request]
) -> float:
    """Photos a second of the same pass in plain eager torch."""
    start = time.perf_counter()
    for first in range(0, len(requests), 32):
        pixels = [
            preprocessing.view(
                photos.decode(r.path.read_bytes(), wanted_px=preprocessing.size_px), CENTRE
            )
            for r in requests[first : first + 32]
        ]
        with torch.inference_mode():
            trunk(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))
    return len(requests) / (time.perf_counter() - start)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
