"""From a photo's bytes to ranked classes, for every command and server.

Neither torch, Lightning nor Hydra is imported, unless torch is what computes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from dogbreed.artifact.description import Description
from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.runtimes import open_runtime
from dogbreed.artifact.trained_model import Scored, TrainedModel
from dogbreed.configuration.run import Config, PredictConfig
from dogbreed.configuration.schema import argument, brief, nearest
from dogbreed.data.decoding import photos
from dogbreed.data.decoding.pool import OpenedPhoto
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import ArtifactError, ConfigError, PhotoError
from dogbreed.runtime.probabilities import Doubles
from dogbreed.runtime.runner import AUTO, CLASS_MAPS, Runner
from dogbreed.serving.arrays import image_of, is_array
from dogbreed.serving.decoding_budget import DecodingBudget
from dogbreed.serving.explain import Explainer
from dogbreed.serving.prediction import Prediction, RankedClass
from dogbreed.serving.web.urls import is_url, shown_url
from dogbreed.utils.machine import cores

if TYPE_CHECKING:
    from torch import Tensor

# A path, a URL, a file's bytes, a function that returns them, what Pillow opened, an array
# [height, width, 3] or a tensor [3, height, width].
Photo = Union[str, Path, bytes, Callable[[], bytes], Image.Image, npt.NDArray[Any], "Tensor"]


class Predictor:
    """Predicts the classes of photos with a trained model; for one thread at a time.

    Args:
        runner: the model's network, as `open_runtime` returns it.
        folder: the model's folder; `explain` reads its weights from there.
        decoding_budget: where photos that come as bytes, from anybody, are decoded; None: as any
            others.
    """

    def __init__(
        self,
        description: Description,
        runner: Runner,
        *,
        folder: Path | None = None,
        decoding_budget: DecodingBudget | None = None,
    ) -> None:
        self.description = description
        self._model = TrainedModel(description, runner)
        self._folder = folder
        self._decoding_budget = decoding_budget
        self._preprocessing = self._model.preprocessing

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str = AUTO,
        precision: str = AUTO,
        threads: int = 0,
        decoding_budget: DecodingBudget | None = None,
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
        runner = open_runtime(folder, description, engine, precision=precision, threads=threads)
        return cls(description, runner, folder=folder, decoding_budget=decoding_budget)

    @overload
    def __call__(
        self, photo: list[Any] | tuple[Any, ...], top_k: int = 5
    ) -> list[Prediction | PhotoError]: ...

    @overload
    def __call__(self, photo: Photo, top_k: int = 5) -> Prediction: ...

    def __call__(self, photo: Any, top_k: int = 5) -> Prediction | list[Prediction | PhotoError]:
        """The prediction for a photo; for a list of them a list, as of `predict_many`.

        Raises:
            PhotoError, ConfigError: as `predict` and `predict_many`.
        """
        several = isinstance(photo, list | tuple) or (is_array(photo) and photo.ndim == 4)
        return list(self.predict_many(photo, top_k)) if several else self.predict(photo, top_k)

    def __repr__(self) -> str:
        backbone, classes = self.description.backbone["name"], self.description.classes
        return f"Predictor({backbone}, {len(classes)} classes, {self._folder})"

    @cached_property
    def identity(self) -> str:
        """What identifies the model: two of the same identity give the same answers."""
        return self.description.identity

    @property
    def photos_per_batch(self) -> int:
        """How many photos are computed at once."""
        return self._model.photos_per_batch

    def predict(self, photo: Photo, top_k: int = 5) -> Prediction:
        """The `top_k` most likely classes of a photo: a path, a URL, bytes, an image, an array.

        A URL is fetched, within the limits of `dogbreed.serving.web.fetch`.

        Raises:
            PhotoError: it is unreadable; the message begins with the path or URL if there is one.
            ConfigError: `top_k` isn't a whole number from 1 on, or `photo` is something else.
        """
        top_k = argument(PredictConfig, "top_k", top_k)
        with _naming(photo):
            pixels = self._pixels(photo)
        return self._ranked(self._model.score(pixels[None])[0], top_k)

    def predict_many(
        self, many: Iterable[Photo], top_k: int = 5, *, workers: int = 0
    ) -> Iterator[Prediction | PhotoError]:
        """One answer per photo, in their order: its prediction, or why it is unreadable.

        `workers` threads (0: one per core) read and decode photos while others are computed; some
        dozens are in memory at a time.

        Raises:
            ConfigError: as `predict`, or `many` is one photo.
        """
        top_k = argument(PredictConfig, "top_k", top_k)
        workers = argument(Config, "data.workers", workers, kind=int)
        one_array = is_array(many) and many.ndim < 4  # else its rows would be taken for photos
        if one_array or isinstance(many, str | bytes | PathLike | Image.Image):
            raise ConfigError("predict_many takes a list of photos: for one there is predict.")
        scored = self._model.score_many(many, self._pixels, workers=workers or cores())
        return (self._as_answer(each, top_k) for each in scored)

    def log_probabilities(self, pixels: Pixels) -> Doubles:
        """[n, views, size, size, 3] to logarithms [n, classes] of the views' mean probabilities.

        Uncalibrated, as BreedClassifier.log_probabilities returns them.
        """
        return self._model.log_probabilities(pixels)

    def explain(self, photo: Photo, class_name: str | None = None) -> Image.Image:
        """The photo under a class's Grad-CAM overlay; None: the likeliest class.

        Any thread may call it if `has_class_maps` and a class is given.

        Raises:
            PhotoError: as `predict`.
            ConfigError: the model has no such class.
            EngineError: Grad-CAM can't be computed for this network.
        """
        explainer = self.explainer
        class_name = class_name or self.predict(photo, 1).classes[0].class_name
        classes = self.description.classes
        if class_name not in classes:
            hint = nearest(class_name, classes)
            raise ConfigError(f"The model has no class {class_name}.{hint}")
        index = classes.index(class_name)
        if self._decoding_budget is not None and isinstance(photo, bytes):
            with self._decoding_budget.opened(photo) as opened:
                return explainer.explain_opened(opened, index)
        with _naming(photo):
            to_srgb = self._preprocessing.to_srgb
            upright = _read_photo(photo, wanted_px=explainer.wanted_px, to_srgb=to_srgb)
        return explainer.explain(upright, index)

    @property
    def has_class_maps(self) -> bool:
        """Whether the runtime computes class activation maps: see `runtime.class_maps`."""
        return CLASS_MAPS in self._model.runner.outputs

    @cached_property
    def explainer(self) -> Explainer:
        """What draws Grad-CAM overlays; torch is imported for it where there are no class maps.

        Raises:
            EngineError: Grad-CAM can't be computed for this network.
        """
        if self.has_class_maps:
            runner = self._model.runner
            return Explainer(
                lambda pixels, index: runner(pixels[None])[CLASS_MAPS][0, index],
                self._preprocessing,
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
        if is_array(photo):
            photo = image_of(photo)
        if isinstance(photo, Image.Image):
            upright = photos.upright(photo, to_srgb=self._preprocessing.to_srgb)
            return self._preprocessing.views(
                upright, self._model.view_names, photos.digest(photo.tobytes())
            )
        if self._decoding_budget is None or not isinstance(photo, bytes):
            return self._model.views(_bytes_of(photo))
        with self._decoding_budget.opened(photo) as opened:
            return self.views(opened, photos.digest(photo))

    def views(self, opened: OpenedPhoto, identity: bytes) -> Pixels:
        """The views [views, size, size, 3] of a photo that a process has opened.

        Raises:
            PhotoError: it can't be decoded.
        """
        return opened.views(self._preprocessing, self._model.view_names, identity)

    def decode(self, photo: Photo) -> Pixels | PhotoError:
        """The pixels of a photo's views, or why it is unreadable; any thread may call it."""
        try:
            return self._pixels(photo)
        except PhotoError as error:
            return error

    def answer(
        self, decoded: Sequence[Pixels | PhotoError], top_k: int = 5
    ) -> Iterator[Prediction | PhotoError]:
        """The answers to what `decode` returned, in its order."""
        return (self._as_answer(each, top_k) for each in self._model.score_readable(decoded))

    def _as_answer(self, scored: Scored | PhotoError, top_k: int) -> Prediction | PhotoError:
        return scored if isinstance(scored, PhotoError) else self._ranked(scored, top_k)

    def _ranked(self, scored: Scored, top_k: int) -> Prediction:
        probabilities = scored.probabilities
        order = np.argsort(-probabilities, kind="stable")
        names, classes = self.description.display_names, self.description.classes
        return Prediction(
            classes=tuple(
                RankedClass(names[index], classes[index], float(probabilities[index]))
                for index in order[:top_k]
            ),
            unknown=bool(probabilities[order[0]] < self.description.threshold),
            embedding=scored.features,
        )


