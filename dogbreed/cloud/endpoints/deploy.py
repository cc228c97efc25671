"""The work of launch/deploy.py: a model packed, sent, put to use, tried out."""

import tempfile
from dataclasses import replace
from pathlib import Path

from dogbreed.cloud.aws.account import ROLE_KEY, Account, rehearsal, same_place, sign_in, stand_in
from dogbreed.cloud.aws.account_keys import (
    check_image,
    check_partition,
    check_role,
    checked_keys,
    refuse_empty,
)
from dogbreed.cloud.aws.s3_names import check_uri, is_address
from dogbreed.cloud.endpoints.archive import Archive, pack, send
from dogbreed.cloud.endpoints.batch import Photos, photos_of, run_batch
from dogbreed.cloud.endpoints.deploy_plan import tell_plan
from dogbreed.cloud.endpoints.endpoint_requests import Deployment, check_deployment, rollout_name
from dogbreed.cloud.endpoints.expiry import schedule_expiry
from dogbreed.cloud.endpoints.registry import check_group, register
from dogbreed.cloud.endpoints.rollout import Rollout
from dogbreed.cloud.endpoints.scaling import scale, wanted
from dogbreed.cloud.endpoints.serving_costs import serving_costs
from dogbreed.cloud.endpoints.serving_images import serving_image
from dogbreed.cloud.endpoints.smoke_test import read_trial, try_out
from dogbreed.cloud.jobs.staging import MEGABYTE
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import BATCH, DeployConfig
from dogbreed.training.run_folder import log, log_to_terminal


def deploy(config: DeployConfig) -> None:
    """Put a model to use as the configuration says.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after Ctrl-C, with what
            is left in the account and how to delete it.
    """
    log_to_terminal()
    config = _checked(config)
    trial = read_trial(config.photo)
    account = _account(config)
    _check_region(config, account.region)
    image = serving_image(account.region, config.deploy)
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(account, config, Path(folder))
        it = Deployment(
            name=rollout_name(config.endpoint), model_uri=archive.uri, image_uri=image.uri
        )
        photos = photos_of(account, config) if config.deploy.kind == BATCH else None
        rehearsed = account if account.dry else rehearsal(account)
        _ask_for_all(Rollout(rehearsed, config, it), archive, photos)
        if account.dry:
            if photos is not None and photos.root is not None:
                log.info("Would upload %d photos to %s", len(photos.paths), photos.uri)
            tell_plan(account, config, archive, image)
            return
        attempt = Rollout(account, config, it)
        if image.note:
            log.warning("warning: %s", image.note)
        log.info(
            "model: %s, %d classes, %.1f MB to %s",
            *(archive.label, archive.classes, archive.size_bytes / MEGABYTE, archive.uri),
        )
        if config.deploy.register:
            check_group(account, config.deploy.register)
        if config.deploy.kind != BATCH:
            attempt.look()
        send(account, archive, config.launcher.output_kms_key)
        if photos is not None:
            run_batch(attempt, photos)
        else:
            attempt.to_endpoint()
            # Before the registry, so that nothing that goes wrong there hides what costs.
            _tell_endpoint(account, config, *trial)
        if config.deploy.register:
            log.info("registered: %s", register(account, config, archive, it))


def _checked(config: DeployConfig) -> DeployConfig:
    """The configuration with the account's keys in normal form, if it can be deployed so.

    Raises:
        ConfigError: which key is wrong, and why.
    """
    refuse_empty(config)
    check_deployment(config)
    if config.deploy.role is not None:
        check_role("deploy.role", config.deploy.role)
    for key, place in (("model", config.model), ("deploy.photos", config.deploy.photos)):
        if place is not None and is_address(place):
            check_uri(key, place)
    return replace(config, launcher=checked_keys(config.launcher))


def _account(config: DeployConfig) -> Account:
    """The account, with the role that models are served under."""
    launcher, role_key = config.launcher, ROLE_KEY
    if config.deploy.role is not None:
        launcher, role_key = replace(launcher, role=config.deploy.role), "deploy.role"
    else:
        log.info(
            "note: deploy.role isn't set: the model is served under launcher.role, which needs the "
            "rights of launch/iam/serving.json"
        )
    if config.dry_run:
        return stand_in(launcher, role_key=role_key)
    return sign_in(launcher, role_key=role_key)


def _check_region(config: DeployConfig, region: str) -> None:
    """Refuse what the region can't use; ConfigError."""
    deploy = config.deploy
    check_image("deploy.image_uri", deploy.image_uri, region)
    if deploy.ttl_role is not None:
        check_role("deploy.ttl_role", deploy.ttl_role, arn_only=True)
        check_partition("deploy.ttl_role", deploy.ttl_role, region)


def _ask_for_all(attempt: Rollout, archive: Archive, photos: Photos | None) -> None:
    """Every request of a deployment, to a dry account."""
    account, config = attempt.account, attempt.config
    if photos is not None:
        attempt.make_model()
        attempt.start_job(photos.uri)
    else:
        schedule_expiry(account, config, attempt.it.name)
        attempt.make_model()
        attempt.make_config()
        attempt.start_endpoint()
        scaling = wanted(config)
        if scaling is not None:
            scale(account, config, scaling)
    if config.deploy.register:
        register(account, config, archive, attempt.it)


def _tell_endpoint(account: Account, config: DeployConfig, name: str, photo: bytes) -> None:
    """Try the endpoint out, and say how to ask, to pay and to delete."""
    place = same_place(config.launcher)
    try:
        try_out(account, config.endpoint, name, photo, place)
    finally:
        log.info("")
        for line in serving_costs(config.deploy):
            log.info("%s", line)
        log.info(
            "\nask it:     %s endpoint=%s%s photo.jpg\ndelete all: %s endpoint=%s%s",
            *(typed("query"), config.endpoint, place),
            *(typed("teardown"), config.endpoint, place),
        )
