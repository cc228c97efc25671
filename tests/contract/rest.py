"""The operations of services that name them by method and path alone."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

INVOKE, INVOKE_ASYNC = "InvokeEndpoint", "InvokeEndpointAsync"

REST_OPERATIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "scheduler": (
        ("GET", r"/schedules", "ListSchedules"),
        ("GET", r"/schedules/[^/]+", "GetSchedule"),
        ("POST", r"/schedules/[^/]+", "CreateSchedule"),
        ("PUT", r"/schedules/[^/]+", "UpdateSchedule"),
        ("DELETE", r"/schedules/[^/]+", "DeleteSchedule"),
        ("GET", r"/schedule-groups", "ListScheduleGroups"),
        ("GET", r"/schedule-groups/[^/]+", "GetScheduleGroup"),
        ("POST", r"/schedule-groups/[^/]+", "CreateScheduleGroup"),
        ("DELETE", r"/schedule-groups/[^/]+", "DeleteScheduleGroup"),
    ),
    # Requests to an endpoint are signed for sagemaker, too; all else there has a name.
    "sagemaker": (
        ("POST", r"/endpoints/[^/]+/invocations", INVOKE),
        ("POST", r"/endpoints/[^/]+/async-invocations", INVOKE_ASYNC),
    ),
}


def rest_operation(service: str, environ: "WSGIEnvironment") -> str:
    """The operation of a request; empty if it isn't known."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    for its_method, pattern, name in REST_OPERATIONS[service]:
        if its_method == method and re.fullmatch(pattern, path):
            return name
    return ""
