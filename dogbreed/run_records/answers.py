"""Which test photos a run classified correctly, in and out of the compact form of run.json."""

import base64
from collections.abc import Sequence

from dogbreed.run_records.record import PhotoAnswers

MAX_CLASSES = 2**16


def pack_answers(
    sha256: str, targets: Sequence[int], predicted: Sequence[int], classes: int
) -> PhotoAnswers:
    """The answers to photos of these target classes [n]; `sha256` identifies the photos."""
    right = [target == answer for target, answer in zip(targets, predicted, strict=True)]
    bits = bytearray((len(right) + 7) // 8)
    for place, is_right in enumerate(right):
        bits[place // 8] |= is_right << (7 - place % 8)
    wrong = [answer for answer, is_right in zip(predicted, right, strict=True) if not is_right]
    pairs = b"".join(answer.to_bytes(2) for answer in wrong) if classes <= MAX_CLASSES else b""
    return PhotoAnswers(
        sha256=sha256,
        n=len(right),
        right=base64.b64encode(bits).decode(),
        wrong=base64.b64encode(pairs).decode(),
    )
