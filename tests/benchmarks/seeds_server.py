"""The seeds' way to serve, to compare with: TorchServe with one worker and an eager fp32 handler.

It runs in .venv-servers, which `make test-servers` builds. As a command it serves until Ctrl-C:

python tests/benchmarks/seeds_server.py PORT
"""

import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))  # tests/, where the servers are started

from helpers.started import ask, missing, torchserve

# As the seeds' own inference.py: torchvision's preprocessing, one photo, one eager pass. Random
# weights take as long as trained ones.
HANDLER = """
import io, json
import torch
from PIL import Image
from torchvision import models, transforms

BREEDS = 133
PREPROCESSING = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])


def model_fn(model_dir):
    network = models.resnet50(weights=None)
    network.fc = torch.nn.Linear(network.fc.in_features, BREEDS)
    return network.eval()


def input_fn(body, content_type):
    return PREPROCESSING(Image.open(io.BytesIO(body)).convert("RGB")).unsqueeze(0)


def predict_fn(images, network):
    with torch.no_grad():
        return network(images)


def output_fn(logits, accept):
    return json.dumps(logits.tolist()), "application/json"
"""


@contextmanager
def serve_seeds_way(folder: Path, port: int = 0) -> Iterator[str]:
    """The URL of /invocations, answering already; a `port` of 0 is a free one.

    The handler lies in a folder seeds-way in `folder`.
    """
    why = missing(java=True)
    if why:
        sys.exit(f"the seeds' way can't be measured: {why}")
    model = folder / "seeds-way"
    (model / "code").mkdir(parents=True, exist_ok=True)
    (model / "code" / "inference.py").write_text(HANDLER, "utf-8")
    with torchserve(lambda place: place.symlink_to(model.resolve()), port) as address:
        url = f"{address}/invocations"
        status, answer = ask(url, _first_photo(), Content_Type="image/jpeg")
        if status != 200:
            sys.exit(f"the seeds' way doesn't answer: {answer}")
        yield url


def _first_photo() -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as temporary,
        serve_seeds_way(Path(temporary), int(sys.argv[1])) as url,
    ):
        print(url, flush=True)
        threading.Event().wait()
