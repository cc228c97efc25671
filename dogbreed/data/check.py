"""Every file looked at before training: what can't be used is named, not met in the middle."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dogbreed.data.decoding import photos
from dogbreed.data.decoding.inspection import inspect
from dogbreed.data.layouts.splits import ONE_SPLIT_ONLY, Finding, PhotoFolders, Sample
from dogbreed.errors import DataError, PhotoError
from dogbreed.utils.progress import progress

# So many findings are told on the screen; the run's folder has all of them.
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Folders whose every photo was decoded once, and what was found on the way."""

    folders: PhotoFolders
    digests: dict[Path, bytes]
    findings: tuple[Finding, ...]


def check(
    folders: PhotoFolders,
    *,
    max_bad_share: float = 0.01,
    max_pixels: int = photos.MAX_PIXELS,
    workers: int = 2,
) -> Checked:
    """Read and decode every photo of `folders`; leave out those that can't be used.

    Raises:
        DataError: more than `max_bad_share` of the photos are bad, or a class has none left.
    """
    samples = folders.all_samples()
    digests, remarks = inspect_photos(
        samples, max_pixels=max_pixels, workers=workers, within=folders.within
    )
    found = [finding for finding in folders.findings if finding.reason != ONE_SPLIT_ONLY]
    found += remarks
    kept = folders.without(finding.path for finding in found if finding.bad)
    found += kept.findings  # with those of classes in one split, as it now is
    left_out = [finding for finding in found if finding.bad]
    untrained = sum(finding.photos for finding in folders.findings if finding.bad)
    stop_if_too_many(left_out, len(samples) + untrained, max_bad_share, folders.root)
    if len(kept.classes) < 2:
        raise DataError(f"{folders.root} has fewer than two classes left once bad photos are out.")
    kept.require_photos()
    return Checked(folders=kept, digests=digests, findings=tuple(found))


def inspect_photos(
    samples: Sequence[Sample], *, max_pixels: int, workers: int, within: str | None
) -> tuple[dict[Path, bytes], list[Finding]]:
    """Read and decode photos in `workers` threads: digests of the readable ones, and findings."""
    digests: dict[Path, bytes] = {}
    found: list[Finding] = []
    with progress("checking", len(samples)) as advance, ThreadPoolExecutor(max(1, workers)) as pool:
        results = pool.map(lambda sample: _look(sample.path, max_pixels, within), samples)
        for sample, (digest, remarks) in zip(samples, results, strict=True):
            advance(1)
            if digest is not None:
                digests[sample.path] = digest
            found += remarks
    return digests, found


def _look(path: Path, max_pixels: int, within: str | None) -> tuple[bytes | None, list[Finding]]:
    """The photo's digest, and what is to be said about it."""
    try:
        data = photos.read_bytes(path, within)
        inspected = inspect(data, max_pixels=max_pixels)
    except PhotoError as error:
        return None, [Finding(path=path, reason=error.reason, message=str(error), bad=True)]
    remarks = list(inspected.remarks)
    if path.suffix.lower() not in photos.SUFFIXES_OF[inspected.format]:
        message = f"is a {inspected.format} whatever its name says; used as it is"
        remarks.insert(0, ("wrong_extension", message))
    return photos.digest(data), [
        Finding(path=path, reason=reason, message=message, bad=False) for reason, message in remarks
    ]


def stop_if_too_many(left_out: Sequence[Finding], total: int, max_share: float, root: Path) -> None:
    """Raise a DataError if the photos of `left_out` are more than that share of `total`."""
    bad = sum(finding.photos for finding in left_out)
    if bad <= max_share * total:
        return
    kinds: Counter[str] = Counter()
    for finding in left_out:
        kinds[finding.reason] += finding.photos
    counts = ", ".join(f"{count} {reason}" for reason, count in kinds.most_common())
    raise DataError(
        f"{bad} of {total} photos in {root} can't be used ({counts}); data.max_bad_share allows "
        f"{max_share:.1%}. Mend or remove them, or raise that share:",
        *(f"  {line}" for line in as_lines(left_out, SHOWN)),
    )


def as_lines(findings: Sequence[Finding], limit: int | None = None) -> list[str]:
    """The findings as lines of text: the bad ones first, of the others the rarest kinds first.

    So a limit cuts off the hundredth file of one kind, not the only folder of another.
    """
    counts = Counter(finding.reason for finding in findings if not finding.bad)
    ordered = sorted(findings, key=lambda own: (not own.bad, counts[own.reason], own.reason))
    lines = [f"{finding.reason:<16} {finding.path}: {finding.message}" for finding in ordered]
    if limit is not None and len(lines) > limit:
        return [*lines[:limit], f"... and {len(lines) - limit} more"]
    return lines


def imbalance(counts: Sequence[int]) -> float:
    """How many times more photos the largest class has than the smallest (of `counts` ≥ 1)."""
    return max(counts) / min(counts)
