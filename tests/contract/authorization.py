"""What a call needs of IAM: actions, on which resources, and the keys that conditions look at.

Source: the Service Authorization Reference of SageMaker, S3, EventBridge Scheduler, Application
Auto Scaling, CloudWatch Logs and IAM.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from contract.policies import Need
from moto.core.models import DEFAULT_ACCOUNT_ID

SAGEMAKER, SCHEDULER_SERVICE = "sagemaker.amazonaws.com", "scheduler.amazonaws.com"
KINDS = {
    "Endpoint": "endpoint",
    "EndpointConfig": "endpoint-config",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
    "Model": "model",
    "ModelPackage": "model-package",
    "ModelPackageGroup": "model-package-group",
    "Pipeline": "pipeline",
    "TrainingJob": "training-job",
    "TransformJob": "transform-job",
}
# Operations that IAM knows by another name.
S3_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjects": "ListBucket",
    "HeadObject": "GetObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
_VERB = re.compile(r"(Create|Describe|Delete|Update|Stop|Invoke|List)(?=[A-Z])")


def action_of(service: str, operation: str) -> str | None:
    """The action of an operation, by botocore's name of its service; None if it needs none."""
    if (service, operation) == ("sts", "GetCallerIdentity"):
        return None
    if service == "s3":
        operation = S3_ACTIONS.get(operation, operation)
    return f"{'sagemaker' if service == 'sagemaker-runtime' else service}:{operation}"


