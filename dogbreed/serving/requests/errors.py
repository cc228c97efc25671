"""The error response that every server of a model sends."""

import os
from typing import Any

from dogbreed.errors import DogbreedError

# Commands that work, for messages about bodies that can't be read.
SEND_A_PHOTO = "curl --data-binary @photo.jpg URL"
SEND_A_FORM = "curl -F file=@photo.jpg URL"
# SageMaker sets it to true in the container of a batch transform job. Source: SageMaker's developer
# guide, "Custom Inference Code with Batch Transform".
TRANSFORM_VARIABLE = "SAGEMAKER_BATCH"
_BUSY = 429


class RequestError(DogbreedError):
    """A request that is refused: an HTTP status, a code for programs, a sentence for people.

    The status is 4xx if the request is wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def sent_status(self) -> int:
        """The status of the response.

        A transform job fails at its end if one response isn't a 200, so there a photo that can't
        be used gets one, with the error as its body. A refusal that isn't the photo's fault stays.
        """
        fault = 400 <= self.status < 500 and self.status != _BUSY
        if fault and os.environ.get(TRANSFORM_VARIABLE, "").lower() == "true":
            return 200
        return self.status

    def as_dict(self) -> dict[str, Any]:
        """The response's body."""
        return {"error": {"code": self.code, "message": str(self)}}
