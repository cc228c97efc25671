"""How a training job runs: instances, data, checkpoints, its end, and what is stored of it."""

import math
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]
from contract.debugger import configure_hook, keep_tensors
from contract.instance import Cluster, Instance, LogStream
from contract.resources import NO_CAPACITY, types_of
from contract.storage import (
    Checkpoints,
    ManifestError,
    download,
    download_manifest,
    files_of,
    list_keys,
    pack,
    upload,
)
from contract.training_jobs import TrainingJob

FAILURE_CHARACTERS = 1024
POLL_S = 0.05
SYNC_S = 1.0


@dataclass(frozen=True)
class Platform:
    """What all jobs of an account share."""

    s3: Any  # under the training role, as its logs
    logs: Any
    serving_s3: Any
    serving_logs: Any
    variables: dict[str, str]
    folder: Path
    grace_s: float
    sigterm_arrives: bool
    lacking: set[str] = field(default_factory=set)  # instance types without capacity
    closing: threading.Event = field(default_factory=threading.Event)
    serving_variables: dict[str, str] = field(default_factory=dict)  # of what serves models


@dataclass(frozen=True)
class Outcome:
    """Why the containers ended ("" if by themselves), and the exit codes of those that did."""

    ending: str
    codes: tuple[int | None, ...] = ()


