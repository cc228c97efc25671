"""The server's process that decodes photos and computes their predictions.

    python -m dogbreed.serving.http.predict_worker MODEL ENGINE PRECISION THREADS TIMEOUT_S

A frame's second number is top_k, or EXPLAIN with the index of a class; in a reply it is the batch's
size. Photos are decoded in processes of their own as they arrive; all that are decoded when the
network becomes free are computed as one batch.
"""

import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from PIL import Image

from dogbreed.data.decoding.photos import digest
from dogbreed.data.decoding.preprocessing import Pixels
from dogbreed.errors import ArtifactError, DogbreedError, PhotoError
from dogbreed.serving.decoding_budget import CostlyPhoto, DecodingBudget, DecodingQueue
from dogbreed.serving.http.ipc import (
    EXPLAIN,
    FAILED,
    NO_MODEL,
    NOT_EXPLAINED,
    READY,
    Frame,
    Send,
    open_streams,
)
from dogbreed.serving.http.malloc import release_large_blocks
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.invocations import as_jpeg, entry_of
from dogbreed.utils.machine import cores
from dogbreed.utils.terminal import print_exception

# The photo's number, top_k, and its pixels or why it can't be decoded.
Decoded = tuple[int, int, Pixels | PhotoError]
# Of the time after which the server kills a worker that doesn't reply.
DECODING_TIME_FRACTION = 0.8


def main(model: str, engine: str, precision: str, threads: str, timeout_s: str) -> None:
    """Load the model, report that it is ready or why not, then serve until the server exits."""
    warnings.filterwarnings("ignore")  # they would fill the server's log
    release_large_blocks()
    frames, send = open_streams()
    budget = DecodingBudget()
    try:
        predictor = Predictor.load(
            model, engine=engine, precision=precision, threads=int(threads), decoding_budget=budget
        )
        # Warm up: the first photo takes longer.
        list(predictor.answer([predictor.decode(as_jpeg(Image.new("RGB", (256, 256))))]))
    except DogbreedError as error:
        send((FAILED, NO_MODEL * isinstance(error, ArtifactError), str(error).encode()))
        return
    send((READY, int(predictor.has_class_maps), predictor.identity.encode()))
    serve_frames(predictor, budget, DECODING_TIME_FRACTION * float(timeout_s), frames, send)


def serve_frames(
    predictor: Predictor,
    budget: DecodingBudget,
    timeout_s: float,
    frames: Iterator[Frame],
    send: Send,
) -> None:
    """Reply to every frame; a photo must be decoded within `timeout_s` once its turn has come."""
    decoded: SimpleQueue[Decoded | None] = SimpleQueue()

    def decode(frame: Frame, queue: DecodingQueue, until: float | None = None) -> None:
        number, request, photo = frame
        remaining_s = timeout_s if until is None else max(0.0, until - time.monotonic())
        try:
            with queue.opened(photo, remaining_s) as opened:
                if request & EXPLAIN:
                    overlay = predictor.explainer.explain_opened(opened, request ^ EXPLAIN)
                    send((number, 1, as_jpeg(overlay)))
                else:
                    decoded.put((number, request, predictor.views(opened, digest(photo))))
        except CostlyPhoto:
            until = time.monotonic() + timeout_s  # later the server would kill this process
            costly.submit(decode, frame, budget.costly, until).add_done_callback(_exit_on_error)
        except PhotoError as error:
            if request & EXPLAIN:
                send((number, 1, NOT_EXPLAINED))
            else:
                decoded.put((number, request, error))

    computing = threading.Thread(target=_compute, args=(predictor, decoded, send))
    computing.start()
    with (  # the ordinary pool ends first: until then it submits to the other
        ThreadPoolExecutor(cores(), "costly") as costly,
        ThreadPoolExecutor(cores(), "ordinary") as ordinary,
    ):
        for frame in frames:
            ordinary.submit(decode, frame, budget.ordinary).add_done_callback(_exit_on_error)
    decoded.put(None)
    computing.join()


def _exit_on_error(decoding: Future[None]) -> None:
    """Exit after an unexpected error: the server starts another worker and resends its photos."""
    if error := decoding.exception():
        print_exception(error)
        os._exit(1)


def _compute(predictor: Predictor, decoded: SimpleQueue[Decoded | None], send: Send) -> None:
    max_photos = predictor.photos_per_batch
    try:
        while batch := _next_batch(decoded, max_photos):
            results = predictor.answer([each[2] for each in batch], max(each[1] for each in batch))
            for (number, top_k, _), result in zip(batch, results, strict=True):
                entry = entry_of(result)
                if "classes" in entry:
                    del entry["classes"][top_k:]
                send((number, len(batch), json.dumps(entry).encode()))
    except BaseException as error:  # as above: without this thread no reply would be sent
        print_exception(error)
        os._exit(1)


def _next_batch(decoded: SimpleQueue[Decoded | None], max_photos: int) -> list[Decoded]:
    """The photos that are decoded by now, at least one; none at the end."""
    batch: list[Decoded] = []
    while len(batch) < max_photos:
        try:
            item = decoded.get(block=not batch)
        except Empty:
            break
        if item is None:
            decoded.put(None)
            break
        batch.append(item)
    return batch


if __name__ == "__main__":
    main(*sys.argv[1:])
