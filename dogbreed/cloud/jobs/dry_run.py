"""dry_run=true of a launch: log what would be uploaded and started, and the maximum costs."""

from collections.abc import Sequence

import yaml

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.jobs.costs import Stored, Use, launch_costs
from dogbreed.cloud.jobs.inputs import MEGABYTE, JobInputs
from dogbreed.cloud.jobs.price_list import listed_prices
from dogbreed.cloud.jobs.volumes import figures
from dogbreed.training.run_folder import log

SHOWN_FILES = 8


def log_plan(
    account: Account, inputs: JobInputs, uses: Sequence[Use], checked: Sequence[str]
) -> None:
    """Log the complete plan; nothing is sent. `checked` are the validations that passed."""
    photos, source = inputs.photos.plan, inputs.source
    log.info("\nWould pack (%d files, %.2f MB):", len(source.files), len(source.data) / MEGABYTE)
    for name, size in source.files:
        log.info("  %9d  %s", size, name)
    log.info("Would install in the container: %s", ", ".join(inputs.packages.names) or "nothing")
    log.info(
        "\nWould upload, where S3 doesn't have it yet:\n  %6.1f MB  source to %s\n"
        "  %6.1f MB  %d photos to %s",
        *(len(source.data) / MEGABYTE, inputs.source_uri, photos.size_bytes / MEGABYTE),
        *(len(photos.files), inputs.photos.folder.uri),
    )
    for file in photos.files[:SHOWN_FILES]:
        log.info("  %9d  %s", file.size_bytes, file.name)
    if len(photos.files) > SHOWN_FILES:
        log.info("  ... and %d more", len(photos.files) - SHOWN_FILES)
    if wheels := inputs.packages.wheels:
        shown = f"{wheels.size_bytes / MEGABYTE:6.1f} MB" if wheels.wheels else "   not here"
        log.info("  %s  %d wheels to %s", shown, len(wheels.names), inputs.channels["wheels"].uri)
    if inputs.weights is not None:
        size = inputs.weights.stat().st_size
        log.info("  %6.1f MB  weights to %s", size / MEGABYTE, inputs.channels["weights"].uri)
    for operation, request in account.requests:
        text = yaml.safe_dump(request, sort_keys=False, allow_unicode=True, width=200)
        log.info("\nWould send %s:", operation)
        for line in text.rstrip().split("\n"):
            log.info("%s", line)
    log.info("")
    for instance_type, image in inputs.images.items():
        patched = f", patched until {image.end_of_patch}" if image.end_of_patch else ""
        log.info("Container on %s: %s%s.", instance_type, image.uri, patched)
    log.info("Checked: %s.", "; ".join(checked))
    for note in (*account.notes, *inputs.notes):
        log.info("Note: %s.", note.rstrip("."))
    log.info("")
    log.info("Disk of each instance: %d GB for %s.", inputs.volume_gb, figures(inputs.work))
    log_costs(account, inputs, uses)
    log.info("\nNothing was sent. Without dry_run=true this would be started.")


def log_costs(account: Account, inputs: JobInputs, uses: Sequence[Use]) -> None:
    """Log the maximum and the typical costs, at AWS's prices for the region if signed in."""
    plan = inputs.photos.plan
    readers = uses[0].jobs * uses[0].instances  # later jobs read the extracted features
    stored = Stored(
        sent_bytes=plan.size_bytes + len(inputs.source.data),
        written_bytes=inputs.work.written_bytes,
        writes=len(plan.files),
        reads=readers * inputs.photos.count,
    )
    listed = listed_prices(account, [each for use in uses for each in use.types])
    for line in launch_costs(uses, stored, inputs.work, listed.prices).lines:
        log.info("%s", line)
    if listed.note is not None:
        log.info("Note: %s.", listed.note)
