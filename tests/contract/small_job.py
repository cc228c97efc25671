"""A training job small enough for a test: its script, its requests, what comes back."""

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

# Trains from its last checkpoint on, in a configured number of steps; prints like dogbreed.
SCRIPT = """
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--step_s", type=float, default=0)
parser.add_argument("--fail", default="")
args = parser.parse_args()
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
checkpoint = base / "checkpoints" / "step"
done = int(checkpoint.read_text()) if checkpoint.exists() else 0
print(f"starts after step {done}")  # in one piece: the toolkit takes every write for a line
for step in range(done + 1, args.steps + 1):
    time.sleep(args.step_s)
    if checkpoint.parent.exists():
        checkpoint.with_suffix(".new").write_text(str(step))
        checkpoint.with_suffix(".new").replace(checkpoint)
    print(f"step {step} valid:top1={1 - abs(args.lr - 0.3) - 0.01 * (args.steps - step):.4f};")
if args.fail:
    raise ValueError(args.fail)
host = os.environ["SM_CURRENT_HOST"]
(base / "output" / "data" / f"{host}.txt").write_text(os.environ["NOTE"])
seen = sorted(p.name for p in (base / "input" / "data").rglob("*.txt"))
(base / "model" / f"{host}.txt").write_text(" ".join(seen))
"""
METRICS = [{"Name": "valid:top1", "Regex": r"valid:top1=([0-9.]+);"}]


def upload_source(account: "SageMakerAccount", requirements: str = "", script: str = SCRIPT) -> str:
    """The script, and what it needs, as the SDK packs them."""
    files = {"train.py": script, "requirements.txt": requirements}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            if text:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
    account.client("s3").put_object(
        Bucket=account.bucket, Key="dogbreed/source/sourcedir.tar.gz", Body=packed.getvalue()
    )
    return f"s3://{account.bucket}/dogbreed/source/sourcedir.tar.gz"


def definition(account: "SageMakerAccount", **changes: Any) -> dict[str, Any]:
    """What training and tuning jobs have in common."""
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker"
    return {
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": METRICS,
        },
        "RoleArn": account.role_arn,
        "OutputDataConfig": {"S3OutputPath": f"s3://{account.bucket}/dogbreed/jobs"},
        "ResourceConfig": {
            "InstanceType": "ml.c7i.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "Environment": {"NOTE": "as it was sent"},
        **changes,
    }


def hyperparameters(
    account: "SageMakerAccount", requirements: str = "", script: str = SCRIPT, **values: Any
) -> dict[str, str]:
    """As the SDK sends them: every value as JSON."""
    values |= {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": upload_source(account, requirements, script),
    }
    return {name: json.dumps(value) for name, value in values.items()}


def create(account: "SageMakerAccount", name: str, values: Any = None, **changes: Any) -> None:
    account.client("sagemaker").create_training_job(
        TrainingJobName=name,
        HyperParameters=hyperparameters(account, **(values or {})),
        **definition(account, **changes),
    )


def describe(account: "SageMakerAccount", name: str) -> dict[str, Any]:
    answer: dict[str, Any] = account.client("sagemaker").describe_training_job(TrainingJobName=name)
    return answer


def read_archive(account: "SageMakerAccount", key: str) -> dict[str, bytes]:
    body = account.client("s3").get_object(Bucket=account.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        files = {name: tar.extractfile(name) for name in tar.getnames()}
        return {name: file.read() for name, file in files.items() if file is not None}


def read_log(account: "SageMakerAccount", name: str, host: str) -> list[str]:
    """What a job printed on a host, from CloudWatch Logs."""
    logs, group = account.client("logs"), "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/{host}-")
    [stream] = [stream["logStreamName"] for stream in streams["logStreams"]]
    found = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def code_of(error: Any) -> str:
    """The service's code of a botocore ClientError that pytest caught."""
    return str(error.value.response["Error"]["Code"])


def spot(account: "SageMakerAccount") -> dict[str, Any]:
    """The part of a request that makes a spot job with checkpoints of it."""
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        "CheckpointConfig": {"S3Uri": f"s3://{account.bucket}/dogbreed/checkpoints/"},
    }


def tuning_config(most: int, **changes: Any) -> dict[str, Any]:
    bounds = {"Name": "lr", "MinValue": "0.01", "MaxValue": "1", "ScalingType": "Logarithmic"}
    return {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "valid:top1"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": 3},
        "ParameterRanges": {"ContinuousParameterRanges": [bounds]},
        "RandomSeed": 1,
        **changes,
    }


def tune(account: "SageMakerAccount", name: str, most: int, **values: Any) -> None:
    account.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig=tuning_config(most),
        TrainingJobDefinition={
            "StaticHyperParameters": hyperparameters(account, **values),
            **definition(account),
        },
        Tags=[{"Key": "project", "Value": "dogbreed"}],
    )
