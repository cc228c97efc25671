"""The work of `predict`: predictions to a terminal, a pipe or a table, and Grad-CAM overlays."""

import errno
import functools
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dogbreed.artifact.file_names import OPENVINO
from dogbreed.artifact.runtimes import choose_runtime
from dogbreed.configuration.run import PredictConfig
from dogbreed.configuration.schema import AUTO
from dogbreed.errors import ConfigError, OutputError, PhotoError
from dogbreed.run_records.best import choose_run
from dogbreed.runtime.openvino_runner import cpu_precision
from dogbreed.serving.model_line import model_line
from dogbreed.serving.offline.sources import STDIN, Source, find_sources, is_folder
from dogbreed.serving.offline.table import CSV, JSONL, check_suffix, json_line, open_table, row_of
from dogbreed.serving.prediction import Prediction
from dogbreed.serving.predictor import Photo, Predictor
from dogbreed.serving.web.urls import is_url
from dogbreed.utils.files import atomic_write, with_ending
from dogbreed.utils.nouns import counted
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.progress import progress
from dogbreed.utils.terminal import print_lines

Result = Prediction | PhotoError


def predict(config: PredictConfig, given: Sequence[str]) -> bool:
    """Classify the given photos; whether every one of them could be.

    Raises:
        ConfigError, DataError, ArtifactError, EngineError, OutputError: before any photo is read.
    """
    # Pillow warns of oddities in files that it can read all the same.
    warnings.filterwarnings("ignore", module="PIL")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    output = _output(config, given)
    chosen = choose_run(Path(config.model))
    predictor = Predictor.load(
        chosen.folder,
        engine=config.engine,
        precision=config.precision,
        threads=config.threads,
    )
    if chosen.reason:  # else the model was named by its own path
        print_lines(model_line(chosen, predictor.description), file=sys.stderr)
    overlays = output and _overlays_of(output)
    found = find_sources(given, leave_out=overlays, links=config.data.links)
    if output is None:
        good = _to_stdout(predictor, found.sources, config)
    else:
        good = _to_table(predictor, found.sources, config, output, given)
    for note in found.notes:
        print_lines(note, file=sys.stderr if output is None else sys.stdout)
    return good and found.complete


def _output(config: PredictConfig, given: Sequence[str]) -> Path | None:
    """The table to write, or None for the standard output."""
    if config.output is None:
        if config.embeddings:
            return Path(f"predictions{JSONL}")
        return Path(f"predictions{CSV}") if any(map(is_folder, given)) else None
    output = Path(config.output)
    check_suffix(output)
    if config.embeddings and output.suffix != JSONL:
        raise ConfigError(
            f"output={output}: embeddings=true writes JSON lines, as CSV would have thousands of "
            f"columns: write output={output.with_suffix(JSONL)}."
        )
    return output


def _overlays_of(output: Path) -> Path:
    """The folder of the Grad-CAM overlays beside a table."""
    return with_ending(output.with_suffix(""), "-explained")


def _to_stdout(predictor: Predictor, sources: Sequence[Source], config: PredictConfig) -> bool:
    """To a terminal as text, else as lines of JSON; errors to the standard error too."""
    is_terminal = sys.stdout.isatty()
    description = predictor.description
    good = True
    for source, photo, result in _predictions(predictor, sources, config):
        if config.explain and isinstance(result, Prediction):
            path = free_path(Path(f"{source.inside().stem}-explained.jpg"), Path.exists)
            result = _explained(predictor, photo, result, path)
            if isinstance(result, Prediction):
                print_lines(f"{source.shown()}: Grad-CAM overlay in {path}", file=sys.stderr)
        if not is_terminal:
            print_lines(json_line(row_of(source.name, result)).rstrip("\n"))
        elif isinstance(result, Prediction):
            print_lines(*as_lines(source, result, description.threshold, description.noun))
        if isinstance(result, PhotoError):
            print_lines(f"error: {source.shown()}: {result}", file=sys.stderr)
            good = False
    return good


def as_lines(source: Source, prediction: Prediction, threshold: float, noun: str) -> list[str]:
    """The prediction as text for a terminal; `noun` is what the model calls a class."""
    lines = [source.shown()]
    if prediction.unknown:
        lines.append(f"   unknown: no {noun} reaches {threshold:.1%}; the best guesses are")
    for each in prediction.classes:
        lines.append(f"  {each.probability:6.1%}  {each.label}")
    return lines


