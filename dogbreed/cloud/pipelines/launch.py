"""The command launch/pipeline.py: create or update the pipelines, or print their definitions."""

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dogbreed.artifact.packing import requirements_of
from dogbreed.cloud.aws.account import Account, resolve_role
from dogbreed.cloud.aws.account_keys import check_role
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.aws.regions import partition_of
from dogbreed.cloud.aws.tags import is_ours, tag_list
from dogbreed.cloud.endpoints.deploy_keys import ROLE_NOTE, check_keys_in_region
from dogbreed.cloud.endpoints.event_rules import delete_rule, put_rule
from dogbreed.cloud.endpoints.expiry import schedules_of
from dogbreed.cloud.endpoints.registry import check_group, create_group
from dogbreed.cloud.endpoints.serving_images import serving_image
from dogbreed.cloud.endpoints.serving_wheels import serving_wheels
from dogbreed.cloud.jobs.inputs import upload_inputs
from dogbreed.cloud.jobs.search import Search
from dogbreed.cloud.jobs.trainer import sdk_session
from dogbreed.cloud.pipelines.event_rule import deployment_name, rule_requests
from dogbreed.cloud.pipelines.serving_keys import check_serving_keys, serving_config
from dogbreed.cloud.wheels.storage import upload_wheels
from dogbreed.cloud.wheels.wheel_files import WheelSet
from dogbreed.configuration.commands import typed
from dogbreed.configuration.pipeline import PipelineConfig
from dogbreed.configuration.search import ONE, WHEELS
from dogbreed.errors import CloudError, ConfigError
from dogbreed.training.run_folder import log

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.pipeline import Pipeline


def launch_pipeline(config: PipelineConfig) -> None:
    """Upload the inputs, and create or update the pipelines; with pipeline.start start one.

    Raises:
        DogbreedError: one sentence with the reason and the remedy.
    """
    _check(config)
    search = Search.from_config(config)
    account = search.account
    if config.pipeline.endpoint is not None:
        check_keys_in_region(serving_config(config), account.region)
        if config.deploy.role is None:
            log.info("%s", ROLE_NOTE)
    role = resolve_role(account, config.pipeline.role)
    requirements = requirements_of(config.model.backbone)
    wheels = serving_wheels(config.deploy, requirements, dry=account.dry)
    folder = "" if wheels is None else wheels.digest[:16]
    place = f"s3://{account.bucket}/{config.launcher.prefix}/{WHEELS}/{folder}/"
    workflow, approval = _pipelines(config, search, wheels, place)
    if account.dry:
        _log_definitions(account, config, workflow, approval, role)
        return
    exists = {
        each.name: _check_pipeline(account, each.name) for each in (workflow, approval) if each
    }
    check_group(account, config.pipeline.group, "pipeline.group")
    _check_schedules(account, config.pipeline.endpoint)
    upload_inputs(account, search.config, search.inputs)
    if wheels is not None:
        client, key = account.client("s3"), config.launcher.output_kms_key
        upload_wheels(client, wheels, place, kms_key=key)
    with translate_errors(f"pipeline.group={config.pipeline.group}"):
        create_group(account, config.pipeline.group, config.launcher)
    _upsert(account, config, workflow, role, exists=exists[workflow.name])
    if approval is not None:
        arn = _upsert(account, config, approval, role, exists=exists[approval.name])
        with translate_errors(f"the rule {approval.name}"):
            put_rule(account.client("events"), *rule_requests(account, config, arn, role))
        log.info(
            "an approved model of the group %s is deployed to the endpoint %s, which stays, and "
            "costs, until you delete it",
            *(config.pipeline.group, config.pipeline.endpoint),
        )
    else:
        _delete_approval(account, deployment_name(config))
    if config.pipeline.start:
        with translate_errors(f"starting the pipeline {workflow.name}"):
            execution = workflow.start()
        log.info("started %s: its jobs cost until they end", execution.arn)
    else:
        log.info("pipeline.start=true starts an execution; nothing runs yet")


