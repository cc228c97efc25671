"""A training job, or the definition of all trials of a tuning job."""

from collections.abc import Mapping
from dataclasses import dataclass

from dogbreed.cloud.container.entry_point import JOB, TRAIN, TRIAL
from dogbreed.cloud.jobs.channels import Channel
from dogbreed.cloud.jobs.source import ENTRY_POINT
from dogbreed.search.hyperparameters import encode


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training job, or the definition of all trials of a tuning job.

    `channels` are its input channels by name; `checkpoints_uri` is synchronized with
    /opt/ml/checkpoints, None without checkpoints. `types` are the instance types, of which the
    first with capacity is used; each instance has a disk of `volume_gb`.
    """

    name: str
    kind: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    image_uri: str
    source_uri: str
    output_uri: str
    checkpoints_uri: str | None
    types: tuple[str, ...]
    instance_count: int
    volume_gb: int

    def all_hyperparameters(self) -> dict[str, str]:
        """With those of the container's training toolkit: program, source, distribution."""
        toolkit = {
            "sagemaker_program": encode(ENTRY_POINT),
            "sagemaker_submit_directory": encode(self.source_uri),
            JOB: encode(self.kind),
        }
        if self.instance_count > 1 and self.kind in (TRAIN, TRIAL):
            toolkit["sagemaker_torch_distributed_enabled"] = encode(True)
        return toolkit | dict(self.hyperparameters)
