"""What a dry run prints is what the SDK would send: as the service takes it, and as reviewed.

Each request is held against a copy in tests/contract/requests/. After a wanted change
`RENEW_REQUESTS=1 python -m pytest tests/contract/test_requests.py` writes the copies again; review
them as the change that they are.
"""

import re
from pathlib import Path

import pytest
from conftest import SMALL, draw_folders, draw_photo
from contract.dry_runs import SECURED, assert_reviewed, dry_run, printed
from contract.validation import problems

pytestmark = pytest.mark.launch

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
    "cloud_debugger": (
        *("train.py", "best=null", "cloud_debugger=true", "launcher.install=index"),
    ),
    "train": ("train.py", "best=null", "launcher.instance_count=2", "optim.lr=0.004"),
}


def same_everywhere(text: str) -> str:
    """Without what differs between launches: names by the time, digests."""
    text = re.sub(r"dogbreed-\d{6}-\d{6}-[0-9a-f]{4}", "dogbreed-TIME", text)
    text = re.sub(r"(source/|features/|weights/|wheels/|extract-)[0-9a-f]{16}", r"\1DIGEST", text)
    return re.sub(r"(photos/\w+/|photos_sha256: '\")[0-9a-f]{64}", r"\1DIGEST", text)


def test_features_are_extracted_again_only_for_what_determines_them(tmp_path: Path) -> None:
    photos = draw_folders(tmp_path / "photos", {"train": 3, "valid": 1, "test": 1})
    names = {}
    for setting in ("seed=0", "optim.lr=0.1", "data.split_seed=1", "features.views=1"):
        stdout = dry_run("tune.py", f"data.root={photos}", setting, cwd=tmp_path)
        found = re.search(r"TrainingJobName: (dogbreed-extract-\w+)", stdout)
        assert found is not None, stdout
        names[setting] = found[1]
    assert names["seed=0"] == names["optim.lr=0.1"]
    assert len(set(names.values())) == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_requests_are_the_reviewed_ones(name: str, tmp_path: Path) -> None:
    script, *arguments = COMMANDS[name]
    photos = draw_folders(tmp_path / "photos", {"train": 3, "valid": 1, "test": 1})
    draw_photo(photos / "train" / "@eaDir" / "SYNOPHOTO_THUMB_M.jpg", 20, 0)
    small = [each for each in SMALL if "epochs" not in each and "batch_size" not in each]
    stdout = dry_run(script, f"data.root={photos}", *small, *arguments, cwd=tmp_path)
    assert re.search(r"^in all at most \$", stdout, re.MULTILINE)
    assert "launch/job.py" in stdout
    assert "15 photos to s3://" in stdout
    assert "skipped 1 hidden or system files and folders: 1 '@eaDir'" in stdout
    requests = printed(stdout)
    assert requests
    for operation, request in requests:
        assert problems(operation, request) == []
    assert_reviewed(name, requests, same_everywhere)
    # Nothing was made but the folder that results would go to.
    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []
