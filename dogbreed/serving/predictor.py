"""From a photo's bytes to ranked classes, for every command and server.

Neither torch, Lightning nor Hydra is imported, unless torch is what computes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.artifact.description import Description
from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.runtimes import AUTO, Floats, Form, open_runtime
from dogbreed.configuration.run import Config, PredictConfig
from dogbreed.configuration.schema import argument, brief, nearest
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.photos import Pixels
from dogbreed.data.decoding.pool import OpenedPhoto
from dogbreed.errors import ArtifactError, ConfigError, PhotoError
from dogbreed.serving.decoding_budget import Room
from dogbreed.serving.explain import Explainer
from dogbreed.serving.prediction import Prediction, RankedClass
from dogbreed.utils.machine import cores

# A path, a file's bytes, a function that gives them, or what Pillow opened.
Photo = str | Path | bytes | Callable[[], bytes] | Image.Image
Doubles = npt.NDArray[np.float64]

# Images computed at once where there are many: more are no faster and cost memory.
BATCH_IMAGES = 8


class Predictor:
    """Answers for photos with a trained model; one thread may ask at a time.

    Args:
        form: the model's network, as `open_runtime` gives it.
        folder: where the model lies; `explain` reads its weights from there.
        room: where photos that come as bytes, from anybody, are decoded; None: as any others.
    """

    def __init__(
        self,
        description: Description,
        form: Form,
        *,
        folder: Path | None = None,
        room: Room | None = None,
    ) -> None:
        self.description = description
        self._form = form
        self._folder = folder
        self._room = room
        self._preprocessing = description.pixels()
        self._views = photos.view_names(description.views)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str = AUTO,
        precision: str = AUTO,
        threads: int = 0,
        room: Room | None = None,
    ) -> "Predictor":
        """The predictor of a run's folder (outputs/latest) or of a model's folder.

        Raises:
            ConfigError: an argument outside what its key of the configuration takes.
            ArtifactError, EngineError: as `find_artifact`, `read_description` and `open_runtime`.
        """
        engine = argument(PredictConfig, "engine", engine)
        precision = argument(PredictConfig, "precision", precision)
        threads = argument(PredictConfig, "threads", threads)
        folder = find_artifact(Path(path))
        description = read_description(folder)
        form = open_runtime(folder, description, engine, precision=precision, threads=threads)
        return cls(description, form, folder=folder, room=room)

    @cached_property
    def identity(self) -> str:
        """What identifies the model: two of the same identity give the same answers."""
        return self.description.identity

    def predict(self, photo: Photo, top_k: int = 5) -> Prediction:
        """The `top_k` most likely classes of a photo.

        Raises:
            PhotoError: it can't be used; the message begins with the path if there is one.
            ConfigError: `top_k` isn't a whole number from 1 on, or `photo` is something else.
        """
        top_k = argument(PredictConfig, "top_k", top_k)
        with _naming(photo):
            pixels = self._pixels(photo)
        return self._predictions(pixels[None], top_k)[0]

    def predict_many(
        self, many: Iterable[Photo], top_k: int = 5, *, workers: int = 0
    ) -> Iterator[Prediction | PhotoError]:
        """One answer per photo, in their order: its prediction, or why it can't be used.

        `workers` threads (0: one per core) read and decode photos while others are computed; some
        dozens are in memory at a time.

        Raises:
            ConfigError: as `predict`, or `many` is one photo.
        """
        top_k = argument(PredictConfig, "top_k", top_k)
        workers = argument(Config, "data.workers", workers, kind=int)
        if isinstance(many, str | bytes | PathLike | Image.Image):
            raise ConfigError("predict_many takes a list of photos: for one there is predict.")
        return self._predict_many(many, top_k, workers or cores())

    def _predict_many(
        self, many: Iterable[Photo], top_k: int, workers: int
    ) -> Iterator[Prediction | PhotoError]:
        batch_size = max(1, BATCH_IMAGES // len(self._views))
        waiting, good = list[Pixels | PhotoError](), 0
        for decoded in self._decoded(many, workers, depth=2 * batch_size):
            waiting.append(decoded)
            good += not isinstance(decoded, PhotoError)
            if good == batch_size or len(waiting) == 8 * batch_size:
                yield from self.answer(waiting, top_k)
                waiting, good = [], 0
        yield from self.answer(waiting, top_k)

    def log_probabilities(self, pixels: Pixels) -> Doubles:
        """[n, views, size, size, 3] to logarithms [n, classes] of the views' mean probabilities.

        Uncalibrated, as BreedClassifier.log_probabilities gives them.
        """
        return self._computed(pixels)[0]

    def explain(self, photo: Photo, class_name: str | None = None) -> Image.Image:
        """The photo with the heat of what speaks for a class (None: the likeliest) laid over it.

        Where there are class maps, and a class is given, any thread may ask.

        Raises:
            PhotoError: as `predict`.
            ConfigError: the model has no such class.
            EngineError: Grad-CAM can't be had of this network.
        """
        explainer = self.explainer
        class_name = class_name or self.predict(photo, 1).classes[0].class_name
        classes = self.description.classes
        if class_name not in classes:
            hint = nearest(class_name, classes)
            raise ConfigError(f"The model has no class {class_name}.{hint}")
        index = classes.index(class_name)
        if self._room is not None and isinstance(photo, bytes):
            with self._room.opened(photo) as opened:
                return explainer.explain_opened(opened, index)
        with _naming(photo):
            to_srgb = self._preprocessing.to_srgb
            upright, _ = read_photo(photo, wanted_px=explainer.wanted_px, to_srgb=to_srgb)
        return explainer.explain(upright, index)

    @property
    def has_class_maps(self) -> bool:
        """Whether the network's form says by itself what speaks for a class: see `cam`."""
        return self._form.class_maps is not None

    @cached_property
    def explainer(self) -> Explainer:
        """What lays the heat over a photo; torch is imported for it where there are no class maps.

        Raises:
            EngineError: Grad-CAM can't be had of this network.
        """
        class_maps = self._form.class_maps
        if class_maps is not None:
            return Explainer(
                lambda pixels, index: class_maps(pixels[None])[0, index], self._preprocessing
            )
        from dogbreed.artifact.network import load_network
        from dogbreed.serving.grad_cam import GradCam

        if self._folder is None:
            raise ArtifactError(
                "This predictor knows no folder to read weights from: open it by Predictor.load."
            )
        network = load_network(self._folder, self.description)
        return Explainer(GradCam(network, self._preprocessing.size_px), self._preprocessing)

    def _pixels(self, photo: Photo) -> Pixels:
        """A photo's views: [views, size, size, 3]."""
        size_px, to_srgb = self._preprocessing.size_px, self._preprocessing.to_srgb
        if self._room is None or not isinstance(photo, bytes):
            upright, identity = read_photo(photo, wanted_px=size_px, to_srgb=to_srgb)
            return self._preprocessing.views(upright, self._views, identity)
        with self._room.opened(photo) as opened:
            return self.views(opened, photos.digest(photo))

    def views(self, opened: OpenedPhoto, identity: bytes) -> Pixels:
        """The views [views, size, size, 3] of a photo that a process has opened.

        Raises:
            PhotoError: it can't be decoded.
        """
        return opened.views(self._preprocessing, self._views, identity)

    def _decoded(
        self, many: Iterable[Photo], workers: int, depth: int
    ) -> Iterator[Pixels | PhotoError]:
        """Each photo's pixels or its error, `depth` of them being decoded ahead."""
        pool = ThreadPoolExecutor(workers)
        queue: deque[Future[Pixels | PhotoError]] = deque()
        try:
            for photo in many:
                queue.append(pool.submit(self.decode, photo))
                if len(queue) > depth:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def decode(self, photo: Photo) -> Pixels | PhotoError:
        """The pixels of a photo's views, or why it can't be used; any thread may call it."""
        try:
            return self._pixels(photo)
        except PhotoError as error:
            return error

    def answer(
        self, decoded: Sequence[Pixels | PhotoError], top_k: int = 5
    ) -> Iterator[Prediction | PhotoError]:
        """The answers to what `decode` gave, in its order."""
        good = [pixels for pixels in decoded if not isinstance(pixels, PhotoError)]
        predictions = iter(self._predictions(np.stack(good), top_k) if good else ())
        for each in decoded:
            yield each if isinstance(each, PhotoError) else next(predictions)

    def _predictions(self, pixels: Pixels, top_k: int) -> list[Prediction]:
        """The answers to pixels [n, views, size, size, 3]."""
        log_probabilities, embeddings = self._computed(pixels)
        # Less the highest first: divided by a tiny temperature they would all be infinite.
        below = log_probabilities - log_probabilities.max(-1, keepdims=True)
        with np.errstate(over="ignore"):
            calibrated = np.exp(_log_softmax(below / self.description.temperature))
        return [
            self._ranked(probabilities, embedding, top_k)
            for probabilities, embedding in zip(calibrated, embeddings, strict=True)
        ]

    def _ranked(self, probabilities: Doubles, embedding: Floats, top_k: int) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")
        names, classes = self.description.display_names, self.description.classes
        return Prediction(
            classes=tuple(
                RankedClass(names[index], classes[index], float(probabilities[index]))
                for index in order[:top_k]
            ),
            unknown=bool(probabilities[order[0]] < self.description.threshold),
            embedding=embedding,
        )

    def _computed(self, pixels: Pixels) -> tuple[Doubles, Floats]:
        """Uncalibrated log probabilities [n, classes] and features [n, features], view-averaged."""
        n, views = pixels.shape[:2]
        images = pixels.reshape(n * views, *pixels.shape[2:])
        parts = [
            self._form.run(images[start : start + BATCH_IMAGES])
            for start in range(0, n * views, BATCH_IMAGES)
        ]
        logits, features = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        if not np.isfinite(logits).all():
            raise ArtifactError(
                "The model gives numbers that aren't finite for a photo: train it again, or use "
                "another one."
            )
        by_view = _log_softmax(logits.astype(np.float64)).reshape(n, views, -1)
        averaged = np.logaddexp.reduce(by_view, axis=1) - np.log(views)
        return averaged, features.reshape(n, views, -1).mean(1, dtype=np.float32)


