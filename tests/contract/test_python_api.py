"""dogbreed.cloud.Search, Training and Deployment: the SDK's own objects, in an emulated account."""

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import PROJECT, SMALL, draw_folders

from dogbreed.errors import CloudError, ConfigError

if TYPE_CHECKING:
    from contract.sagemaker_server import SageMakerAccount

pytest_plugins = ("contract.fixtures",)
pytestmark = pytest.mark.launch

QUICK = (
    *(each for each in SMALL if "batch_size" not in each),
    "launcher.instance_type=ml.m5.large",
)
SEARCH = (
    *("+experiment=hpo", "search.trials=2", "search.name=breeds"),
    *("search.objective=valid_loss", "search.direction=minimize"),
)


def run_cells(notebook: str, first: str, folder: Path) -> dict[str, Any]:
    """Run the code cells of a notebook, with `first` in place of the first one; its variables."""
    cells = json.loads((PROJECT / "examples" / notebook).read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    program = folder / "cells.py"
    program.write_text("\n\n".join([first, *code[1:]]), "utf-8")
    return runpy.run_path(str(program))


def test_the_notebook_searches_trains_deploys_queries_and_deletes(
    account: "SageMakerAccount", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sagemaker.train.model_trainer import ModelTrainer
    from sagemaker.train.tuner import HyperparameterTuner

    monkeypatch.chdir(tmp_path)
    photos = draw_folders(tmp_path / "photos", {"train": 6, "valid": 2, "test": 2})
    common = [f"data.root={photos}", f"launcher.role={account.role_arn}", *QUICK]
    serving = [
        "endpoint=breeds",
        "deploy.ttl_hours=null",
        f"deploy.role={account.serving_role_arn}",
    ]
    first = (
        f"common, search_keys, deploy_keys = {common!r}, {list(SEARCH)!r}, {serving!r}\n"
        f"photo = {str(next(photos.rglob('*.jpg')))!r}"
    )
    names = run_cells("sagemaker.ipynb", first, tmp_path)

    search, training = names["search"], names["training"]
    assert isinstance(search.tuner, HyperparameterTuner)
    assert isinstance(search.trainer, ModelTrainer)
    assert set(search.tuner.hyperparameter_ranges()) == {
        f"{kind}ParameterRanges" for kind in ("Integer", "Continuous", "Categorical")
    }
    table = search.tuner.analytics().dataframe()
    assert len(table) == 2
    assert search.tuner.best_training_job() in set(table["TrainingJobName"])
    assert (search.folder / "best.yaml").is_file()
    assert isinstance(training.trainer, ModelTrainer)
    assert (training.folder / "metrics.json").is_file()

    with pytest.raises(CloudError, match="attach=cats: there is no job of that name"):
        type(search).attach("cats", *common).wait()
    sent = [name for name, _ in account.requests]
    # Started again, from Python or by a command: still one job.
    names["training"].trainer.train(wait=False, logs=False)
    assert sent.count("CreateHyperParameterTuningJob") == 1
    assert list(account.tuning_jobs) == ["breeds"]
    others = [name for name in account.training_jobs if not name.startswith("breeds-")]
    assert len(others) == 2  # the features, and the training
    assert "SimulatePrincipalPolicy" not in sent


def test_a_search_in_one_job_has_a_trainer_and_no_tuner(
    account: "SageMakerAccount", tmp_path: Path
) -> None:
    from dogbreed.cloud import Search

    photos = draw_folders(tmp_path / "photos", {"train": 3, "valid": 1, "test": 1})
    one = ("search.jobs=one", f"data.root={photos}", f"launcher.role={account.role_arn}", *QUICK)
    search = Search(*one, f"output_root={tmp_path}")
    with pytest.raises(ConfigError, match=r"take Search\.trainer"):
        _ = search.tuner
    assert search.trainer.hyperparameters["job"] == '"tune"'
    assert account.training_jobs == {}