load = Predictor.load


def _read_photo(photo: Photo, *, wanted_px: int, to_srgb: bool = True) -> Image.Image:
    """A photo upright in 8-bit RGB as `photos.decode` returns it.

    Raises:
        PhotoError: it is unreadable.
    """
    if is_array(photo):
        photo = image_of(photo)
    if isinstance(photo, Image.Image):
        return photos.upright(photo, to_srgb=to_srgb)
    return photos.decode(_bytes_of(photo), wanted_px=wanted_px, to_srgb=to_srgb)


def _bytes_of(photo: Any) -> bytes:
    """A photo's file, within its limit of bytes."""
    if isinstance(photo, str) and is_url(photo):
        from dogbreed.serving.web.fetch import fetch  # the network's modules

        return photos.checked(fetch(photo))
    if isinstance(photo, str | Path):
        return photos.read_bytes(Path(photo))
    if not isinstance(photo, bytes) and not callable(photo):
        raise ConfigError(
            f"{brief(photo)}: a photo is a path, a URL, a file's bytes, an image of Pillow, an "
            "array or a tensor."
        )
    return photos.checked(photo if isinstance(photo, bytes) else photo())


@contextmanager
def _naming(photo: Photo) -> Iterator[None]:
    """An error in the block begins with the photo's path if it has one."""
    try:
        yield
    except PhotoError as error:
        if not isinstance(photo, str | Path):
            raise
        name = shown_url(photo) if isinstance(photo, str) and is_url(photo) else photo
        raise PhotoError(error.reason, f"{name}: {error}") from error
