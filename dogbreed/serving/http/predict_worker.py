"""The server's process that has photos decoded and computes their answers.

    python -m dogbreed.serving.http.predict_worker MODEL ENGINE PRECISION THREADS TIMEOUT_S

A frame's second number is top_k, and in an answer how many photos were computed with it; or EXPLAIN
and the class that is to be explained, by its place in the model's. Photos are decoded in processes
of their own, as they come; whatever is decoded when the network becomes free is computed together.
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

from dogbreed.data.decoding.photos import Pixels, digest
from dogbreed.errors import ArtifactError, DogbreedError, PhotoError
from dogbreed.serving.decoding_budget import CostlyPhoto, Lane, Room
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
from dogbreed.serving.http.memory import give_back_large_pieces
from dogbreed.serving.predictor import Predictor
from dogbreed.serving.requests.invocations import as_jpeg, entry_of
from dogbreed.utils.machine import cores
from dogbreed.utils.terminal import print_exception

# The photo's number, how many breeds are wanted, and what came of decoding.
Decoded = tuple[int, int, Pixels | PhotoError]
# Of the time after which the server ends a process that owes an answer.
PATIENCE = 0.8


def main(model: str, engine: str, precision: str, threads: str, timeout_s: str) -> None:
    """Load the model, say that it is ready or why not, then answer until the server is gone."""
    warnings.filterwarnings("ignore")  # nobody reads them
    give_back_large_pieces()
    frames, send = open_streams()
    room = Room()
    try:
        predictor = Predictor.load(
            model, engine=engine, precision=precision, threads=int(threads), room=room
        )
        # The first photo takes longer than those after it.
        list(predictor.answer([predictor.decode(as_jpeg(Image.new("RGB", (256, 256))))]))
    except DogbreedError as error:
        send((FAILED, NO_MODEL * isinstance(error, ArtifactError), str(error).encode()))
        return
    send((READY, int(predictor.has_class_maps), predictor.identity.encode()))
    answer_all(predictor, room, PATIENCE * float(timeout_s), frames, send)


def answer_all(
    predictor: Predictor, room: Room, timeout_s: float, frames: Iterator[Frame], send: Send
) -> None:
    """Answer every frame; a photo is decoded within `timeout_s` once it is its turn."""
    decoded: SimpleQueue[Decoded | None] = SimpleQueue()

    def take(frame: Frame, lane: Lane, until: float | None = None) -> None:
        number, wanted, photo = frame
        left_s = timeout_s if until is None else max(0.0, until - time.monotonic())
        try:
            with lane.opened(photo, left_s) as opened:
                if wanted & EXPLAIN:
                    picture = predictor.explainer.explain_opened(opened, wanted ^ EXPLAIN)
                    send((number, 1, as_jpeg(picture)))
                else:
                    decoded.put((number, wanted, predictor.views(opened, digest(photo))))
        except CostlyPhoto:
            until = time.monotonic() + timeout_s  # so long in all, or the server ends this process
            costly.submit(take, frame, room.costly, until).add_done_callback(_end)
        except PhotoError as error:
            if wanted & EXPLAIN:
                send((number, 1, NOT_EXPLAINED))
            else:
                decoded.put((number, wanted, error))

    computing = threading.Thread(target=_compute, args=(predictor, decoded, send))
    computing.start()
    with (  # the latter ends first: it may hand photos over until then
        ThreadPoolExecutor(cores(), "costly") as costly,
        ThreadPoolExecutor(cores(), "ordinary") as ordinary,
    ):
        for frame in frames:
            ordinary.submit(take, frame, room.ordinary).add_done_callback(_end)
    decoded.put(None)
    computing.join()


def _end(taking: Future[None]) -> None:
    """End the process after what nobody foresaw: the server starts another and asks it again."""
    if error := taking.exception():
        print_exception(error)
        os._exit(1)


def _compute(predictor: Predictor, decoded: SimpleQueue[Decoded | None], send: Send) -> None:
    most = predictor.photos_per_batch
    try:
        while batch := _next_batch(decoded, most):
            answers = predictor.answer([each[2] for each in batch], max(each[1] for each in batch))
            for (number, top_k, _), answer in zip(batch, answers, strict=True):
                entry = entry_of(answer)
                if "breeds" in entry:
                    del entry["breeds"][top_k:]
                send((number, len(batch), json.dumps(entry).encode()))
    except BaseException as error:  # as above; without this thread the server would wait
        print_exception(error)
        os._exit(1)


def _next_batch(decoded: SimpleQueue[Decoded | None], most: int) -> list[Decoded]:
    """What is decoded by now, one photo at least; nothing once all is done."""
    batch: list[Decoded] = []
    while len(batch) < most:
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
