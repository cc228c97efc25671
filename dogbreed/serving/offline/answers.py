"""The work of `predict`: answers to a terminal, a pipe or a table, and pictures beside them."""

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
from dogbreed.runtime.openvino_runner import cpu_precision
from dogbreed.serving.offline.sources import STDIN, Source, find_sources, is_folder
from dogbreed.serving.offline.table import CSV, JSONL, check_suffix, json_line, open_table, row_of
from dogbreed.serving.offline.urls import is_url
from dogbreed.serving.prediction import Prediction
from dogbreed.serving.predictor import Photo, Predictor
from dogbreed.utils.files import atomic_write, with_ending
from dogbreed.utils.os_errors import DISK_FULL
from dogbreed.utils.progress import progress
from dogbreed.utils.terminal import print_lines

Answer = Prediction | PhotoError


def answer(config: PredictConfig, given: Sequence[str]) -> bool:
    """Answer for the photos that were given; whether every one of them could be.

    Raises:
        ConfigError, DataError, ArtifactError, EngineError, OutputError: before any photo is read.
    """
    # What Pillow finds odd in a file that it can still read is nobody's business here.
    warnings.filterwarnings("ignore", module="PIL")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    output = _output(config, given)
    predictor = Predictor.load(
        Path(config.model),
        engine=config.engine,
        precision=config.precision,
        threads=config.threads,
    )
    pictures = output and with_ending(output.with_suffix(""), "-explained")
    found = find_sources(given, leave_out=pictures, links=config.data.links)
    if output is None or pictures is None:
        good = _to_stdout(predictor, found.sources, config)
    else:
        good = _to_table(predictor, found.sources, config, output, pictures, given)
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
            f"output={output}: embeddings=true writes JSON lines, thousands of columns help "
            f"nobody: write output={output.with_suffix(JSONL)}."
        )
    return output


def _to_stdout(predictor: Predictor, sources: Sequence[Source], config: PredictConfig) -> bool:
    """To a terminal as people read it, else as lines of JSON; errors to the standard error too."""
    for_people = sys.stdout.isatty()
    good = True
    for source, photo, result in _answers(predictor, sources, config):
        if config.explain and isinstance(result, Prediction):
            path = free_path(Path(f"{source.inside().stem}-explained.jpg"), Path.exists)
            result = _explained(predictor, photo, result, path)
            if isinstance(result, Prediction):
                print_lines(f"{source.shown()}: explained in {path}", file=sys.stderr)
        if not for_people:
            print_lines(json_line(row_of(source.name, result)).rstrip("\n"))
        elif isinstance(result, Prediction):
            print_lines(*as_lines(source, result, predictor.description.threshold))
        if isinstance(result, PhotoError):
            print_lines(f"error: {source.shown()}: {result}", file=sys.stderr)
            good = False
    return good


def as_lines(source: Source, prediction: Prediction, threshold: float) -> list[str]:
    """The answer as people read it."""
    lines = [source.shown()]
    if prediction.unknown:
        lines.append(f"   unknown: no breed reaches {threshold:.1%}; the best guesses are")
    for breed in prediction.breeds:
        lines.append(f"  {breed.probability:6.1%}  {breed.name}")
    return lines


def _to_table(
    predictor: Predictor,
    sources: Sequence[Source],
    config: PredictConfig,
    output: Path,
    pictures: Path,
    given: Sequence[str],
) -> bool:
    """Into a .csv or .jsonl file, less what it has already."""
    top_k = min(config.top_k, len(predictor.description.classes))
    places = _picture_places(sources, pictures) if config.explain else {}
    origin = _origin(predictor, config, given)
    with open_table(output, origin, top_k, [source.name for source in sources]) as table:
        if STDIN in table.done:
            raise OutputError(
                f"{output} has an answer for a standard input already, maybe of another photo: "
                "give another output."
            )
        todo = [source for source in sources if source.name not in table.done]
        if table.done:
            print_lines(
                f"{output} has {len(sources) - len(todo):,} of {len(sources):,} photos already"
            )
        with progress("answering", len(todo)) as advance:
            for source, photo, result in _answers(predictor, todo, config):
                if config.explain and isinstance(result, Prediction):
                    result = _explained(predictor, photo, result, places[source.name])
                table.add(row_of(source.name, result, embedding=config.embeddings))
                advance(1)
    bad = sum(bool(table.done[source.name]) for source in sources)
    note = f", {bad:,} of them can't be used (see their error)" if bad else ""
    print_lines(f"{output}: {len(sources):,} photos{note}")
    if config.explain:
        print_lines(f"{pictures}: what speaks for each breed")
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
    """What was given, wherever the command is run: an absolute path, or a URL as it is stored."""
    shown = Source.of(given).name
    is_path = given != STDIN and not is_url(given) and shown == given
    return str(Path(given).absolute()) if is_path else shown


def _answers(
    predictor: Predictor, sources: Sequence[Source], config: PredictConfig
) -> Iterator[tuple[Source, Photo, Answer]]:
    """Each source with what it is read by and its answer, in their order."""
    if config.explain and sources:
        _ = predictor.explainer  # a network that can't be explained is said now
    ahead: deque[tuple[Source, Photo]] = deque()

    def photos() -> Iterator[Photo]:
        for source in sources:
            opener = source.opener(config.timeout_s, config.max_bytes)
            # Explaining reads it a second time, which standard input has no second of.
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
    """The prediction, once the photo with its heat lies at `path`."""
    try:
        picture = predictor.explain(photo, prediction.breeds[0].class_name)
    except PhotoError as error:  # changed since it was answered
        return error
    try:
        with atomic_write(path) as beside:
            picture.save(beside, "JPEG", quality=90)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        if error.errno == errno.ENAMETOOLONG:
            return PhotoError("long_name", "its name is too long for a picture's beside it")
        raise OutputError(
            f"{path} can't be written ({error.strerror}): run the command in a folder of yours."
        ) from error
    return prediction


def _picture_places(sources: Sequence[Source], folder: Path) -> dict[str, Path]:
    """Where in `folder` each photo's picture lies: in the photos' own folders and names."""
    taken: set[Path] = set()
    places: dict[str, Path] = {}
    for source in sources:
        inside = source.inside()
        # Named by the whole name: a.bmp that comes later doesn't take the picture of a.jpg.
        path = free_path(folder / inside.with_name(f"{inside.name}.jpg"), taken.__contains__)
        taken.add(path)
        places[source.name] = path
    return places


def free_path(path: Path, taken: Callable[[Path], bool]) -> Path:
    """The path, numbered if it is taken."""
    number, free = 1, path
    while taken(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
