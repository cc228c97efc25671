"""Runs a pipeline's definition in the emulated account, step by step, as SageMaker Pipelines does.

A step may only refer to steps that it depends on, and to members that their descriptions have.
"""

import re
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from contract.endpoints import IN_PROGRESS

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

EXECUTION = "abcdefghijkl"  # as the service makes them: twelve characters
POLL_S = 0.2


class StepFailedError(Exception):
    """A Fail step was reached, or a job failed."""


class Execution:
    """One execution of a definition, with the values of its parameters."""

    def __init__(
        self, account: "SageMakerAccount", definition: dict[str, Any], **parameters: Any
    ) -> None:
        defaults = {each["Name"]: each.get("DefaultValue") for each in definition["Parameters"]}
        self.client = account.pipeline_client()
        self.definition, self.parameters = definition, defaults | parameters
        self.steps: dict[str, dict[str, Any]] = {}

    def run(self) -> dict[str, dict[str, Any]]:
        """The description of what each step made, by the step's name."""
        pending = list(self.definition["Steps"])
        assert len({each["Name"] for each in pending}) == len(pending)
        while pending:
            ready = [each for each in pending if self._needs(each) <= self.steps.keys()]
            assert ready, f"these wait for each other: {[each['Name'] for each in pending]}"
            for step in ready:
                self._run(step)
                pending.remove(step)
        return self.steps

    def run_step(self, name: str) -> None:
        """Run one step, whose earlier ones are in `steps`."""
        self._run(next(each for each in self.definition["Steps"] if each["Name"] == name))

    def _needs(self, step: dict[str, Any]) -> set[str]:
        named = re.findall(r"'Get': \"?'?Steps\.(\w+)\.", str(step["Arguments"]))
        return {*named, *step.get("DependsOn", ())} - self._inner(step)

    @staticmethod
    def _inner(step: dict[str, Any]) -> set[str]:
        branches = (*step["Arguments"].get("IfSteps", ()), *step["Arguments"].get("ElseSteps", ()))
        return {each["Name"] for each in branches}

    def _run(self, step: dict[str, Any]) -> None:
        name = step["Name"]
        if step["Type"] == "Condition":
            self._branch(step["Arguments"])
            self.steps[name] = {}
            return
        arguments = self._resolved(step["Arguments"])
        self.steps[name] = getattr(self, f"_{step['Type'].lower()}")(name, arguments)

    def _branch(self, arguments: dict[str, Any]) -> None:
        (condition,) = arguments["Conditions"]
        assert condition["Type"] == "GreaterThanOrEqualTo"
        left, right = (float(self._resolved(condition[f"{end}Value"])) for end in ("Left", "Right"))
        for step in arguments["IfSteps" if left >= right else "ElseSteps"]:
            self._run(step)

    def _training(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        job = {"TrainingJobName": f"pipelines-{EXECUTION}-{name}-0123456789"}
        self.client.create_training_job(**job, **arguments)
        return self._ended(lambda: self.client.describe_training_job(**job), "TrainingJobStatus")

    def _tuning(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        job = {"HyperParameterTuningJobName": f"{EXECUTION}-{name}"}
        self.client.create_hyper_parameter_tuning_job(**job, **arguments)
        describe = self.client.describe_hyper_parameter_tuning_job
        return self._ended(lambda: describe(**job), "HyperParameterTuningJobStatus")

    def _registermodel(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        group = arguments["ModelPackageGroupName"]
        self.client.describe_model_package_group(ModelPackageGroupName=group)  # it must be there
        arn = self.client.create_model_package(**arguments)["ModelPackageArn"]
        found: dict[str, Any] = self.client.describe_model_package(ModelPackageName=arn)
        return found

    def _model(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        model = {"ModelName": f"pipelines-{EXECUTION}-{name}-0123456789"}
        self.client.create_model(**model, **arguments)
        return model

    def _endpointconfig(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.client.create_endpoint_config(**arguments)
        config = arguments["EndpointConfigName"]
        found: dict[str, Any] = self.client.describe_endpoint_config(EndpointConfigName=config)
        return found

    def _endpoint(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """As the SDK says of the step: the endpoint is created, or updated if it exists."""
        endpoint = {"EndpointName": arguments["EndpointName"]}
        try:
            self.client.describe_endpoint(**endpoint)
        except ClientError:
            self.client.create_endpoint(**arguments)
        else:
            self.client.update_endpoint(
                **endpoint, EndpointConfigName=arguments["EndpointConfigName"]
            )
        while (found := self.client.describe_endpoint(**endpoint))["EndpointStatus"] in IN_PROGRESS:
            time.sleep(POLL_S)
        if found["EndpointStatus"] != "InService":
            raise StepFailedError(found.get("FailureReason", ""))
        described: dict[str, Any] = found
        return described

    def _fail(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise StepFailedError(arguments["ErrorMessage"])

    @staticmethod
    def _ended(describe: Any, field: str) -> dict[str, Any]:
        while (found := describe())[field] in ("InProgress", "Stopping"):
            time.sleep(POLL_S)
        if found[field] != "Completed":
            raise StepFailedError(found.get("FailureReason", found[field]))
        described: dict[str, Any] = found
        return described

    def _resolved(self, value: Any) -> Any:
        """With the values of its references in their places."""
        if isinstance(value, list):
            return [self._resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"Get"}:
            return self._get(value["Get"])
        if value.keys() == {"Std:Join"}:
            join = value["Std:Join"]
            return join["On"].join(str(self._resolved(each)) for each in join["Values"])
        return {name: self._resolved(each) for name, each in value.items()}

    def _get(self, path: str) -> Any:
        if path == "Execution.PipelineExecutionId":
            return EXECUTION
        kind, _, rest = path.partition(".")
        if kind == "Parameters":
            return self.parameters[rest]
        assert kind == "Steps", path
        found: Any = None
        for member, key in re.findall(r"(\w+)|\['([^']+)'\]", rest):
            found = self.steps if found is None else found
            if isinstance(found, list):  # of metrics, which are found by their names
                found = next(each for each in found if each["MetricName"] == key)
            else:
                found = found[member or key]
        return found
