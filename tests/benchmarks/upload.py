"""Photos to S3, against `aws s3 sync`: a first launch, and a second with nothing to send.

python tests/benchmarks/upload.py PHOTOS

Both send to the same stand-in for S3 on this machine, a process of its own, in turns.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from common import row, timed, title

from dogbreed.cloud.aws.account import CLIENT
from dogbreed.cloud.aws.photo_objects import local_photos, plan_photos, upload_photos
from dogbreed.cloud.aws.s3_folder import S3Folder

TURNS = 3
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def main(root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as temporary, stand_in() as address:
        os.environ.update(CREDENTIALS)
        client = boto3.Session().client("s3", config=CLIENT, endpoint_url=address)
        aws = install_aws(Path(temporary))
        ours, theirs = [], []
        for turn in range(TURNS):
            client.create_bucket(Bucket=f"turn-{turn}")
            folder = S3Folder(f"turn-{turn}", "ours")
            ours.append(seconds_to_upload(client, folder, root, files))
            if aws is not None:
                command = [str(aws), "s3", "sync", str(root), f"s3://turn-{turn}/theirs"]
                more = ["--endpoint-url", address, "--only-show-errors"]
                theirs.append(timed([*command, *more], root).seconds)
        again = seconds_to_upload(client, folder, root, files)
    report(len(files), ours, theirs, again)


def report(count: int, ours: list[float], theirs: list[float], again: float) -> None:
    title(f"{count} photos to S3 on this machine, the median of {TURNS} turns")
    here = statistics.median(ours)
    print(f"  this package: {here:.1f} s ({', '.join(f'{each:.1f}' for each in ours)})")
    if theirs:
        there = statistics.median(theirs)
        print(f"  aws s3 sync: {there:.1f} s ({', '.join(f'{each:.1f}' for each in theirs)})")
        ratio = there / here
        pairs = ", ".join(f"{b / a:.2f}" for a, b in zip(ours, theirs, strict=True))
        print(f"  aws s3 sync / this package, of each turn: {pairs}")
        row("as fast as aws s3 sync", f"{ratio:.2f} x", ">= 1.0 x", ratio >= 1)
    else:
        print("  awscli can't be installed here: nothing to hold it against")
    row("a second time, nothing to send", f"{again:.1f} s", "<= 5 s", again <= 5)


def seconds_to_upload(client: Any, folder: S3Folder, root: Path, files: list[Path]) -> float:
    """From the list of files to the end; no digest is known beforehand."""
    start = time.monotonic()
    plan = plan_photos(client, folder, local_photos(root, files, {}))
    upload_photos(client, folder, plan, kms_key=None)
    return time.monotonic() - start


@contextmanager
def stand_in() -> Iterator[str]:
    """The address of a moto that answers as S3 does, as long as the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Return once something answers there."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("moto's server doesn't start: is moto[server] installed?")


def install_aws(folder: Path) -> Path | None:
    """The newest awscli, in an environment of its own; None if it can't be had."""
    uv, python = [sys.executable, "-m", "uv"], folder / "bin" / "python"
    for command in (
        [*uv, "venv", "--quiet", str(folder), "--allow-existing"],
        [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), "awscli"],
    ):
        if subprocess.run(command).returncode:
            return None
    return folder / "bin" / "aws"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