load = Predictor.load


def read_photo(photo: Photo, *, wanted_px: int, to_srgb: bool = True) -> tuple[Image.Image, bytes]:
    """A photo upright in 8-bit RGB as `photos.decode` gives it, and what identifies its content.

    Raises:
        PhotoError: it can't be used.
    """
    if isinstance(photo, Image.Image):
        return photos.upright(photo, to_srgb=to_srgb), photos.digest(photo.tobytes())
    if isinstance(photo, str | Path):
        data = photos.read_bytes(Path(photo))
    elif not isinstance(photo, bytes) and not callable(photo):
        raise ConfigError(
            f"{brief(photo)}: a photo is a path, a file's bytes or an image of Pillow; "
            "Image.fromarray makes one of an array."
        )
    else:
        data = photos.checked(photo if isinstance(photo, bytes) else photo())
    return photos.decode(data, wanted_px=wanted_px, to_srgb=to_srgb), photos.digest(data)


@contextmanager
def _naming(photo: Photo) -> Iterator[None]:
    """An error in the block begins with the photo's path if it has one."""
    try:
        yield
    except PhotoError as error:
        if not isinstance(photo, str | Path):
            raise
        raise PhotoError(error.reason, f"{photo}: {error}") from error


def _log_softmax(scores: Doubles) -> Doubles:
    """Over the last axis."""
    shifted: Doubles = scores - scores.max(-1, keepdims=True)
    logarithms: Doubles = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logarithms
