"""How every server of a model refuses a request."""

from typing import Any

from dogbreed.errors import DogbreedError

# The command that works, for messages about bodies that don't.
SEND_A_PHOTO = "curl --data-binary @photo.jpg URL"
SEND_A_FORM = "curl -F file=@photo.jpg URL"


class RequestError(DogbreedError):
    """A request that can't be answered: an HTTP status, a word for programs, a sentence for people.

    The status is 4xx where the request is wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_dict(self) -> dict[str, Any]:
        """The answer's body."""
        return {"error": {"code": self.code, "message": str(self)}}
