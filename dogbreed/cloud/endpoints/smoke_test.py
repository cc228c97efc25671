"""Smoke test of a new endpoint: it must answer a photo as the model on this machine does."""

import io
from dataclasses import dataclass
from pathlib import Path

from dogbreed.cloud.aws.account import Account
from dogbreed.cloud.endpoints.async_client import connect
from dogbreed.cloud.endpoints.client import Reply
from dogbreed.cloud.endpoints.downscale import downscaled
from dogbreed.cloud.endpoints.query import as_text, latency
from dogbreed.data.decoding.photos import read_bytes
from dogbreed.errors import CloudError, PhotoError
from dogbreed.serving.prediction import RankedClass
from dogbreed.training.run_folder import log

RETRY_S = 300.0  # until a new endpoint must answer
TOP_K = 3
MAX_PX = 1024
# Machines compute in different precisions; the same model's probabilities differ by half of that.
MAX_DIFFERENCE = 0.02


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """A photo's name and bytes, and the most likely class that this machine predicts for it."""

    name: str
    photo: bytes
    expected: RankedClass

    @classmethod
    def prepare(cls, model: Path, name: str, photo: bytes) -> "SmokeTest":
        """Predict the photo's class with the model in the folder `model`.

        Raises:
            ArtifactError, EngineError, PhotoError: the model can't be loaded, or can't read it.
        """
        from dogbreed.serving.predictor import Predictor

        expected = Predictor.load(model).predict(photo, top_k=1).classes[0]
        return cls(name=name, photo=photo, expected=expected)

    def run(self, account: Account, endpoint: str, arguments: str) -> None:
        """Invoke the endpoint twice, as the first call is slower; log prediction and latencies.

        `arguments` are those of `account_arguments`, for commands in error messages.

        Raises:
            CloudError: it returns no prediction, or another one than the model on this machine.
        """
        client = connect(account, endpoint, patience_s=RETRY_S, arguments=arguments)
        try:
            first = client.invoke(self.photo, top_k=TOP_K)
            reply = client.invoke(self.photo, top_k=TOP_K)
        except PhotoError as error:
            raise CloudError(
                f"endpoint {endpoint} rejects {self.name}, which the model on this machine reads: "
                f"{str(error).rstrip('.')}."
            ) from error
        self._compare(endpoint, first)
        self._compare(endpoint, reply)
        for line in as_text(self.name, reply):
            log.info("%s", line)
        log.info("  the first call took %s", latency(first))

    def _compare(self, endpoint: str, reply: Reply) -> None:
        best = reply.classes[0]
        right, share = self.expected, float(best["probability"])
        if best["class"] == right.class_name and abs(share - right.probability) <= MAX_DIFFERENCE:
            return
        raise CloudError(
            f"endpoint {endpoint} predicts {best['label']} ({share:.1%}) for {self.name}, and the "
            f"model on this machine {right.label} ({right.probability:.1%})."
        )


def read_smoke_photo(photo: str | None) -> tuple[str, bytes]:
    """The name of a photo and the bytes to send; None: a generated photo.

    Raises:
        PhotoError: it is unreadable.
    """
    if photo is None:
        return _generated()
    try:
        return photo, downscaled(read_bytes(Path(photo)), MAX_PX)
    except PhotoError as error:
        raise PhotoError(error.reason, f"photo={photo}: {error}.") from error


def _generated() -> tuple[str, bytes]:
    import numpy as np

    from dogbreed.data.sets.drawing import BREEDS, draw_photo

    photo, quality = draw_photo(BREEDS[0], np.random.default_rng(0))
    packed = io.BytesIO()
    photo.save(packed, "JPEG", quality=quality)
    return f"a generated photo ({BREEDS[0].name})", packed.getvalue()