def _to_table(
    predictor: Predictor,
    sources: Sequence[Source],
    config: PredictConfig,
    output: Path,
    given: Sequence[str],
) -> bool:
    """Into a .csv or .jsonl file, without the photos that are in it already."""
    top_k = min(config.top_k, len(predictor.description.classes))
    overlays = _overlays_of(output)
    overlay_paths = _overlay_paths(sources, overlays) if config.explain else {}
    origin = _origin(predictor, config, given)
    with open_table(output, origin, top_k, [source.name for source in sources]) as table:
        if STDIN in table.done:
            raise OutputError(
                f"{output} has a row for a photo from the standard input, maybe of another one: "
                "give another output."
            )
        todo = [source for source in sources if source.name not in table.done]
        if table.done:
            print_lines(
                f"{output} has {len(sources) - len(todo):,} of {len(sources):,} photos already"
            )
        with progress("classifying", len(todo)) as advance:
            for source, photo, result in _predictions(predictor, todo, config):
                if config.explain and isinstance(result, Prediction):
                    result = _explained(predictor, photo, result, overlay_paths[source.name])
                table.add(row_of(source.name, result, embedding=config.embeddings))
                advance(1)
    bad = sum(bool(table.done[source.name]) for source in sources)
    note = f", {bad:,} of them can't be used (see their error)" if bad else ""
    print_lines(f"{output}: {counted(len(sources), 'photo')}{note}")
    if config.explain:
        noun = predictor.description.noun
        print_lines(f"{overlays}: Grad-CAM overlays of each photo's most likely {noun}")
    return not bad


def _origin(predictor: Predictor, config: PredictConfig, given: Sequence[str]) -> dict[str, Any]:
    """What the rows of a table depend on."""
    engine = choose_runtime(predictor.description, config.engine)
    return {
        "model": predictor.identity,
        "photos": list(map(_full_name, given)),
        "engine": engine,
        "precision": cpu_precision(config.precision) if engine == OPENVINO else None,
        "top_k": config.top_k,
        "explain": config.explain,
        "embeddings": config.embeddings,
    }


def _full_name(given: str) -> str:
    """A photo's argument as an absolute path, or as a URL without its secrets."""
    shown = Source.of(given).name
    is_path = given != STDIN and not is_url(given) and shown == given
    return str(Path(given).absolute()) if is_path else shown


def _predictions(
    predictor: Predictor, sources: Sequence[Source], config: PredictConfig
) -> Iterator[tuple[Source, Photo, Result]]:
    """Each source with its photo and its prediction or error, in their order."""
    if config.explain and sources:
        _ = predictor.explainer  # raises now if the network has no Grad-CAM
    ahead: deque[tuple[Source, Photo]] = deque()

    def photos() -> Iterator[Photo]:
        for source in sources:
            opener = source.opener(config.timeout_s, config.max_bytes)
            # The overlay reads it a second time, and the standard input can be read once.
            photo = opener if isinstance(opener, Path) else functools.cache(opener)
            ahead.append((source, photo))
            yield photo

    workers = 0 if config.workers == AUTO else int(config.workers)
    for result in predictor.predict_many(photos(), config.top_k, workers=workers):
        source, photo = ahead.popleft()
        yield source, photo, result


def _explained(
    predictor: Predictor, photo: Photo, prediction: Prediction, path: Path
) -> Prediction | PhotoError:
    """The prediction, once the photo's Grad-CAM overlay is at `path`, or why it can't be made."""
    try:
        overlay = predictor.explain(photo, prediction.classes[0].class_name)
    except PhotoError as error:  # changed since it was classified
        return error
    try:
        with atomic_write(path) as temporary:
            overlay.save(temporary, "JPEG", quality=90)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        if error.errno == errno.ENAMETOOLONG:
            return PhotoError("long_name", "its name is too long for that of an overlay")
        raise OutputError(
            f"{path} can't be written ({error.strerror}): run the command in a folder that "
            "you can write."
        ) from error
    return prediction


def _overlay_paths(sources: Sequence[Source], folder: Path) -> dict[str, Path]:
    """The path in `folder` of each photo's overlay, in the subfolders of the photos."""
    taken: set[Path] = set()
    paths: dict[str, Path] = {}
    for source in sources:
        inside = source.inside()
        # Named by the complete name: a later a.bmp doesn't take the overlay of a.jpg.
        path = free_path(folder / inside.with_name(f"{inside.name}.jpg"), taken.__contains__)
        taken.add(path)
        paths[source.name] = path
    return paths


def free_path(path: Path, taken: Callable[[Path], bool]) -> Path:
    """The path, numbered if it is taken."""
    number, free = 1, path
    while taken(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
