"""The command launch/teardown.py: list and delete this project's resources, and verify it."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from dogbreed.cloud.aws.account import Account, account_arguments, sign_in
from dogbreed.cloud.aws.account_keys import checked_keys
from dogbreed.cloud.aws.errors import is_missing, translate_errors
from dogbreed.cloud.endpoints.cloudwatch import LOG_GROUP
from dogbreed.cloud.endpoints.deletion import delete_all
from dogbreed.cloud.endpoints.inventory import (
    ALARM_KIND,
    ARCHIVE_KIND,
    CONFIG_KIND,
    ENDPOINT_KIND,
    GROUP_KIND,
    MODEL_KIND,
    PACKAGE_KIND,
    PIPELINE_KIND,
    RULE_KIND,
    SCALING_KIND,
    SCHEDULE_KIND,
    TRAINING_KIND,
    TRANSFORM_KIND,
    TUNING_KIND,
    UPLOAD_KIND,
    Resource,
    find_all,
)
from dogbreed.cloud.endpoints.lifecycle import check_endpoint_name
from dogbreed.cloud.endpoints.ownership import (
    holds_others,
    of_owner,
    sentence_of_others,
    serves_another,
    shown,
)
from dogbreed.configuration.commands import typed
from dogbreed.configuration.deploy import TeardownConfig
from dogbreed.errors import ConfigError, Stopped
from dogbreed.training.run_folder import log, log_to_terminal

# A resource is deleted before those that it depends on.
ORDER = (
    *(RULE_KIND, PIPELINE_KIND),
    *(SCHEDULE_KIND, SCALING_KIND, ALARM_KIND, TUNING_KIND, TRAINING_KIND, TRANSFORM_KIND),
    *(ENDPOINT_KIND, CONFIG_KIND, MODEL_KIND, PACKAGE_KIND, GROUP_KIND, ARCHIVE_KIND),
    UPLOAD_KIND,
)
LOG_GROUPS = {
    ENDPOINT_KIND: LOG_GROUP,
    TRAINING_KIND: "/aws/sagemaker/TrainingJobs",
    TUNING_KIND: "/aws/sagemaker/TrainingJobs",
    TRANSFORM_KIND: "/aws/sagemaker/TransformJobs",
}


def tear_down(config: TeardownConfig) -> bool:
    """List the resources, delete the chosen ones; return whether all of those are gone.

    Raises:
        CloudError, ConfigError: two choices at once, an invalid key, or AWS refuses to list.
    """
    if config.endpoint is not None and config.all:
        raise ConfigError("endpoint=NAME and all=true: give one of them.")
    if config.endpoint is not None:
        check_endpoint_name(config.endpoint)
    config = replace(config, launcher=checked_keys(config.launcher))
    log_to_terminal()
    account = sign_in(config.launcher, needs_role=False)
    found = _list(account, config)
    if config.endpoint is None and not config.all:
        _log_list(account, config, found)
        return True
    chosen, others = _chosen(account, config, found)
    if not chosen and not others:
        what = "this project" if config.all else f"an endpoint {config.endpoint}"
        log.info("there are no resources of %s in %s", what, account.region)
    if not chosen:
        return True
    with _resumable():
        errors = delete_all(account, config, chosen)
        left = [resource for resource in _list(account, config) if _same(resource, chosen)]
    for resource in left:
        why = errors.get((resource.kind, resource.name), "it still exists")
        log.error("left: %s: %s", resource, why)
    log.info("verified: %d deleted, %d left", len(chosen) - len(left), len(left))
    _log_retained(account, config, chosen)
    return not left


def _chosen(
    account: Account, config: TeardownConfig, found: Sequence[Resource]
) -> tuple[list[Resource], list[Resource]]:
    """The resources to delete, and those that are left to their owners."""
    named = [each for each in found if config.all or each.endpoint == config.endpoint]
    owned = of_owner(named, config.owner, account.owner)
    owned = [each for each in owned if not serves_another(each, owned, found)]
    owned = [each for each in owned if not holds_others(each, owned, found)]
    others = [each for each in named if each not in owned]
    if others:
        log.info("%s", sentence_of_others(others))
    return _not_needed(account, owned, found), others


@contextmanager
def _resumable() -> Iterator[None]:
    """Name the way to resume in an exception that ends the block."""
    try:
        with translate_errors("deleting (run it again to continue)"):
            yield
    except Stopped as stopped:
        raise Stopped("stopped: run it again to continue.", stopped.exit_code - 128) from stopped


def _list(account: Account, config: TeardownConfig) -> list[Resource]:
    with translate_errors("listing this project's resources"):
        found = find_all(account, config.launcher)
    return sorted(found, key=lambda resource: (ORDER.index(resource.kind), resource.name))


def _log_list(account: Account, config: TeardownConfig, found: Sequence[Resource]) -> None:
    if not found:
        log.info("there are no resources of this project in %s", account.region)
        return
    for resource in found:
        log.info("%s", shown(resource, account.owner))
    log.info(
        "\nnothing was deleted. %s endpoint=NAME%s deletes those of an\n"
        "endpoint, all=true all of the above: of both only yours (owner %s), unless owner=NAME\n"
        "names another owner, or owner=all takes everybody's.",
        *(typed("teardown"), account_arguments(config.launcher), account.owner),
    )
    _log_retained(account, config)


def _log_retained(
    account: Account, config: TeardownConfig, deleted: Sequence[Resource] = ()
) -> None:
    log.info(
        "Photos, features and results of jobs are retained: aws s3 rm --recursive %s",
        shlex.quote(f"s3://{account.bucket}/{config.launcher.prefix}/"),
    )
    groups = {
        LOG_GROUPS.get(resource.kind, "").format(name=resource.name)
        for resource in deleted
        if resource.kind in LOG_GROUPS
    }
    if groups:
        log.info(
            "Logs are retained: %s (aws logs delete-log-group --region %s --log-group-name NAME)",
            *(", ".join(sorted(groups)), account.region),
        )


def _same(resource: Resource, chosen: Sequence[Resource]) -> bool:
    return any((resource.kind, resource.name) == (each.kind, each.name) for each in chosen)


def _not_needed(
    account: Account, chosen: Sequence[Resource], found: Sequence[Resource]
) -> list[Resource]:
    """The chosen resources, without archives that what is left still needs."""
    with translate_errors("reading the models"):
        others = [resource for resource in found if resource not in chosen]
        needed = _archives_of(account.client("sagemaker"), others)
    folders = {uri.rpartition("/")[0] for uri in needed}
    return [
        resource
        for resource in chosen
        if resource.kind != ARCHIVE_KIND or resource.name.rpartition("/")[0] not in folders
    ]


def _archives_of(client: Any, resources: Sequence[Resource]) -> set[str]:
    """The archives that models and registered versions refer to; errors are botocore's."""
    uris = set()
    for resource in resources:
        try:
            containers = _containers(client, resource)
        except ClientError as error:
            if not is_missing(error):  # somebody may have deleted it since the listing
                raise
            continue
        uris |= {container.get("ModelDataUrl", "") for container in containers}
    return uris


def _containers(client: Any, resource: Resource) -> Sequence[dict[str, Any]]:
    """The containers of a model or registered version; none of another resource."""
    if resource.kind == MODEL_KIND:
        model = client.describe_model(ModelName=resource.name)
        # A model that a pipeline deploys has Containers instead.
        return model.get("Containers") or [model["PrimaryContainer"]]
    if resource.kind == PACKAGE_KIND:
        package = client.describe_model_package(ModelPackageName=resource.name)
        return list(package["InferenceSpecification"]["Containers"])
    return []
