"""An AWS account in this process: moto's server, with training and tuning jobs that really run.

Everything goes over HTTP, so the command line, boto3 and the SageMaker SDK are used as they are.
moto emulates S3, IAM, STS, Logs, tags, models and endpoints. A training job runs here, in processes
of its own, through the real entry point of SageMaker's PyTorch containers (see toolkit.py).
"""

import io
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import boto3  # type: ignore[import-untyped, unused-ignore]
from contract.faults import CALLER_KEY, PIPELINE_KEY, ROLE_KEY, SERVING_KEY, TEST_KEY, Fault, Gate
from contract.job_run import Platform
from contract.operations import Operations, install
from contract.policies import PIPELINE, SCHEDULER, SERVING, TRAINING, TRUST, Need, text_of
from contract.serving_operations import ServingOperations
from contract.training_jobs import TrainingJob
from contract.tuning_jobs import TuningJob
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

SECRET = "not-a-secret"
CALLER = "moto"  # the user who has the caller's key
FOREIGN_ACCOUNT_ID = "999988887777"
# As launch/iam/launcher.json names them.
ROLES = {
    "DogbreedTraining": TRAINING,
    "DogbreedServing": SERVING,
    "DogbreedScheduler": SCHEDULER,
    "DogbreedPipeline": PIPELINE,
}
SDK_DEFAULTS = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
Who = Literal["caller", "job"]


class QuietHandler(MotoRequestHandler):
    """Answers requests without telling stderr of each."""

    def log(self, type: str, message: str, *args: object) -> None:
        pass