class Run:
    """The way of one job through its instances: once, or on spot as often as it takes."""

    def __init__(self, job: TrainingJob, platform: Platform) -> None:
        self._job, self._platform = job, platform
        resources = job.request["ResourceConfig"]
        count = resources["InstanceCount"]
        hosts = tuple(f"algo-{number + 1}" for number in range(count))
        types = types_of(resources)
        self._chosen = next((each for each in types if each not in platform.lacking), None)
        self._cluster = Cluster(hosts, self._chosen or types[-1])
        if "InstancePreferences" in resources and self._chosen:
            selected = {"SelectedInstanceType": self._chosen, "SelectedInstanceCount": count}
            job.facts["ResourceConfig"] = {**resources, **selected}
        self._attempts = 0
        self._begun = 0.0

    def __call__(self) -> None:
        if self._chosen is None:
            self._job.finish("Failed", failure=NO_CAPACITY)
            return
        try:
            while (end := self._attempt()) is None:
                self._job.interruption.clear()
                self._job.enter("Interrupted")
                self._job.enter("Starting")
        except (ClientError, ManifestError) as error:
            end = ("Failed", "", f"ClientError: {error}"[:FAILURE_CHARACTERS])
        except BaseException as error:
            self._job.finish("Failed", failure=f"InternalServerError: {error!r}")
            raise
        self._job.finish(*end)

    def _attempt(self) -> tuple[str, str, str] | None:
        """One life of the job on instances of its own; its end, None for an interruption."""
        self._attempts += 1
        self._begun = time.monotonic()
        instances = [Instance(self._temporary(), host) for host in self._cluster.hosts]
        self._job.enter("Downloading")
        self._job.facts.setdefault("TrainingStartTime", self._job.modified)
        try:
            copies = self._fill(instances)
            outcome = self._train(instances, copies)
            for copy in copies:
                copy.push()
            return None if outcome.ending == "Interrupted" else self._keep(instances, outcome)
        finally:
            for instance in instances:
                instance.discard()
            self._job.training_s += time.monotonic() - self._begun

    def _fill(self, instances: Sequence[Instance]) -> list[Checkpoints]:
        """Everything below /opt/ml that the job finds there."""
        request, copies = self._job.request, []
        channels = request.get("InputDataConfig", [])
        for instance in instances:
            instance.configure(
                hyperparameters=request.get("HyperParameters", {}),
                resourceconfig=self._cluster.resource_config(instance.host),
                inputdataconfig={item["ChannelName"]: _channel_config(item) for item in channels},
            )
            configure_hook(instance, request)
            for channel in channels:
                self._fill_channel(instance, channel)
            if checkpoints := request.get("CheckpointConfig"):
                folder = instance.local(checkpoints.get("LocalPath", "/opt/ml/checkpoints"))
                instance.configure(checkpointconfig={"LocalPath": str(folder)})
                copies.append(Checkpoints(self._platform.s3, checkpoints["S3Uri"], folder))
                copies[-1].restore()
        return copies

    def _fill_channel(self, instance: Instance, channel: dict[str, Any]) -> None:
        source = channel["DataSource"]["S3DataSource"]
        folder = instance.base / "input/data" / channel["ChannelName"]
        folder.mkdir()
        if source["S3DataType"] == "ManifestFile":
            download_manifest(self._platform.s3, source["S3Uri"], folder)
            return
        keys = list_keys(self._platform.s3, source["S3Uri"])
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            hosts = self._cluster.hosts
            keys = keys[hosts.index(instance.host) :: len(hosts)]
        download(self._platform.s3, source["S3Uri"], keys, folder)

    def _train(self, instances: Sequence[Instance], copies: Iterable[Checkpoints]) -> Outcome:
        """Run the containers to their end, or to the end that the service makes for them."""
        if ending := self._ending():
            return Outcome(ending)
        self._job.enter("Training")
        self._start(instances)
        codes: tuple[int | None, ...] = ()
        pushed = time.monotonic()
        while not (ending := self._ending()):
            codes = tuple(instance.exit_code() for instance in instances)
            if any(codes) or None not in codes:
                break
            if time.monotonic() - pushed > SYNC_S:
                for copy in copies:
                    copy.push()
                pushed = time.monotonic()
            time.sleep(POLL_S)
        if ending:
            self._ask_to_end(instances, ending)
        for instance in instances:
            instance.kill()
        return Outcome(ending, codes)

    def _start(self, instances: Sequence[Instance]) -> None:
        """The containers of all hosts, each with a log of its own."""
        request = self._job.request
        algorithm = request["AlgorithmSpecification"]
        variables = {
            **self._platform.variables,
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
            "EMULATED_MASTER_PORT": _free_port(),
            **request.get("Environment", {}),
        }
        for instance in instances:
            name = f"{self._job.name}/{instance.host}-{int(time.time()) + self._attempts}"
            stream = LogStream(self._platform.logs, name)

            def read(lines: list[str], stream: LogStream = stream) -> None:
                self._job.read(lines)
                stream.put(lines)

            entrypoint = algorithm.get("ContainerEntrypoint", [])
            arguments = algorithm.get("ContainerArguments", [])
            instance.start([*entrypoint, *arguments], variables, read)

    def _ending(self) -> str:
        """What ends the job now if it doesn't end by itself; "" for nothing."""
        job, limits = self._job, self._job.request["StoppingCondition"]
        if job.stop_asked.is_set() or self._platform.closing.is_set():
            return "Stopped"
        trained = job.training_s + time.monotonic() - self._begun
        if trained > limits.get("MaxRuntimeInSeconds", 86400):
            return "MaxRuntimeExceeded"
        waited = (datetime.now(UTC) - job.created).total_seconds()
        if waited > limits.get("MaxWaitTimeInSeconds", math.inf):
            return "MaxWaitTimeExceeded"
        return "Interrupted" if job.interruption.is_set() else ""

    def _ask_to_end(self, instances: Sequence[Instance], ending: str) -> None:
        """SIGTERM, and the time that it leaves."""
        if ending != "Interrupted":
            self._job.stop()
        if self._platform.sigterm_arrives:
            for instance in instances:
                instance.signal()
        deadline = time.monotonic() + self._platform.grace_s
        while time.monotonic() < deadline and not self._platform.closing.is_set():
            if all(instance.is_empty() for instance in instances):
                return
            time.sleep(POLL_S)

    def _keep(self, instances: Sequence[Instance], outcome: Outcome) -> tuple[str, str, str]:
        """Upload what the job leaves behind; its status, secondary status and failure."""
        if self._platform.closing.is_set():
            return "Stopped", "", ""
        self._job.enter("Uploading")
        for instance in instances:
            keep_tensors(self._platform.s3, instance, self._job.request)
        # Of a failed job too: "SageMaker Training exports model/output artifacts even when the
        # training job fails" (aws/sagemaker-python-sdk, pull request 746).
        data = [instance.base / "output/data" for instance in instances]
        if files_of(data):
            self._upload_archive(data, "output.tar.gz")
        for instance, code in zip(instances, outcome.codes, strict=False):
            if code:
                suffix = f", exit code: {code}"
                text = f"AlgorithmError: {instance.failure()}"
                return "Failed", "", text[: FAILURE_CHARACTERS - len(suffix)] + suffix
        self._upload_model([instance.base / "model" for instance in instances])
        return ("Stopped", outcome.ending, "") if outcome.ending else ("Completed", "", "")

    def _upload_model(self, folders: Sequence[Path]) -> None:
        if self._job.request["OutputDataConfig"].get("CompressionType") == "NONE":
            place = f"{self._output_uri()}/model/"
            for name, file in files_of(folders).items():
                upload(self._platform.s3, file, place + name)
        else:
            place = self._upload_archive(folders, "model.tar.gz")
        self._job.facts["ModelArtifacts"] = {"S3ModelArtifacts": place}

    def _upload_archive(self, folders: Sequence[Path], name: str) -> str:
        with tempfile.TemporaryDirectory(dir=self._platform.folder) as folder:
            pack(folders, Path(folder) / name)
            upload(self._platform.s3, Path(folder) / name, f"{self._output_uri()}/{name}")
        return f"{self._output_uri()}/{name}"

    def _output_uri(self) -> str:
        path = self._job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{path}/{self._job.name}/output"

    def _temporary(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._platform.folder))


def _channel_config(channel: dict[str, Any]) -> dict[str, str]:
    """The channel's entry in inputdataconfig.json."""
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
    }


def _free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
