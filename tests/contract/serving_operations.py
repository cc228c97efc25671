"""The operations on models, endpoints and transform jobs, in place of moto's or added to them."""

import inspect
import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from contract.async_inference import AsyncQueue, refusal
from contract.container import Container
from contract.endpoints import IN_PROGRESS, Endpoint
from contract.faults import Answer
from contract.instance import LogStream
from contract.job_run import Platform
from contract.transform_jobs import TransformJob, transform_variables
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.models import FakeEndpointConfig, sagemaker_backends

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SERVICE = "sagemaker.amazonaws.com"
PASSED_ON = ("CONTENT_TYPE", "HTTP_ACCEPT", "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES")


class EndpointConfig(FakeEndpointConfig):
    """moto's, without its list of instance types, which is some years old (5.2.5)."""

    def validate_instance_type(self, instance_type: str) -> None:
        pass


class ServingOperations:
    """Each public method is an operation of the API: a request as it was sent, to its answer."""

    def __init__(self, region: str, platform: Platform) -> None:
        self._region, self._platform = region, platform
        self._backend = sagemaker_backends[DEFAULT_ACCOUNT_ID][region]
        # In moto's own places, so that its ListTags and List… find them there.
        self._endpoints = cast(dict[str, Endpoint], self._backend.endpoints)
        self._jobs = cast(dict[str, TransformJob], self._backend.transform_jobs)
        self._packages: dict[str, str] = {}  # ARNs by the tokens that they were made with
        self._lock = threading.Lock()
        self.last_body = b""
        self.provisioning_s = 0.0  # of an instance for a transform job
        self._queue = AsyncQueue(region, platform.serving_s3)

    def create_model(self, request: dict[str, Any]) -> dict[str, Any]:
        name, role = request["ModelName"], request["ExecutionRoleArn"]
        if name in self._backend._models:
            raise ValidationError(
                f'Cannot create already existing model "{self._arn("model", name)}".'
            )
        known = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()
        if not any(one.arn == role and SERVICE in one.assume_role_policy_document for one in known):
            raise ValidationError(
                f"Could not assume role {role}. Please ensure that the role exists and allows "
                f"principal '{SERVICE}' to assume the role."
            )
        containers = request.get("Containers", ())
        model = self._backend.create_model(
            name,
            role,
            request.get("PrimaryContainer") or self._packaged(*containers),
            request.get("VpcConfig"),
            None,
            request.get("Tags"),
        )
        return {"ModelArn": model.arn}

    def _packaged(self, container: dict[str, Any]) -> dict[str, Any]:
        """The container of a registered version, which must be approved."""
        package = self._backend.model_packages[container["ModelPackageName"]]
        if package.model_approval_status != "Approved":
            raise ValidationError(f"Model package {package.arn} is not approved.")
        (found,) = package.inference_specification["Containers"]
        return dict(found)

    def stop_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["PipelineExecutionArn"]
        self._executions(arn.split("/")[1])[arn].pipeline_execution_status = "Stopped"
        return {"PipelineExecutionArn": arn}

    def delete_pipeline(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["PipelineName"]
        running = [
            each
            for each in self._executions(name).values()
            if each.pipeline_execution_status in ("Executing", "Stopping")
        ]
        if running:
            raise ValidationError(f"Pipeline {name} has {len(running)} executions in progress.")
        return {"PipelineArn": self._backend.delete_pipeline(name)}

    def _executions(self, name: str) -> dict[str, Any]:
        return cast(dict[str, Any], self._backend.pipelines[name].pipeline_executions)

    def create_endpoint_config(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointConfigName"]
        arn = self._arn("endpoint-config", name)
        if name in self._backend.endpoint_configs:
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        for variant in request["ProductionVariants"]:
            self._backend.describe_model(variant["ModelName"])
            if "AsyncInferenceConfig" in request and "ServerlessConfig" in variant:
                raise ValidationError("Async inference is not supported for serverless variants.")
        self._backend.endpoint_configs[name] = EndpointConfig(  # type: ignore[abstract]
            account_id=DEFAULT_ACCOUNT_ID,
            region_name=self._region,
            endpoint_config_name=name,
            production_variants=request["ProductionVariants"],
            async_inference_config=request.get("AsyncInferenceConfig", {}),
            data_capture_config=request.get("DataCaptureConfig", {}),
            tags=request.get("Tags", []),
            kms_key_id=request.get("KmsKeyId", ""),
        )
        return {"EndpointConfigArn": arn}

    def create_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        variant = self._variant(request["EndpointConfigName"])
        endpoint = Endpoint(request, self._arn("endpoint", name), self._container(name))
        with self._lock:
            if name in self._endpoints:
                raise ValidationError(f'Cannot create already existing endpoint "{endpoint.arn}".')
            self._endpoints[name] = endpoint
        endpoint.variant = variant
        endpoint.create(variant.get("InitialInstanceCount", 0))
        return {"EndpointArn": endpoint.arn}

    def update_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            endpoint = self._settled(request["EndpointName"])
            if endpoint.endpoint_status == "Failed":
                raise ValidationError(f'Cannot update failed endpoint "{endpoint.arn}".')
            new, old = self._variant(request["EndpointConfigName"]), endpoint.variant
            if (self._async_of(request["EndpointConfigName"]) is None) != (
                self._async_of(endpoint.config) is None
            ):
                raise ValidationError("An endpoint can't be converted from or to async inference.")
            if "ServerlessConfig" in new and "ServerlessConfig" not in old:
                raise ValidationError(
                    "Converting an instance-based endpoint to serverless isn't supported."
                )
            if self._scales(endpoint) and new.get("InstanceType") != old.get("InstanceType"):
                raise ValidationError(
                    "The variant AllTraffic is a scalable target: deregister it before its "
                    "instance type is changed."
                )
            instances = new.get("InitialInstanceCount", 0)
            retains = request.get("RetainAllVariantProperties", False)
            policy = request.get("DeploymentConfig")
            if policy is not None:
                total = endpoint.instances if retains else instances
                self._check_policy(policy, total, serverless="ServerlessConfig" in new)
            endpoint.variant = new
            endpoint.update(
                request["EndpointConfigName"],
                None if retains else instances,
                lambda: self._alarms_on(policy),
            )
        return {"EndpointArn": endpoint.arn}

    def _check_policy(self, policy: dict[str, Any], instances: int, *, serverless: bool) -> None:
        """What the developer guide says of deployment guardrails, in the service's place."""
        if serverless:
            raise ValidationError("DeploymentConfig is not supported for serverless endpoints.")
        update = policy["BlueGreenUpdatePolicy"]
        routing = update["TrafficRoutingConfiguration"]
        size = routing.get("CanarySize")
        if (routing["Type"] == "CANARY") != (size is not None):
            raise ValidationError("CanarySize is required for CANARY, and for nothing else.")
        if size is not None:
            share = size["Value"] / (instances if size["Type"] == "INSTANCE_COUNT" else 100)
            if share > 0.5 or instances < 2:
                raise ValidationError(
                    "CanarySize must be less than or equal to 50% of the variant's total instance "
                    "count."
                )
        alarms = self._alarm_names(policy)
        known = self._alarms()
        if missing := [name for name in alarms if name not in known]:
            raise ValidationError(f"Could not find alarms {missing}.")
        baked = routing["WaitIntervalInSeconds"] or update.get("TerminationWaitInSeconds")
        if baked and not alarms:
            raise ValidationError("Amazon CloudWatch alarms are a prerequisite of baking periods.")

    def _alarm_names(self, policy: dict[str, Any] | None) -> list[str]:
        rollback = (policy or {}).get("AutoRollbackConfiguration", {})
        return [each["AlarmName"] for each in rollback.get("Alarms", ())]

    def _alarms(self) -> dict[str, Any]:
        alarms = cloudwatch_backends[DEFAULT_ACCOUNT_ID][self._region].alarms
        return {alarm.name: alarm for alarm in alarms.values()}

    def _alarms_on(self, policy: dict[str, Any] | None) -> str:
        known = self._alarms()
        names = self._alarm_names(policy)
        return ", ".join(n for n in names if n in known and known[n].state_value == "ALARM")

    def describe_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        endpoint = self._endpoint(request["EndpointName"])
        config = self._async_of(endpoint.config)
        return endpoint.describe() | ({"AsyncInferenceConfig": config} if config else {})

    def delete_endpoint(self, request: dict[str, Any]) -> None:
        name = request["EndpointName"]
        with self._lock:
            self._settled(name).delete(lambda: self._endpoints.pop(name, None))

    def create_model_package_group(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["ModelPackageGroupName"]
        arn = self._arn("model-package-group", name)
        if name in self._backend.model_package_groups:
            raise ValidationError(f"Model Package Group already exists: {arn}")
        self._backend.create_model_package_group(name, "", request.get("Tags"))
        return {"ModelPackageGroupArn": arn}

    def create_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        """A new version with every request, but for those that have a known token."""
        create = self._backend.create_model_package
        names = inspect.signature(create).parameters
        members: dict[str, Any] = {
            name: request.get(name.title().replace("_", "")) for name in names
        }
        with self._lock:
            arn = self._packages.get(request["ClientToken"]) or create(**members)
            self._packages[request["ClientToken"]] = arn
        return {"ModelPackageArn": arn}

    def delete_model_package(self, request: dict[str, Any]) -> None:
        self._backend.model_packages.pop(request["ModelPackageName"])

    def delete_model_package_group(self, request: dict[str, Any]) -> None:
        name = request["ModelPackageGroupName"]
        packages = self._backend.model_packages.values()
        if any(package.model_package_group_name == name for package in packages):
            raise ValidationError(f"Model package group {name} has model packages in it.")
        self._backend.model_package_groups.pop(name)

    def create_transform_job(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["TransformJobName"]
        model = self._backend.describe_model(request["ModelName"])
        log = self._log(f"{name}/i-0", "/aws/sagemaker/TransformJobs")
        container = self._of_model(model, log, transform_variables(request))
        job = TransformJob(
            request,
            self._arn("transform-job", name),
            self._platform.serving_s3,
            container,
            self.provisioning_s,
        )
        with self._lock:
            if name in self._jobs:
                raise ResourceInUseException(
                    "Job name must be unique within an AWS account and region, and a transform job "
                    f"with this name already exists ({job.arn})."
                )
            self._jobs[name] = job
        job.start()
        return {"TransformJobArn": job.arn}

    def describe_transform_job(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._job(request).describe()

    def stop_transform_job(self, request: dict[str, Any]) -> None:
        self._job(request).stop()

    def list_transform_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("StatusEquals")
        found = [job.summary() for job in list(self._jobs.values())]
        selected = [one for one in found if wanted in (None, one["TransformJobStatus"])]
        return {"TransformJobSummaries": selected}

    def _job(self, request: dict[str, Any]) -> TransformJob:
        try:
            return self._jobs[request["TransformJobName"]]
        except KeyError:
            raise ValidationError("Requested resource not found.") from None

    def _endpoint(self, name: str) -> Endpoint:
        try:
            return self._endpoints[name]
        except KeyError:
            arn = self._arn("endpoint", name)
            raise ValidationError(f'Could not find endpoint "{arn}".') from None

    def _settled(self, name: str) -> Endpoint:
        endpoint = self._endpoint(name)
        if endpoint.endpoint_status in IN_PROGRESS:
            raise ValidationError(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def _config(self, name: str) -> dict[str, Any]:
        config = self._backend.endpoint_configs.get(name)
        if config is None:
            arn = self._arn("endpoint-config", name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return config.response_object

    def _async_of(self, name: str) -> dict[str, Any] | None:
        """The AsyncInferenceConfig of an endpoint configuration."""
        found = self._backend.endpoint_configs.get(name)
        return (found.response_object.get("AsyncInferenceConfig") or None) if found else None

    def _variant(self, config: str) -> dict[str, Any]:
        """The variant of a configuration, whose model must be there too."""
        (variant,) = self._config(config)["ProductionVariants"]
        self._backend.describe_model(variant["ModelName"])
        return dict(variant)

    def _container(self, endpoint: str) -> Any:
        def start(config: str) -> Container:
            variant = self._config(config)["ProductionVariants"][0]
            model = self._backend.describe_model(variant["ModelName"])
            log = self._log(f"AllTraffic/{config}", f"/aws/sagemaker/Endpoints/{endpoint}")
            return self._of_model(model, log)

        return start

    def _of_model(
        self, model: Any, log: LogStream, more: Mapping[str, str] | None = None
    ) -> Container:
        uri = model.primary_container["ModelDataUrl"]
        variables = {**self._platform.serving_variables, **(more or {})}
        return Container(self._platform.serving_s3, uri, log, variables)

    def _log(self, stream: str, group: str) -> LogStream:
        return LogStream(self._platform.serving_logs, stream, group)

    def _scales(self, endpoint: Endpoint) -> bool:
        backend = applicationautoscaling_backends[DEFAULT_ACCOUNT_ID][self._region]
        place = f"endpoint/{endpoint.endpoint_name}/"
        return any(name.startswith(place) for each in backend.targets.values() for name in each)

    def answer(self, body: bytes, environ: "WSGIEnvironment") -> Answer:
        """InvokeEndpoint, passed on to the container, and InvokeEndpointAsync, queued."""
        name = environ["PATH_INFO"].split("/")[2]
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.container is None:
            return _error(400, "ValidationError", f"Endpoint {name} of account not found.")
        config = self._async_of(endpoint.config)
        if environ["PATH_INFO"].endswith("/async-invocations") != (config is not None):
            return refusal(f"Endpoint {name} doesn't support this API: it is of the other kind.")
        if config is not None:
            return self._queue.take(endpoint, config["OutputConfig"], environ)
        headers = {
            key.removeprefix("HTTP_").replace("_", "-"): environ[key]
            for key in PASSED_ON
            if key in environ
        }
        self.last_body = body
        status, answer = endpoint.container.send(body, headers)
        if status != 200:
            return _error(
                424,
                "ModelError",
                f"Received error ({status}) from primary and could not load the entire response.",
                OriginalStatusCode=status,
                OriginalMessage=answer.decode(errors="replace"),
                LogStreamArn="",
            )
        return 200, {"Content-Type": "application/json"}, answer

    def scale_out(self, name: str, instances: int) -> None:
        """Be where an endpoint has scaled to so many instances."""
        self._endpoint(name).instances = instances

    def close(self) -> None:
        """End every container."""
        self._queue.close()
        for endpoint in list(self._endpoints.values()):
            if endpoint.work is not None:
                endpoint.work.join(timeout=60)
            endpoint.close()
        for job in list(self._jobs.values()):
            job.stop()
            job.join()

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self._region}:{DEFAULT_ACCOUNT_ID}:{kind}/{name}"


def _error(status: int, code: str, message: str, **more: Any) -> Answer:
    body = json.dumps({"Message": message, **more}).encode()
    return status, {"Content-Type": "application/json", "x-amzn-ErrorType": code}, body
