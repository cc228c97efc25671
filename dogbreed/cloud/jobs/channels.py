"""Input channels of jobs: where in S3 their objects are, and how the service provides them."""

from dataclasses import dataclass

S3_PREFIX, MANIFEST_FILE = "S3Prefix", "ManifestFile"
FILE = "File"


@dataclass(frozen=True)
class Channel:
    """An input channel: all objects below a prefix, or those that a manifest lists.

    `data_type` is SageMaker's S3DataType, `input_mode` its TrainingInputMode.
    """

    uri: str
    data_type: str = S3_PREFIX
    input_mode: str = FILE
