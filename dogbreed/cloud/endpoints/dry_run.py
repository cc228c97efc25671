"""dry_run=true of a deployment: log what would be packed, sent and paid."""

import tarfile

import yaml

from dogbreed.artifact.servers.base import ServingImage
from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.endpoints.archive import Archive
from dogbreed.cloud.endpoints.serving_costs import serving_costs
from dogbreed.cloud.jobs.inputs import MEGABYTE
from dogbreed.configuration.deploy import BATCH, DeployConfig
from dogbreed.training.run_folder import log


def log_plan(account: Account, config: DeployConfig, archive: Archive, image: ServingImage) -> None:
    """Log the complete plan; nothing is sent."""
    log.info("\nWould pack %s (%.2f MB):", archive.label, archive.size_bytes / MEGABYTE)
    with tarfile.open(archive.file) as tape:
        for member in tape:
            log.info("  %9d  %s", member.size, member.name)
    log.info("Would upload it, where S3 doesn't have it yet, to %s", archive.uri)
    for operation, request in account.requests:
        text = yaml.safe_dump(request, sort_keys=False, allow_unicode=True, width=200)
        log.info("\nWould send %s:", operation)
        for line in text.rstrip().split("\n"):
            log.info("%s", line)
    log.info("\nContainer: %s.", image.uri)
    log.info(
        "Checked: the configuration; the model's files; every request fits the service's model."
    )
    for note in (*account.notes, *([image.note] if image.note else [])):
        log.info("Note: %s.", note)
    if config.deploy.ttl_hours is not None:
        log.info(
            "Note: an EventBridge schedule deletes the endpoint after %.12g h; "
            "scheduler.amazonaws.com must be allowed to assume its role.",
            config.deploy.ttl_hours,
        )
    if config.deploy.kind != BATCH:
        log.info(
            "Note: if the endpoint %s of this project exists, UpdateEndpoint is sent instead of "
            "CreateEndpoint, and the endpoint continues to serve.",
            config.endpoint,
        )
    log.info("")
    for line in serving_costs(config.deploy):
        log.info("%s", line)
    log.info("\nNothing was sent. Without dry_run=true this would be deployed.")