class SageMakerAccount:
    """`with SageMakerAccount() as account:` — one at a time in a process, moto's state is shared.

    `grace_s` is the service's 120 s between SIGTERM and SIGKILL. `sigterm_arrives=False` is what
    today's images do: their first process is a shell that passes no signal on. `variables` are
    added to the environment of every job.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        grace_s: float = 1.0,
        sigterm_arrives: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        moto_api_backend.reset()
        self.region = region
        # Resources by the end of their ARNs that a test uses and launch/iam/ gives no rights to.
        self.beyond_our_policies: tuple[str, ...] = ()
        self.bucket = f"sagemaker-{region}-{DEFAULT_ACCOUNT_ID}"
        self.role_arn, self.serving_role_arn, self.scheduler_role_arn, _ = (
            f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{name}" for name in ROLES
        )
        # A short path: sockets in a job's TMPDIR can't have long ones.
        self._folder = Path(tempfile.mkdtemp(prefix="sm-"))
        (self._folder / "sdk.yaml").write_text(SDK_DEFAULTS, "utf-8")
        self._gate = Gate(DomainDispatcherApplication(create_backend_app), region)
        self._server = make_server(
            "127.0.0.1", 0, self._gate, threaded=True, request_handler=QuietHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._platform = Platform(
            s3=self._client("s3", ROLE_KEY),
            logs=self._client("logs", ROLE_KEY),
            serving_s3=self._client("s3", SERVING_KEY),
            serving_logs=self._client("logs", SERVING_KEY),
            variables={**(variables or {}), **self._access(ROLE_KEY), "AWS_REGION": region},
            folder=self._folder,
            grace_s=grace_s,
            sigterm_arrives=sigterm_arrives,
            serving_variables=dict(variables or {}),
        )
        self._operations = Operations(region, self._platform)
        self._serving = ServingOperations(region, self._platform)
        self._gate.invoke = self._serving.answer
        self._restore: Callable[[], None] = lambda: None

    def __enter__(self) -> "SageMakerAccount":
        self._restore = install(self._operations, self._serving)
        self._thread.start()
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self._client("s3", TEST_KEY).create_bucket(
            Bucket=self.bucket, **({} if self.region == "us-east-1" else place)
        )
        for name, role in ROLES.items():
            self._client("iam", TEST_KEY).create_role(
                RoleName=name, AssumeRolePolicyDocument=text_of(TRUST[role])
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._operations.close()
        self._serving.close()
        self._server.shutdown()
        self._thread.join()
        self._restore()
        moto_api_backend.reset()
        shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """What a command, boto3 or the SDK needs to find this account and no other. AWS_PROFILE
        and AWS_SESSION_TOKEN must not be set beside it."""
        return {
            **self._access(CALLER_KEY),
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(self._folder / "sdk.yaml"),
        }

    def client(self, service: str) -> Any:
        """A boto3 client of the test's own."""
        return self._client(service, TEST_KEY)

    def pipeline_client(self) -> Any:
        """A client of SageMaker as a pipeline's steps use it, under its role."""
        return self._client("sagemaker", PIPELINE_KEY)

    @property
    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """Every call to SageMaker in order, retries and refused ones too: its operation, and its
        parameters as they were sent."""
        return self._gate.requests

    @property
    def untagged(self) -> list[str]:
        """The operations of the caller's that made something without the project's tag."""
        return self._gate.untagged

    @property
    def without_owner(self) -> list[str]:
        """The operations of the caller's at S3 that name no owner of the bucket."""
        return self._gate.without_owner

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Every call of the caller's to any service: its name, and the operation."""
        return self._gate.calls

    @property
    def needs(self) -> dict[str, list[Need]]:
        """What all calls needed of IAM, by the key that signed them (faults.POLICIES_OF)."""
        return self._gate.needs

    def lose_answer(self, operation: str) -> None:
        """Execute the next call of an operation, then break its connection."""
        self._gate.add(Fault(operation, 1, lost=True))

    def when_called(self, operation: str, do: Callable[[], None]) -> None:
        """Call `do` as soon as the caller's next call of an operation was carried out."""
        self._gate.after[operation] = do

    @property
    def training_jobs(self) -> dict[str, TrainingJob]:
        return self._operations.training_jobs

    @property
    def tuning_jobs(self) -> dict[str, TuningJob]:
        return self._operations.tuning_jobs

    def fail_next(
        self,
        operation: str,
        code: str,
        message: str = "",
        *,
        times: int = 1,
        status: int = 400,
        who: Who = "caller",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `times` calls of an operation of any service with an error. Those of the
        jobs and of the service under their role, if `who` is "job", else everybody else's."""
        fault = Fault(operation, times, who == "job", code, message, status, headers or {})
        self._gate.add(fault)

    def drop_next(
        self, times: int = 1, *, operation: str | None = None, who: Who = "caller"
    ) -> None:
        """Break the next `times` connections without an answer."""
        self._gate.add(Fault(operation, times, who == "job"))

    def trained(self, name: str, model: Path, owner: str = CALLER) -> None:
        """Be an account in which an owner has trained a model just now, with this project."""
        self._operations.add_trained(
            name, model, f"s3://{self.bucket}/dogbreed/jobs", self.role_arn, owner
        )

    def sign_in_as(self, user: str) -> dict[str, str]:
        """Create a user who may do everything; what a command needs to be of that user's."""
        iam = self._client("iam", TEST_KEY)
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def foreign_bucket(self, name: str) -> Any:
        """Make a bucket of another account that anybody may use; a client of that account's."""
        s3_backends[FOREIGN_ACCOUNT_ID]["aws"].create_bucket(name, self.region)
        return self._client("s3", TEST_KEY)

    def scale_out(self, endpoint: str, instances: int) -> None:
        """Be an account in which an endpoint has scaled to so many instances."""
        self._serving.scale_out(endpoint, instances)

    def provision_slowly(self, seconds: float) -> None:
        """Let a transform job wait so long for its instance, as real ones do for minutes."""
        self._serving.provisioning_s = seconds

    def last_invocation(self) -> io.BytesIO:
        """What an endpoint was sent last."""
        return io.BytesIO(self._serving.last_body)

    def lack(self, *, capacity: Iterable[str] = (), quota: Iterable[str] = ()) -> None:
        """Be an account without quota, or a region without capacity, for instance types."""
        self._platform.lacking.update(capacity)
        self._operations.without_quota.update(quota)

    def close_debugger(self) -> None:
        """Be an account that never used SageMaker Debugger; see debugger.py."""
        self._operations.debugger_is_open = False

    def interrupt(self, name: str) -> None:
        """Take a spot job's instances away; it will start again on others."""
        job = self.training_jobs[name]
        if not job.is_spot or job.status != "InProgress":
            raise ValueError(f"{name} is no running spot job")
        job.interruption.set()

    def wait(self, name: str, timeout_s: float = 60) -> str:
        """The status at the end of a training job, or else of a tuning job."""
        job = self.training_jobs.get(name) or self.tuning_jobs[name]
        if not job.done.wait(timeout_s):
            raise TimeoutError(f"{name} is still {job.status} after {timeout_s} s")
        return job.status

    def wait_for_line(self, name: str, text: str, timeout_s: float = 60) -> str:
        """The first line with `text` that a training job prints."""
        job, deadline = self.training_jobs[name], time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ended = job.done.is_set()
            for line in list(job.lines):
                if text in line:
                    return line
            if ended:
                break
            time.sleep(0.02)
        raise TimeoutError(f"{name} ({job.status}) hasn't printed {text!r}, but:\n{self.log(name)}")

    def log(self, name: str) -> str:
        """All that a training job has printed."""
        return "\n".join(self.training_jobs[name].lines)

    def _client(self, service: str, key: str) -> Any:
        return _session(key, self.region).client(service, endpoint_url=self.url)

    def _access(self, key: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }


@cache
def _session(key: str, region: str) -> Any:
    """Cached, as reading a service's description takes longer than most tests."""
    return boto3.Session(key, SECRET, region_name=region)
