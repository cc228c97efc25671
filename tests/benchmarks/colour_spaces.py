"""How often a photo and its copy in another colour space get the same answer.

python tests/benchmarks/colour_spaces.py MODEL PHOTOS [COUNT]

MODEL is a run's folder, PHOTOS one with folders of test photos. The copies have the same colours as
the original, rounded to the 8 bits of their own space; as JPEG (quality 95) they are compressed
once more, which alone changes some answers: see the row of sRGB.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.colour_agreement import agreements


def main(model: str, photos: str, count: str = "240") -> None:
    """Print the shares."""
    paths = sorted(Path(photos).rglob("*.jpg"))
    paths = paths[:: max(1, len(paths) // int(count))][: int(count)]
    print(f"{len(paths)} photos")
    for (space, format), share in agreements(Path(model), paths).items():
        print(f"{space:<12} {format:<5} {share:6.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
