"""The work of launch/deploy.py: a model packed, sent, put to use, tried out."""

import tempfile
from pathlib import Path

from dogbreed.cloud.account import Account, same_place, sign_in, stand_in
from dogbreed.cloud.archive import pack, send
from dogbreed.cloud.attempt import Attempt
from dogbreed.cloud.batch import photos_of, run_batch
from dogbreed.cloud.config import BATCH, DeployConfig
from dogbreed.cloud.deploy_plan import tell_plan
from dogbreed.cloud.endpoint_requests import Deployment, attempt_name, check_deployment
from dogbreed.cloud.expiry import schedule_expiry
from dogbreed.cloud.registry import check_group, register
from dogbreed.cloud.scaling import scale, wanted
from dogbreed.cloud.serving_costs import serving_costs
from dogbreed.cloud.serving_images import serving_image
from dogbreed.cloud.staging import MEGABYTE
from dogbreed.cloud.trial_photo import read_trial, try_out
from dogbreed.runs import log, log_to_terminal


def deploy(config: DeployConfig) -> None:
    """Put a model to use as the configuration says.

    Raises:
        DogbreedError: what the user can mend, in one sentence; `Stopped` after Ctrl-C, with what
            is left in the account and how to delete it.
    """
    log_to_terminal()
    check_deployment(config)
    trial = read_trial(config.photo)
    account = stand_in(config.launcher) if config.dry_run else sign_in(config.launcher)
    image = serving_image(account.region, config.deploy)
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(account, config, Path(folder))
        it = Deployment(
            name=attempt_name(config.endpoint), model_uri=archive.uri, image_uri=image.uri
        )
        attempt = Attempt(account, config, it)
        if account.dry:
            _ask_for_all(account, config, attempt)
            if config.deploy.register:
                register(account, config, archive, it)
            tell_plan(account, config, archive, image)
            return
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
        if config.deploy.kind == BATCH:
            run_batch(account, config, attempt)
        else:
            attempt.to_endpoint()
            # Before the registry, so that nothing that goes wrong there hides what costs.
            _tell_endpoint(account, config, *trial)
        if config.deploy.register:
            log.info("registered: %s", register(account, config, archive, it))


def _ask_for_all(account: Account, config: DeployConfig, attempt: Attempt) -> None:
    """Every request of a deployment, to a dry account."""
    if config.deploy.kind == BATCH:
        attempt.make_model()
        photos = photos_of(account, config)
        attempt.start_job(photos.uri)
        if photos.root is not None:
            log.info("Would upload %d photos to %s", len(photos.paths), photos.uri)
        return
    schedule_expiry(account, config, attempt.it.name)
    attempt.make_model()
    attempt.make_config()
    attempt.start_endpoint()
    scaling = wanted(config)
    if scaling is not None:
        scale(account, config, scaling)


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
            "\nask it:     python launch/query.py endpoint=%s%s photo.jpg\n"
            "delete all: python launch/teardown.py endpoint=%s%s",
            *(config.endpoint, place, config.endpoint, place),
        )
