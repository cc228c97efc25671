"""The observer that writes the losses through SageMaker Debugger's hook, for its trials and rules.

smdebug counts a step when a module that it knows is called, and files a value under the step and
the mode of that moment. So a module without weights is called once per step, and the values are
handed over by name: `CrossEntropyLoss_output_0` falls into smdebug's collection `losses`, in the
mode TRAIN at each step and in EVAL at each validation; `top1_output_0` and `learning_rate_output_0`
into `metrics`. No criterion is registered, so nothing is recorded twice.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.smdebug.library import (
    OR_WITHOUT,
    environment,
    failures,
    hook_class,
    load,
    translated,
)
from dogbreed.errors import RecordingError

CONFIG_VARIABLE = "SMDEBUG_CONFIG_FILE_PATH"
SAGEMAKER_CONFIG = "/opt/ml/input/config/debughookconfig.json"
LOSS, TOP1, LEARNING_RATE = "CrossEntropyLoss", "top1", "learning_rate"
METRICS = "metrics"


class SmdebugHook:
    """Writes what `smdebug.trials.create_trial` reads.

    SageMaker's configuration of the hook, where there is one, defines what is saved and where; else
    every step is, in `folder`. A TRAIN step has the training's own number, an EVAL step that of the
    epoch, from 0.

    Raises:
        RecordingError: smdebug isn't installed or can't be loaded, the configuration can't be used,
            or writing fails, at once or in a later call. After that the calls do nothing.
    """

    def __init__(self, folder: Path) -> None:
        smdebug = load()
        self._modes, self._forget = smdebug.modes, smdebug.del_hook
        self._meter = _Meter()
        self._hook: Any = None
        self._own_folder: Path | None = None
        given = os.environ.get(CONFIG_VARIABLE)
        if given or Path(SAGEMAKER_CONFIG).exists():
            file = given or SAGEMAKER_CONFIG
            remedy = f"mend or unset {CONFIG_VARIABLE}" if given else "mend DebugHookConfig"
            self._failed = f"smdebug can't record as {file} requires", f"{remedy}, {OR_WITHOUT}"
            with translated(*self._failed):
                hook = hook_class().create_from_json_file(file)
                self._prepare(hook)
        else:
            self._own_folder = folder
            self._failed = f"smdebug can't record in {folder}", f"make it writable, {OR_WITHOUT}"
            with translated(*self._failed):
                hook = _hook_in(folder, smdebug.SaveConfig(save_interval=1))
                self._prepare(hook)
        self._hook = hook

    def _prepare(self, hook: Any) -> None:
        hook.get_collection(METRICS).include(f"^({TOP1}|{LEARNING_RATE})_output")
        hook.register_module(self._meter)
        hook.in_use = True

    def start(self, start: Start) -> None:
        """Continue after the last step that counts. smdebug resumes SageMaker's folder."""
        if self._own_folder is not None:
            with self._writing():
                self._hook.step = _keep_before(self._own_folder, start.first_step)

    def step(self, step: Step) -> None:
        """The batch's cross entropy and top-1, and the learning rate, in the mode TRAIN."""
        values = {LOSS: step.cross_entropy, TOP1: step.top1, LEARNING_RATE: step.lr}
        self._write(self._modes.TRAIN, step.step, values)

    def layers(self, layers: Layers) -> None:
        """Nothing: what is known of the layers are norms; smdebug's rules read complete tensors."""

    def epoch(self, epoch: Epoch) -> None:
        """The validation's cross entropy and top-1, in the mode EVAL."""
        values = {LOSS: epoch.valid_cross_entropy, TOP1: epoch.valid_top1}
        self._write(self._modes.EVAL, epoch.epoch - 1, values)

    def close(self) -> None:
        """Write what waits, and that the training has ended."""
        if self._hook is not None:
            with self._writing():
                self._hook.close()
            self._leave()

    def _write(self, mode: Any, number: int, values: dict[str, float]) -> None:
        if self._hook is None:
            return
        with self._writing():
            self._hook.set_mode(mode)
            self._hook.mode_steps[mode] = number - 1  # the call counts one up
            self._meter()
            for name, value in values.items():
                if name == LOSS or not math.isnan(value):  # top-1 isn't always known
                    tensor = torch.tensor(value, dtype=torch.float64)
                    self._hook.record_tensor_value(name, tensor)
            if self._hook.first_process is False:
                raise RuntimeError("claim.smd says that another process writes there")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with translated(*self._failed):
                yield
                if failures:
                    raise failures[0]
        except RecordingError:
            self._leave()
            raise

    def _leave(self) -> None:
        failures.clear()
        self._hook.in_use = False
        self._hook = self._own_folder = None
        self._forget()


class _Meter(torch.nn.Module):
    """Its call is what smdebug takes for a step."""

    def forward(self) -> None:
        """Nothing to compute."""


def _hook_in(folder: Path, save_config: Any) -> Any:
    # Left by a training that is resumed: smdebug refuses a folder with the one, and writes nothing
    # into a folder with the other.
    for name in ("training_job_end.ts", "claim.smd"):
        (folder / name).unlink(missing_ok=True)
    # With SageMaker's file of where checkpoints are, smdebug would read all of them at each
    # step, to retain its counters; `start` has those from the folder.
    with environment(CHECKPOINT_CONFIG_FILE_PATH=str(folder / "none")):
        return hook_class()(
            out_dir=str(folder), save_config=save_config, include_collections=[METRICS]
        )


def _keep_before(folder: Path, first_step: int) -> int:
    """Remove what was written from train step `first_step` on, or it would be there twice.

    Returns the last step that stays, as smdebug counts over all modes; -1 if none does.
    """
    for torn in folder.glob("*/*/*.tmp"):
        torn.unlink()
    last, goes = -1, False
    for index in sorted(folder.glob("index/*/*.json")):
        meta = json.loads(index.read_text("utf-8"))["meta"]
        goes = goes or (meta["mode"] == "TRAIN" and meta["mode_step"] >= first_step)
        if goes:
            events = folder / meta["event_file_name"]
            if events.resolve().is_relative_to(folder.resolve()):
                events.unlink(missing_ok=True)
            index.unlink()
        else:
            last = int(index.name.partition("_")[0])
    return last
