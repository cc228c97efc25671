"""The error response that every server of a model sends."""

from typing import Any

from dogbreed.errors import DogbreedError

# Commands that work, for messages about bodies that can't be read.
SEND_A_PHOTO = "curl --data-binary @photo.jpg URL"
SEND_A_FORM = "curl -F file=@photo.jpg URL"


class RequestError(DogbreedError):
    """A request that is refused: an HTTP status, a code for programs, a sentence for people.

    The status is 4xx if the request is wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_dict(self) -> dict[str, Any]:
        """The response's body."""
        return {"error": {"code": self.code, "message": str(self)}}
