"""The server's process that computes Grad-CAM overlays, for networks that need torch for them.

    python -m dogbreed.serving.http.explain_worker MODEL

A frame's second number is the class's index; the reply is a JPEG.
"""

import sys
import warnings
from pathlib import Path

from dogbreed.artifact.folder import find_artifact, read_description
from dogbreed.artifact.network import load_network
from dogbreed.data.decoding.photos import decode
from dogbreed.errors import ArtifactError, DogbreedError, PhotoError
from dogbreed.serving.explain import Explainer
from dogbreed.serving.grad_cam import GradCam
from dogbreed.serving.http.ipc import FAILED, NO_MODEL, NOT_EXPLAINED, READY, open_streams
from dogbreed.serving.http.malloc import release_large_blocks
from dogbreed.serving.requests.invocations import as_jpeg


def main(model: str) -> None:
    """Load the network, report that it is ready or why not, then serve until the server exits."""
    warnings.filterwarnings("ignore")  # as in predict_worker
    release_large_blocks()
    frames, send = open_streams()
    try:
        folder = find_artifact(Path(model))
        description = read_description(folder)
        preprocessing = description.pixels()
        class_map = GradCam(load_network(folder, description), preprocessing.size_px)
    except DogbreedError as error:
        send((FAILED, NO_MODEL * isinstance(error, ArtifactError), str(error).encode()))
        return
    explainer = Explainer(class_map, preprocessing)
    send((READY, 0, description.identity.encode()))
    for number, class_index, photo in frames:
        try:
            upright = decode(photo, wanted_px=explainer.wanted_px, to_srgb=preprocessing.to_srgb)
        except PhotoError:
            send((number, 0, NOT_EXPLAINED))
            continue
        send((number, 0, as_jpeg(explainer.explain(upright, class_index))))


if __name__ == "__main__":
    main(*sys.argv[1:])