def _pipelines(
    config: PipelineConfig, search: Search, wheels: WheelSet | None, wheels_uri: str
) -> tuple["Pipeline", "Pipeline | None"]:
    """The workflow, and the pipeline that deploys an approved model, if it is to be."""
    # Importing sagemaker.mlops (SDK 3.27) creates clients, which fails without a region.
    os.environ.setdefault("AWS_DEFAULT_REGION", search.account.region)
    # It also makes every logger write to stderr; those of the SDK say what each step leaves out.
    for name in ("sagemaker", "sagemaker.config"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    from dogbreed.cloud.pipelines.approval import deploy_pipeline
    from dogbreed.cloud.pipelines.workflow import Workflow

    session = sdk_session(search.account, PipelineSession)
    image = serving_image(search.account.region, config.deploy)
    workflow = Workflow(
        config=config,
        search=search,
        session=session,
        image=image,
        wheels=wheels,
        wheels_uri=wheels_uri,
    ).pipeline()
    if config.pipeline.endpoint is None:
        return workflow, None
    serving_role = resolve_role(search.account, config.deploy.role)
    return workflow, deploy_pipeline(search.account, config, session, serving_role)


def _check(config: PipelineConfig) -> None:
    if config.attach is not None:
        raise ConfigError(
            f"attach={config.attach}: a pipeline runs without this command: leave it out."
        )
    if config.search.jobs == ONE:
        raise ConfigError(
            "search.jobs=one: a pipeline takes the best trial of a tuning job: take "
            "search.jobs=many."
        )
    check_serving_keys(config)
    if config.pipeline.role is not None:
        check_role("pipeline.role", config.pipeline.role)


def _check_pipeline(account: Account, name: str) -> bool:
    """Whether there is a pipeline of this name, which must be this project's to be replaced."""
    arn = _arn_of(account, name)
    if arn is not None and not is_ours(account.client("sagemaker"), arn):
        raise CloudError(
            f"pipeline.name: the pipeline {name} exists and isn't this project's: take another "
            "pipeline.name."
        )
    return arn is not None


def _arn_of(account: Account, name: str) -> str | None:
    """The ARN of a pipeline; None if there is none of this name."""
    client = account.client("sagemaker")
    with translate_errors(f"reading the pipeline {name}"):
        try:
            return str(client.describe_pipeline(PipelineName=name)["PipelineArn"])
        except ClientError as error:
            if is_missing(error):
                return None
            raise


def _check_schedules(account: Account, endpoint: str | None) -> None:
    """Check that no schedule of an earlier deployment would delete what a pipeline deploys."""
    if endpoint is not None and schedules_of(account, endpoint):
        raise CloudError(
            f"pipeline.endpoint={endpoint}: a schedule of an earlier deployment deletes this "
            f"endpoint: delete both ({typed('teardown')} endpoint={endpoint}), or take another "
            "pipeline.endpoint."
        )


def _delete_approval(account: Account, name: str) -> None:
    """Delete the pipeline that deployed approved models, and its rule, of an earlier launch."""
    client, arn = account.client("sagemaker"), _arn_of(account, name)
    with translate_errors(f"deleting the pipeline {name}"):
        if arn is None or not is_ours(client, arn):
            return
        try:
            delete_rule(account.client("events"), name)
        except ClientError as error:
            if not is_missing(error):  # a launch that ended early made no rule
                raise
        client.delete_pipeline(PipelineName=name)
    log.info("pipeline %s and its rule: deleted, as pipeline.endpoint=null", name)


def _upsert(
    account: Account, config: PipelineConfig, pipeline: "Pipeline", role: str, *, exists: bool
) -> str:
    """Create or update a pipeline; return its ARN. An existing one has its tags already."""
    with translate_errors(f"the pipeline {pipeline.name}"):
        if exists:
            response = pipeline.update(role_arn=role)
        else:
            response = pipeline.create(role_arn=role, tags=tag_list(config.launcher, account.owner))
    log.info("pipeline %s: %s", pipeline.name, "updated" if exists else "created")
    return str(response["PipelineArn"])


def _log_definitions(
    account: Account,
    config: PipelineConfig,
    workflow: "Pipeline",
    approval: "Pipeline | None",
    role: str,
) -> None:
    for each in (workflow, approval):
        if each is not None:
            log.info("\nWould create or update the pipeline %s:", each.name)
            _log_json(json.loads(each.definition()))
    if approval is not None:
        place = f"arn:{partition_of(account.region)}:sagemaker:{account.region}:{account.id}"
        arn = f"{place}:pipeline/{approval.name}"
        log.info("\nWould create or update the rule of EventBridge that starts %s:", approval.name)
        for request in rule_requests(account, config, arn, role):
            _log_json(request)
    for note in account.notes:
        log.info("Note: %s.", note)
    log.info("\nNothing was sent. Without dry_run=true this would be created.")


def _log_json(value: Any) -> None:
    for line in json.dumps(value, indent=1).split("\n"):
        log.info("%s", line)
