"""Input channels of jobs: which objects in S3 they copy."""

from dataclasses import dataclass

S3_PREFIX, MANIFEST_FILE = "S3Prefix", "ManifestFile"


@dataclass(frozen=True)
class Channel:
    """An input channel: all objects below a prefix, or those that a manifest lists.

    `data_type` is SageMaker's S3DataType.
    """

    uri: str
    data_type: str = S3_PREFIX
