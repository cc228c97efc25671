"""The command launch/deploy.py: pack and upload a model, deploy it, run a smoke test."""

import tempfile
from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import Account, account_arguments, sign_in
from dogbreed.cloud.aws.account_keys import (
    checked_keys,
    refuse_empty,
)
from dogbreed.cloud.aws.dry_account import dry_run_account, dry_run_copy
from dogbreed.cloud.aws.roles import ROLE_KEY
from dogbreed.cloud.aws.s3_names import check_uri, is_s3_uri
from dogbreed.cloud.endpoints.alarms import put_alarms
from dogbreed.cloud.endpoints.archive import Archive, pack, upload_archive
from dogbreed.cloud.endpoints.batch import run_batch
from dogbreed.cloud.endpoints.batch_photos import Photos, photos_of
from dogbreed.cloud.endpoints.deploy_keys import (
    ROLE_NOTE,
    check_deployment,
    check_keys_in_region,
)
from dogbreed.cloud.endpoints.dry_run import log_plan
from dogbreed.cloud.endpoints.endpoint_requests import ServedModel, deployment_name
from dogbreed.cloud.endpoints.endpoint_rollout import deploy_endpoint
from dogbreed.cloud.endpoints.expiry import schedule_expiry
from dogbreed.cloud.endpoints.lifetime import with_lifetime
from dogbreed.cloud.endpoints.registry import check_group, register
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.cloud.endpoints.scaling import configured, scale
from dogbreed.cloud.endpoints.serving_costs import serving_costs
from dogbreed.cloud.endpoints.serving_images import serving_image
from dogbreed.cloud.endpoints.smoke_test import SmokeTest, read_smoke_photo
from dogbreed.cloud.jobs.inputs import MEGABYTE
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import BATCH, DeployConfig
from dogbreed.training.run_folder import log, log_to_terminal


def deploy(config: DeployConfig) -> None:
    """Deploy a model as configured.

    Raises:
        DogbreedError: one sentence with the reason and the remedy; `Stopped` after Ctrl-C names
            what is left in the account and how to delete it.
    """
    log_to_terminal()
    config = _checked(config)
    photo = read_smoke_photo(config.photo)
    account = _account(config)
    check_keys_in_region(config, account.region)
    image = serving_image(account.region, config.deploy)
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(account, config, Path(folder))
        config = with_lifetime(config, sample_set=archive.sample_set)
        deployment = ServedModel(
            name=deployment_name(config.endpoint), model_uri=archive.uri, image_uri=image.uri
        )
        photos = photos_of(account, config) if config.deploy.kind == BATCH else None
        dry_account = account if account.dry else dry_run_copy(account)
        _send_all_requests(Rollout(dry_account, config, deployment), archive, photos)
        if account.dry:
            if photos is not None and photos.local:
                log.info(
                    "Would upload %d photos, where S3 doesn't have them yet, and %s, which lists "
                    "them",
                    *(photos.count, photos.source.uri),
                )
            log_plan(account, config, archive, image)
            return
        rollout = Rollout(account, config, deployment)
        if image.note:
            log.warning("warning: %s", image.note)
        log.info(
            "model: %s, %d classes, %.1f MB to %s",
            *(archive.label, archive.classes, archive.size_bytes / MEGABYTE, archive.uri),
        )
        if config.deploy.register:
            check_group(account, config.deploy.register)
        if photos is not None:
            upload_archive(account, archive, config.launcher.output_kms_key)
            run_batch(rollout, photos)
        else:
            rollout.inspect_endpoint()
            test = SmokeTest.prepare(archive.folder, *photo)
            upload_archive(account, archive, config.launcher.output_kms_key)
            arguments = account_arguments(config.launcher)
            deploy_endpoint(rollout, lambda: test.run(account, config.endpoint, arguments))
            # Before registering the model, so that an error there can't hide the costs.
            _log_commands(config)
        if config.deploy.register:
            log.info("registered: %s", register(account, config, archive, deployment))


def _checked(config: DeployConfig) -> DeployConfig:
    """Validate the configuration; return it with the account's keys normalized.

    Raises:
        ConfigError: names the key and the reason.
    """
    refuse_empty(config)
    check_deployment(config)
    for key, uri in (("model", config.model), ("deploy.photos", config.deploy.photos)):
        if uri is not None and is_s3_uri(uri):
            check_uri(key, uri)
    return replace(config, launcher=checked_keys(config.launcher))


def _account(config: DeployConfig) -> Account:
    """Sign in, with the execution role of the endpoint or job."""
    launcher, role_key = config.launcher, ROLE_KEY
    if config.deploy.role is not None:
        launcher, role_key = replace(launcher, role=config.deploy.role), "deploy.role"
    else:
        log.info("%s", ROLE_NOTE)
    if config.dry_run:
        return dry_run_account(launcher, role_key=role_key)
    return sign_in(launcher, role_key=role_key)


def _send_all_requests(rollout: Rollout, archive: Archive, photos: Photos | None) -> None:
    """Send every request of a deployment to a dry-run account, which validates them."""
    account, config = rollout.account, rollout.config
    if photos is not None:
        rollout.create_model()
        rollout.start_job(photos.source)
    else:
        schedule_expiry(account, config, rollout.deployment.name)
        rollout.create_model()
        rollout.create_config()
        rollout.start_endpoint()
        if config.deploy.alarms:
            put_alarms(account, config)
        scaling = configured(config)
        if scaling is not None:
            scale(account, config, scaling)
    if config.deploy.register:
        register(account, config, archive, rollout.deployment)


def _log_commands(config: DeployConfig) -> None:
    """Log the costs and the commands that query and delete the endpoint."""
    arguments = account_arguments(config.launcher)
    log.info("")
    for line in serving_costs(config.deploy):
        log.info("%s", line)
    log.info(
        "\nquery it:   %s endpoint=%s%s photo.jpg\ndelete all: %s endpoint=%s%s",
        *(typed("query"), config.endpoint, arguments),
        *(typed("teardown"), config.endpoint, arguments),
    )