class Authorization:
    """Returns the permissions that calls need; stores the tags of resources in SageMaker."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._tags: dict[str, dict[str, str]] = {}

    def needs(
        self, service: str, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> list[Need]:
        """Of one call; `request` is its body, where it is JSON."""
        if service == "sts":
            return []
        return list(getattr(self, f"_{service.replace('-', '_')}")(operation, environ, request))

    def _s3(self, operation: str, environ: Mapping[str, Any], body: Any) -> Iterator[Need]:
        bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        context = {"aws:ResourceAccount": DEFAULT_ACCOUNT_ID}
        if prefix := query.get("prefix"):
            context["s3:prefix"] = prefix[0]
        keys = [key] if key else []
        if operation == "DeleteObjects":
            keys = re.findall("<Key>(.*?)</Key>", body.get("xml", ""))
        for place in [f"{bucket}/{each}" for each in keys] or [bucket]:
            action = str(action_of("s3", operation))
            yield Need(action, f"arn:aws:s3:::{place}", context)

    def _sagemaker(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        tags = {each["Key"]: each["Value"] for each in request.get("Tags") or ()}
        requested = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
        for arn in self._sagemaker_arns(operation, environ, request):
            owned = {f"aws:ResourceTag/{k}": v for k, v in self._tags.get(arn, {}).items()}
            yield Need(f"sagemaker:{operation}", arn, {**requested, **owned})
            if operation.startswith("Create") and tags:
                yield Need(
                    "sagemaker:AddTags", arn, {**requested, "sagemaker:TaggingAction": operation}
                )
                self._tags.setdefault(arn, tags)
        if "AutoRollbackConfiguration" in request.get("DeploymentConfig", {}):
            yield Need("cloudwatch:DescribeAlarms", "*")
        definition = request.get("TrainingJobDefinition") or {}
        for role in (*map(request.get, ("RoleArn", "ExecutionRoleArn")), definition.get("RoleArn")):
            if role:
                yield Need("iam:PassRole", role, {"iam:PassedToService": SAGEMAKER})

    def _sagemaker_arns(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> list[str]:
        if operation.startswith("InvokeEndpoint"):
            return [self._arn("sagemaker", f"endpoint/{environ['PATH_INFO'].split('/')[2]}")]
        if operation in ("StartPipelineExecution", "ListPipelineExecutions"):
            return [self._arn("sagemaker", f"pipeline/{request['PipelineName']}")]
        if "PipelineExecutionArn" in request:
            return [str(request["PipelineExecutionArn"])]
        if "ResourceArn" in request:
            return [str(request["ResourceArn"])]
        if operation == "ListTrainingJobsForHyperParameterTuningJob":
            names = {"HyperParameterTuningJob": request["HyperParameterTuningJobName"]}
        elif operation.startswith("List"):
            return ["*"]
        else:
            kind = _VERB.sub("", operation)
            names = {kind: str(request.get(f"{kind}Name", ""))}
            if kind == "Endpoint" and "EndpointConfigName" in request:
                names["EndpointConfig"] = str(request["EndpointConfigName"])
            if operation == "CreateModelPackage":
                group = request["ModelPackageGroupName"]
                names = {"ModelPackage": f"{group}/1", "ModelPackageGroup": group}
        return [
            name if name.startswith("arn:") else self._arn("sagemaker", f"{KINDS[kind]}/{name}")
            for kind, name in names.items()
        ]

    def _scheduler(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        name = environ["PATH_INFO"].rpartition("/")[2]
        query = parse_qs(environ.get("QUERY_STRING", ""))
        group = request.get("GroupName") or query.get("groupName", [""])[0]
        place = f"schedule/{group}/{name}"
        if operation.endswith("Group"):
            place = f"schedule-group/{name}"
        arn = "*" if operation == "ListSchedules" else self._arn("scheduler", place)
        yield Need(f"scheduler:{operation}", arn)
        if "Tags" in request:
            yield Need("scheduler:TagResource", arn)
        if target := request.get("Target"):
            passed = {"iam:PassedToService": SCHEDULER_SERVICE}
            yield Need("iam:PassRole", target["RoleArn"], passed)

    def _application_autoscaling(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        space = {"application-autoscaling:service-namespace": request["ServiceNamespace"]}
        arn = self._arn("application-autoscaling", "scalable-target/0123456789")
        reads = operation.startswith("Describe")
        yield Need(f"application-autoscaling:{operation}", "*" if reads else arn, space)
        if tags := request.get("Tags"):
            requested = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
            yield Need("application-autoscaling:TagResource", arn, requested)

    def _monitoring(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        arn = str(request.get("ResourceARN", "*"))
        if operation in ("PutMetricAlarm", "DeleteAlarms"):
            names = request.get("AlarmNames") or [request["AlarmName"]]
            for arn in (self._arn("cloudwatch", f"alarm:{name}") for name in names):
                yield Need(f"cloudwatch:{operation}", arn)
        else:
            yield Need(f"cloudwatch:{operation}", arn)
        if "Tags" in request:
            yield Need("cloudwatch:TagResource", arn)

    def _events(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        name = request.get("Name") or request.get("Rule")
        arn = self._arn("events", f"rule/{name}") if name else "*"
        yield Need(f"events:{operation}", arn)
        if "Tags" in request:
            yield Need("events:TagResource", arn)
        for target in request.get("Targets", ()):
            passed = {"iam:PassedToService": "events.amazonaws.com"}
            yield Need("iam:PassRole", target["RoleArn"], passed)

    def _logs(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        place = f"log-group:{request['logGroupName']}"
        if stream := request.get("logStreamName"):
            place += f":log-stream:{stream}"
        yield Need(f"logs:{operation}", self._arn("logs", place))

    def _pricing(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        yield Need(f"pricing:{operation}", "*")

    def _iam(
        self, operation: str, environ: Mapping[str, Any], request: dict[str, Any]
    ) -> Iterator[Need]:
        form = request["form"]
        kind = "role" if "RoleName" in form else "user"
        name = form["RoleName" if kind == "role" else "UserName"][0]
        yield Need(f"iam:{operation}", f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:{kind}/{name}")

    def _arn(self, service: str, place: str) -> str:
        return f"arn:aws:{service}:{self._region}:{DEFAULT_ACCOUNT_ID}:{place}"
