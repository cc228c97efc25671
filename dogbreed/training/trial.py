"""The end of a job that is a trial of a search: its results, and no model."""

from dogbreed.data.layouts.splits import VALID
from dogbreed.data_module import BreedDataModule
from dogbreed.evaluation.calibration import fit_temperature
from dogbreed.evaluation.metrics.measuring import measure
from dogbreed.run_records.record import METRICS_FILE
from dogbreed.training.context import RunContext
from dogbreed.training.fit import score
from dogbreed.training.results import Trained
from dogbreed.training.summary import log_objectives
from dogbreed.utils.files import json_text, write_text


def finish_trial(context: RunContext, trained: Trained, module: BreedDataModule) -> None:
    """Log the metrics of the validation photos, of which one is the objective; write metrics.json.

    The best trial's hyperparameters are trained again, so no trial exports a model or a report.
    """
    with context.clock.phase("test"):
        scores = score(trained.model, module.eval_dataloader(VALID), f"evaluating {VALID}")
        measured = measure(scores, fit_temperature(scores))
    log_objectives(measured)
    context.write_profile()
    values = {
        VALID: measured.as_dict(),
        "epochs": list(trained.epochs),
        "seconds": context.clock.as_dict(),
    }
    write_text(context.run.path / METRICS_FILE, json_text(values))
