"""dry_run=true: what a launch would send, start and cost at most, and what was checked."""

from collections.abc import Sequence

import yaml

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.costs import Use, most_it_can_cost
from dogbreed.cloud.jobs.staging import MEGABYTE, Staged
from dogbreed.training.run_folder import log

SHOWN_FILES = 8


def tell_plan(
    account: Account, staged: Staged, uses: Sequence[Use], checked: Sequence[str]
) -> None:
    """Print the whole plan; nothing has been sent, nothing is."""
    photos, source = staged.photos, staged.source
    log.info("\nWould pack (%d files, %.2f MB):", len(source.files), len(source.data) / MEGABYTE)
    for name, size in source.files:
        log.info("  %9d  %s", size, name)
    log.info("Would install in the container: %s", ", ".join(source.requirements))
    log.info(
        "\nWould upload, where S3 doesn't have it yet:\n  %6.1f MB  source to %s\n"
        "  %6.1f MB  %d photos to %s",
        *(len(source.data) / MEGABYTE, staged.source_uri, photos.size_bytes / MEGABYTE),
        *(len(photos.files), staged.channels["photos"]),
    )
    for file in photos.files[:SHOWN_FILES]:
        log.info("  %9d  %s", file.size_bytes, file.name)
    if len(photos.files) > SHOWN_FILES:
        log.info("  ... and %d more", len(photos.files) - SHOWN_FILES)
    if staged.weights is not None:
        size = staged.weights.stat().st_size
        log.info("  %6.1f MB  weights to %s", size / MEGABYTE, staged.channels["weights"])
    for operation, request in account.requests:
        text = yaml.safe_dump(request, sort_keys=False, allow_unicode=True, width=200)
        log.info("\nWould send %s:", operation)
        for line in text.rstrip().split("\n"):
            log.info("%s", line)
    log.info("")
    for instance_type, image in staged.images.items():
        patched = f", patched until {image.end_of_patch}" if image.end_of_patch else ""
        log.info("Container on %s: %s%s.", instance_type, image.uri, patched)
    log.info("Checked: %s.", "; ".join(checked))
    for note in (*account.notes, *staged.notes):
        log.info("Note: %s.", note.rstrip("."))
    log.info("")
    sent = photos.size_bytes + len(source.data)
    readers = uses[0].jobs * uses[0].instances  # those after an extraction read its features
    costs = most_it_can_cost(
        uses,
        stored_bytes=sent,
        writes=len(photos.files),
        reads=readers * len(photos.files),
    )
    for line in costs.lines:
        log.info("%s", line)
    log.info("\nNothing was sent. Without dry_run=true this would be started.")
