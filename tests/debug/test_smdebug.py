"""The losses in SageMaker Debugger's own form, written and read by the real smdebug."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, Train

from dogbreed.debug.recording.observations import Epoch, Start, Step
from dogbreed.debug.recording.records import read_recording
from dogbreed.debug.smdebug.hook import SmdebugHook
from dogbreed.debug.smdebug.library import load
from dogbreed.errors import RecordingError

pytestmark = [
    pytest.mark.smdebug,
    # An old six inside of pyinstrument says so at each import that fails, before Python 3.12.
    pytest.mark.filterwarnings("ignore:_SixMetaPathImporter:ImportWarning"),
    # smdebug's last release is of 2023.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:smdebug.*"),
    # Its readers leave files to be closed.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

LOSS, TOP1, RATE = "CrossEntropyLoss_output_0", "top1_output_0", "learning_rate_output_0"
EPOCH_STEPS = 5
# As it lies in a training job's container: all values are texts.
SAGEMAKER_CONFIG = {
    "S3OutputPath": "s3://bucket/debug",
    "HookParameters": {"train.save_interval": "3", "eval.save_interval": "1"},
    "CollectionConfigurations": [{"CollectionName": "losses", "CollectionParameters": {}}],
}


def train_loss(step: int) -> float:
    return 3.0 / (step + 1)


def valid_loss(epoch: int) -> float:
    return 2.0 / epoch


def begin(first_step: int = 0) -> Start:
    return Start(layers=("output",), sizes=(8,), first_step=first_step, weighted_classes=False)


def made_step(step: int, **values: Any) -> Step:
    given = {"cross_entropy": train_loss(step), "top1": 0.25, "lr": 1e-3, "seconds": 0.01}
    return Step(step=step, **(given | values))


def made_epoch(epoch: int, **values: Any) -> Epoch:
    figures = {"train_cross_entropy": 1.0, "train_top1": 0.5, "valid_top1": 0.75}
    return Epoch(
        epoch=epoch,
        step=EPOCH_STEPS * epoch - 1,
        **(figures | {"valid_cross_entropy": valid_loss(epoch)} | values),
    )


def watch(hook: SmdebugHook, first_step: int = 0, last_step: int = 2 * EPOCH_STEPS) -> None:
    """A made training of two epochs, or a part of it; it isn't closed."""
    hook.start(begin(first_step))
    for step in range(first_step, last_step):
        hook.step(made_step(step))
        if step % EPOCH_STEPS == EPOCH_STEPS - 1:
            hook.epoch(made_epoch(step // EPOCH_STEPS + 1))


def watch_and_close(folder: Path) -> None:
    hook = SmdebugHook(folder)
    watch(hook)
    hook.close()


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that has ended is otherwise waited for, lest it hasn't."""
    monkeypatch.setenv("SMDEBUG_TRAINING_END_DELAY_REFRESH", "0")


def trial_of(folder: Path) -> Any:
    assert (folder / "collections").is_dir()  # smdebug would wait for it for ever
    load()
    from smdebug.trials import create_trial

    return create_trial(str(folder))


def values_of(trial: Any, name: str, mode: str) -> dict[int, float]:
    """The values of one name and mode by step."""
    tensor, key = trial.tensor(name), getattr(load().modes, mode)
    return {step: float(tensor.value(step, mode=key)) for step in tensor.steps(mode=key)}


TRAIN_LOSSES = {step: train_loss(step) for step in range(2 * EPOCH_STEPS)}
VALID_LOSSES = {0: valid_loss(1), 1: valid_loss(2)}


def test_the_protobuf_of_this_run_is_the_one_that_is_loaded() -> None:
    load()
    loaded = sys.modules["google.protobuf"].__file__
    assert loaded is not None
    beside = os.environ.get("PYTHONPATH")  # as `make test-smdebug` sets it for its second run
    home = Path(beside) if beside else Path(sys.prefix)
    assert Path(loaded).is_relative_to(home)


def test_losses_are_read_back_under_the_steps_of_the_training(tmp_path: Path) -> None:
    watch_and_close(tmp_path / "smdebug")
    trial = trial_of(tmp_path / "smdebug")
    assert values_of(trial, LOSS, "TRAIN") == TRAIN_LOSSES
    assert values_of(trial, LOSS, "EVAL") == VALID_LOSSES
    assert set(values_of(trial, TOP1, "TRAIN").values()) == {0.25}
    assert set(values_of(trial, TOP1, "EVAL").values()) == {0.75}
    assert set(values_of(trial, RATE, "TRAIN").values()) == {1e-3}
    assert trial.loaded_all_steps


def test_a_value_is_there_once_and_in_its_collection(tmp_path: Path) -> None:
    watch_and_close(tmp_path / "smdebug")
    trial, modes = trial_of(tmp_path / "smdebug"), load().modes
    assert trial.tensor_names(collection="losses") == [LOSS]
    assert trial.tensor_names(collection="metrics") == [RATE, TOP1]
    assert trial.tensor_names() == [LOSS, RATE, TOP1]
    assert trial.steps() == list(range(12))  # ten of training, two of validation
    assert set(trial.modes()) == {modes.TRAIN, modes.EVAL}
    for index in (tmp_path / "smdebug").glob("index/*/*.json"):
        written = [each["tensorname"] for each in json.loads(index.read_text())["tensor_payload"]]
        assert len(written) == len(set(written))


def test_what_is_unknown_is_left_out_and_an_infinite_loss_kept(tmp_path: Path) -> None:
    hook = SmdebugHook(tmp_path / "smdebug")
    hook.start(begin())
    hook.step(made_step(0, top1=math.nan))
    hook.step(made_step(1, top1=math.nan, cross_entropy=math.inf))
    hook.epoch(made_epoch(1, valid_cross_entropy=math.nan))
    hook.close()
    trial = trial_of(tmp_path / "smdebug")
    assert values_of(trial, LOSS, "TRAIN") == {0: train_loss(0), 1: math.inf}
    assert math.isnan(values_of(trial, LOSS, "EVAL")[0])
    assert values_of(trial, TOP1, "TRAIN") == {}


def write_config(path: Path, out_dir: Path, **keys: Any) -> Path:
    path.write_text(json.dumps({**SAGEMAKER_CONFIG, "LocalPath": str(out_dir), **keys}))
    return path


def test_sagemakers_configuration_says_where_and_how_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path / "debughookconfig.json", tmp_path / "tensors")
    monkeypatch.setenv("SMDEBUG_CONFIG_FILE_PATH", str(config))
    monkeypatch.setenv("TRAINING_JOB_NAME", "job-1")  # by which smdebug knows a job
    watch_and_close(tmp_path / "smdebug")
    assert not (tmp_path / "smdebug").exists()
    # The end of a job is the platform's to say.
    assert not (tmp_path / "tensors" / "training_job_end.ts").exists()
    trial = trial_of(tmp_path / "tensors")
    assert values_of(trial, LOSS, "TRAIN") == {step: train_loss(step) for step in (0, 3, 6, 9)}
    assert values_of(trial, LOSS, "EVAL") == VALID_LOSSES
    assert trial.tensor_names() == [LOSS]  # metrics weren't asked for


def test_sagemakers_configuration_for_everything_records_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {
        "HookParameters": {"save_all": "true", "save_interval": "1", "export_tensorboard": "true"},
        "CollectionConfigurations": [
            {"CollectionName": "metrics", "CollectionParameters": {"train.save_interval": "5"}},
            {"CollectionName": "losses"},
            {"CollectionName": "gradients"},
        ],
    }
    config = write_config(tmp_path / "debughookconfig.json", tmp_path / "tensors", **keys)
    monkeypatch.setenv("SMDEBUG_CONFIG_FILE_PATH", str(config))
    watch_and_close(tmp_path / "smdebug")
    trial = trial_of(tmp_path / "tensors")
    assert trial.tensor_names() == [LOSS, RATE, TOP1]
    assert values_of(trial, LOSS, "TRAIN") == TRAIN_LOSSES


def _not_json(config: Path, out_dir: Path) -> None:
    config.write_text("{'LocalPath': ")


def _no_object(config: Path, out_dir: Path) -> None:
    config.write_text("[1, 2]")


def _no_number(config: Path, out_dir: Path) -> None:
    write_config(config, out_dir, HookParameters={"save_interval": "often"})


def _collection_of_nothing(config: Path, out_dir: Path) -> None:
    write_config(config, out_dir, CollectionConfigurations=[{"CollectionName": "mine"}])


def _unwritable(config: Path, out_dir: Path) -> None:
    write_config(config, config / "below-a-file")


def _not_there(config: Path, out_dir: Path) -> None:
    pass


BROKEN = [_not_json, _no_object, _no_number, _collection_of_nothing, _unwritable, _not_there]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_configuration_is_told_in_one_sentence(
    tmp_path: Path, broken: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "debughookconfig.json"
    broken(config, tmp_path / "tensors")
    monkeypatch.setenv("SMDEBUG_CONFIG_FILE_PATH", str(config))
    hooks: list[SmdebugHook] = []

    def train() -> None:
        hooks.append(SmdebugHook(tmp_path / "smdebug"))
        watch(hooks[0])

    with pytest.raises(RecordingError) as told:
        train()
    sentence = str(told.value)
    assert str(config) in sentence
    assert "or set debug.smdebug=false." in sentence
    assert "\n" not in sentence
    for hook in hooks:  # it was found out while it was writing: nothing more comes
        hook.step(made_step(8))
        hook.epoch(made_epoch(2))
        hook.close()


def test_a_training_that_was_killed_is_readable_up_to_there_and_can_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "smdebug"
    killed = python(
        f"watch(SmdebugHook(Path({str(folder)!r})), 0, 8)", "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert killed.returncode == -signal.SIGKILL
    trial = trial_of(folder)
    first = {step: train_loss(step) for step in range(7)}  # the last step was still open
    assert values_of(trial, LOSS, "TRAIN") == first
    assert values_of(trial, LOSS, "EVAL") == {0: valid_loss(1)}

    for torn in folder.glob("index/*/*.tmp"):
        torn.write_text("[")  # as if it had been killed a moment later
    hook = SmdebugHook(folder)
    watch(hook, first_step=6)
    hook.close()
    trial = trial_of(folder)
    assert values_of(trial, LOSS, "TRAIN") == TRAIN_LOSSES
    assert values_of(trial, LOSS, "EVAL") == VALID_LOSSES
    assert trial.steps() == list(range(12))  # step 6 is there once

    watch_and_close(folder)  # from the start, over one that had ended
    assert trial_of(folder).steps() == list(range(12))


def test_a_folder_that_another_process_writes_to_is_told(tmp_path: Path) -> None:
    hook = SmdebugHook(tmp_path / "smdebug")
    (tmp_path / "smdebug").mkdir()
    (tmp_path / "smdebug" / "claim.smd").touch()
    hook.start(begin())
    with pytest.raises(RecordingError, match=r"claim\.smd"):
        hook.step(made_step(0))


def test_a_full_disk_ends_the_watching_at_once(tmp_path: Path) -> None:
    done = python(
        "for size in (0, 150, 400):",  # in the open file, in the thread that writes, later
        f"  hook = SmdebugHook(Path({str(tmp_path)!r}) / str(size))",
        "  resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))",
        "  try: watch(hook); hook.close()",
        "  except RecordingError as error: print(error)",
        "  hook.close()",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("smdebug can't record in ") == 3
    assert done.stdout.count("File too large") == 3
    assert done.stdout.count("\n") == 3
    assert done.stderr == ""
    assert not list(tmp_path.glob("*/training_job_end.ts*"))  # nothing comes after that


def test_smdebug_says_nothing_asks_nobody_and_profiles_nothing(tmp_path: Path) -> None:
    # A job's own, which asks for all that smdebug's profiler can do.
    everything = {"StartStep": 0, "NumSteps": 9}
    names = ("DetailedProfilingConfig", "PythonProfilingConfig", "DataloaderProfilingConfig")
    parameters = {name: json.dumps(everything) for name in names}
    parameters |= {"ProfilerEnabled": "true", "LocalPath": str(tmp_path / "profile")}
    config = tmp_path / "profilerconfig.json"
    config.write_text(json.dumps({"ProfilingParameters": parameters}))
    done = python(
        "def ask(event, arguments):",
        "    if event in ('socket.connect', 'socket.getaddrinfo'): print(event, arguments)",
        "sys.addaudithook(ask)",
        "before = dict(os.environ)",
        f"watch(SmdebugHook(Path({str(tmp_path / 'smdebug')!r})))",
        "print(*dict(before.items() ^ os.environ.items()))",
        SMPROFILER_CONFIG_PATH=str(config),
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert not (tmp_path / "profile").exists()
    # It ended without `close`, by Python's own end.
    assert (tmp_path / "smdebug" / "training_job_end.ts").exists()


def test_a_jobs_checkpoints_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "run").mkdir(parents=True)
    config = tmp_path / "checkpointconfig.json"
    config.write_text(json.dumps({"LocalPath": str(checkpoints)}))
    monkeypatch.setenv("CHECKPOINT_CONFIG_FILE_PATH", str(config))
    watch_and_close(checkpoints / "run" / "smdebug")
    assert sorted(path.name for path in checkpoints.iterdir()) == ["run"]


def test_a_rule_of_ones_own_runs_on_the_trial(tmp_path: Path) -> None:
    load()
    from smdebug.exceptions import RuleEvaluationConditionMet
    from smdebug.rules.rule import Rule
    from smdebug.rules.rule_invoker import invoke_rule

    class LossBelow(Rule):  # type: ignore[misc]
        def __init__(self, trial: Any, threshold: float) -> None:
            super().__init__(trial, action_str="")
            self.threshold = threshold

        def set_required_tensors(self, step: int) -> None:
            for name in self.base_trial.tensor_names(collection="losses"):
                self.req_tensors.add(name, steps=[step])

        def invoke_at_step(self, step: int) -> bool:
            losses = [tensor.value(step) for tensor in self.req_tensors.get()]
            return any(loss < self.threshold for loss in losses)

    watch_and_close(tmp_path / "smdebug")
    rule = LossBelow(trial_of(tmp_path / "smdebug"), threshold=0.55)
    with pytest.raises(RuleEvaluationConditionMet) as met:
        invoke_rule(rule, end_step=12, raise_eval_cond=True)
    # Train step 5, 3/6: the sixth, after the validation that smdebug counts as step 5.
    assert met.value.step == 6


def test_the_command_writes_what_its_own_recording_says(
    train_process: Train, photos_root: Path, tmp_path: Path
) -> None:
    done = train_process(f"data.root={photos_root}", *SMALL, "debug.smdebug=true")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout + done.stderr
    # The next steps name this environment's Python, whose path may have smdebug in it.
    assert "smdebug" not in (done.stdout + done.stderr).replace(sys.executable, "python")
    debug = tmp_path / "outputs" / "latest" / "debug"
    recording, trial = read_recording(debug / "recording"), trial_of(debug / "smdebug")
    steps, epochs = recording.steps, recording.epochs
    train_losses = values_of(trial, LOSS, "TRAIN")
    assert list(train_losses) == steps["step"].tolist()
    assert list(train_losses.values()) == pytest.approx(steps["cross_entropy"].tolist())
    valid_losses = values_of(trial, LOSS, "EVAL")
    assert [step + 1 for step in valid_losses] == epochs["epoch"].tolist()
    assert list(valid_losses.values()) == pytest.approx(epochs["valid_cross_entropy"].tolist())
    assert len(epochs["epoch"]) == 3


def test_the_command_goes_on_without_it_with_one_warning(
    train_process: Train, photos_root: Path, tmp_path: Path
) -> None:
    config = tmp_path / "debughookconfig.json"
    _unwritable(config, tmp_path)
    variables = {"SMDEBUG_CONFIG_FILE_PATH": str(config)}
    done = train_process(f"data.root={photos_root}", *SMALL, "debug.smdebug=true", **variables)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert told.count("warning: ") == told.count("warning: smdebug can't record as ") == 1
    assert "Traceback" not in told
    run = tmp_path / "outputs" / "latest"
    assert len(read_recording(run / "debug" / "recording").epochs["epoch"]) == 3
    assert (run / "model" / "model.safetensors").exists()


def python(*lines: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run lines in a process of their own, with this file's names."""
    here = Path(__file__).parent
    paths = (os.environ.get("PYTHONPATH"), str(here), str(here.parent))
    begin = "import os, resource, signal, sys", "from test_smdebug import *"
    return subprocess.run(
        [sys.executable, "-c", "\n".join((*begin, *lines))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
