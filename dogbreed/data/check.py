"""Decodes every photo before training, so that unreadable ones are reported before any work."""

from collections import Counter
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dogbreed.configuration.schema import AUTO
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.image_formats.base import suffixes_of
from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.layouts.splits import ONE_SPLIT_ONLY, Finding, PhotoFolders, Sample
from dogbreed.errors import DataError, PhotoError
from dogbreed.utils.machine import worker_count
from dogbreed.utils.progress import progress

# Findings that are logged; findings.txt in the run's folder has all of them.
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Folders without unreadable photos, the digest of each photo, and what the check found."""

    folders: PhotoFolders
    digests: dict[Path, bytes]
    findings: tuple[Finding, ...]


def check(
    folders: PhotoFolders,
    *,
    max_bad_share: float = 0.01,
    max_pixels: int = photos.MAX_PIXELS,
    workers: int | str = AUTO,
    known: Container[str] = (),
) -> Checked:
    """Read and decode every photo of `folders`; leave out those that can't be used.

    `workers` threads decode them; "auto": one per core. Photos whose `known_as` is in `known` are
    read and not decoded: an earlier check found nothing about them.

    Raises:
        DataError: more than `max_bad_share` of the photos, and more than one, are unreadable; or a
            class has none left. With 0 none may be.
    """
    samples = folders.all_samples()
    found = [finding for finding in folders.findings if finding.reason != ONE_SPLIT_ONLY]
    digests, remarks = inspect_photos(
        *(samples, max_pixels, worker_count(workers), folders.within, known)
    )
    found += remarks
    usable = folders.without(finding.path for finding in found if finding.bad)
    found += usable.findings  # classes may be in one split alone now
    left_out = [finding for finding in found if finding.bad]
    unread = sum(finding.photos for finding in folders.findings if finding.bad)
    stop_if_too_many(left_out, len(samples) + unread, max_bad_share, folders.root)
    if len(usable.classes) < 2:
        raise DataError(f"{folders.root} has fewer than two classes left once bad photos are out.")
    usable.require_photos()
    return Checked(folders=usable, digests=digests, findings=tuple(found))


def known_as(path: Path, digest: bytes) -> str:
    """What identifies a photo among checked ones: its content, and the format of its name."""
    return f"{digest.hex()}{path.suffix.lower()}"


def known_digest(known: str) -> bytes:
    """The digest in the result of `known_as`."""
    return bytes.fromhex(known.partition(".")[0])


def inspect_photos(
    samples: Sequence[Sample],
    max_pixels: int,
    workers: int,
    within: str | None,
    known: Container[str] = (),
) -> tuple[dict[Path, bytes], list[Finding]]:
    """Read and decode photos in `workers` threads: digests of the readable ones, and findings."""
    digests: dict[Path, bytes] = {}
    found: list[Finding] = []
    with progress("checking", len(samples)) as advance, ThreadPoolExecutor(max(1, workers)) as pool:
        results = pool.map(
            lambda sample: _check_photo(sample.path, max_pixels, within, known), samples
        )
        for sample, (digest, remarks) in zip(samples, results, strict=True):
            advance(1)
            if digest is not None:
                digests[sample.path] = digest
            found += remarks
    return digests, found


def _check_photo(
    path: Path, max_pixels: int, within: str | None, known: Container[str]
) -> tuple[bytes | None, list[Finding]]:
    """The photo's digest (None: it can't be used), and the findings about it."""
    try:
        data = photos.read_bytes(path, within)
        digest = photos.digest(data)
        if known_as(path, digest) in known:
            return digest, []
        inspected = inspect(data, max_pixels=max_pixels)
    except PhotoError as error:
        return None, [Finding(path=path, reason=error.reason, message=str(error), bad=True)]
    remarks = list(inspected.remarks)
    if path.suffix.lower() not in suffixes_of(inspected.format):
        message = f"is a {inspected.format} in spite of its name; it is used"
        remarks.insert(0, ("wrong_extension", message))
    return digest, [
        Finding(path=path, reason=reason, message=message, bad=False) for reason, message in remarks
    ]


def stop_if_too_many(left_out: Sequence[Finding], total: int, max_share: float, root: Path) -> None:
    """Raise a DataError if the photos of `left_out` are more than that share of `total`.

    A single one is an accident however few photos there are, unless none may be bad.
    """
    bad = sum(finding.photos for finding in left_out)
    if bad <= (max(1, max_share * total) if max_share else 0):
        return
    kinds: Counter[str] = Counter()
    for finding in left_out:
        kinds[finding.reason] += finding.photos
    counts = ", ".join(f"{count} {reason}" for reason, count in kinds.most_common())
    raise DataError(
        f"{bad} of {total} photos in {root} can't be used ({counts}): more than "
        f"data.max_bad_share={max_share}. Repair or remove them, or raise that key:",
        *(f"  {line}" for line in as_lines(left_out, SHOWN)),
    )


def as_lines(findings: Sequence[Finding], limit: int | None = None) -> list[str]:
    """The findings as lines of text: the bad ones first, then the others, rarest kinds first.

    So `limit` cuts off the hundredth file of a frequent kind, not the only one of a rare kind.
    """
    counts = Counter(finding.reason for finding in findings if not finding.bad)
    ordered = sorted(findings, key=lambda each: (not each.bad, counts[each.reason], each.reason))
    lines = [f"{finding.reason:<16} {finding.path}: {finding.message}" for finding in ordered]
    if limit is not None and len(lines) > limit:
        return [*lines[:limit], f"... and {len(lines) - limit} more"]
    return lines


def imbalance(counts: Sequence[int]) -> float:
    """How many times more photos the largest class has than the smallest (of `counts` ≥ 1)."""
    return max(counts) / min(counts)
