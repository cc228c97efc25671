"""What a dry run prints is what the SDK would send: as the service takes it, and as reviewed.

Each request is held against a copy in tests/contract/requests/. After a wanted change
`RENEW_REQUESTS=1 python -m pytest tests/contract/test_requests.py` writes the copies anew; review
them as the change that they are.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT, SMALL, draw_folders
from contract.validation import problems

pytestmark = pytest.mark.launch

COPIES = Path(__file__).with_name("requests")

SECURED = (
    "launcher.spot=true",
    "launcher.volume_kms_key=arn:aws:kms:eu-west-1:111122223333:key/disk",
    "launcher.output_kms_key=arn:aws:kms:eu-west-1:111122223333:key/results",
    "launcher.subnets=[subnet-0a1b2c3d]",
    "launcher.security_groups=[sg-0a1b2c3d]",
    "launcher.tags={team: kennel}",
    "launcher.region=eu-west-1",
    "launcher.role=arn:aws:iam::444455556666:role/Trainer",
    "launcher.bucket=our-bucket",
    "launcher.prefix=breeds",
)
COMMANDS: dict[str, tuple[str, ...]] = {
    "hpo": ("tune.py", "+experiment=hpo", "search.name=breeds"),
    "secured": ("tune.py", "+experiment=hpo_batch_lr", "search.name=breeds", *SECURED),
    "hyperband_photos": (
        *("tune.py", "search.strategy=hyperband", "search.input=photos", "search.name=breeds"),
        *("trainer.epochs=27", "search.warm_start=[]", "search.early_stopping=true"),
    ),
    "warm_start": (
        *("tune.py", "search.warm_start=[one,two]", "search.strategy=random", "search.name=breeds"),
        *("search.early_stopping=true", "search.parallel=4", "launcher.instance_type=ml.g5.xlarge"),
    ),
    "gpu_extraction": (
        *("tune.py", "search.name=breeds", "search.trials=4"),
        "launcher.extract_instance_type=ml.g5.xlarge",
    ),
    "one_job": ("tune.py", "search=lr_batch", "search.jobs=one", "search.name=breeds"),
    "cloud_debugger": ("train.py", "best=null", "cloud_debugger=true"),
    "train": ("train.py", "best=null", "launcher.instance_count=2", "optim.lr=0.004"),
}


def printed(stdout: str) -> list[tuple[str, dict[str, Any]]]:
    """The requests in what a dry run prints."""
    blocks = re.findall(r"^Would send (\w+):\n(.*?)\n\n", stdout, re.MULTILINE | re.DOTALL)
    return [(operation, yaml.safe_load(text)) for operation, text in blocks]


def same_everywhere(text: str) -> str:
    """Without what differs between launches: names by the time, digests."""
    text = re.sub(r"dogbreed-\d{6}-\d{6}-[0-9a-f]{4}", "dogbreed-TIME", text)
    text = re.sub(r"(source/|features/|weights/|extract-)[0-9a-f]{16}", r"\1DIGEST", text)
    return re.sub(r"photos/photos-[0-9a-f]{8}/", "photos/photos-DIGEST/", text)


def test_features_are_extracted_anew_for_what_decides_them_alone(tmp_path: Path) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 3, "valid": 1, "test": 1})
    names = {}
    for setting in ("seed=0", "optim.lr=0.1", "data.split_seed=1", "features.views=1"):
        done = subprocess.run(
            [
                *(sys.executable, str(PROJECT / "launch" / "tune.py"), "dry_run=true"),
                *(f"data.root={photos}", setting),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        found = re.search(r"TrainingJobName: (dogbreed-extract-\w+)", done.stdout)
        assert found is not None, done.stderr
        names[setting] = found[1]
    assert names["seed=0"] == names["optim.lr=0.1"]
    assert len(set(names.values())) == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_requests_are_the_reviewed_ones(name: str, tmp_path: Path) -> None:
    script, *arguments = COMMANDS[name]
    photos = draw_folders(tmp_path / "photos", {"train": 3, "valid": 1, "test": 1})
    nobody = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    small = [each for each in SMALL if "epochs" not in each and "batch_size" not in each]
    done = subprocess.run(
        [
            *(sys.executable, str(PROJECT / "launch" / script), "dry_run=true"),
            *(f"data.root={photos}", *small, *arguments),
        ],
        cwd=tmp_path,
        env=nobody,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing was sent." in done.stdout
    assert re.search(r"^in all at most \$", done.stdout, re.MULTILINE)
    assert "launch/job.py" in done.stdout
    assert "15 photos to s3://" in done.stdout
    requests = printed(done.stdout)
    assert requests
    for operation, request in requests:
        assert problems(operation, request) == []
    sent = [{operation: request} for operation, request in requests]
    text = same_everywhere(yaml.safe_dump(sent, sort_keys=False, width=100))
    copy = COPIES / f"{name}.yaml"
    if os.environ.get("RENEW_REQUESTS"):
        copy.write_text(text, "utf-8")
    assert text == copy.read_text("utf-8")
    # Nothing was made but the folder that results would go to.
    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []
