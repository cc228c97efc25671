"""What all steps of a training run share: settings, data, backbone, run folder, clock."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from dogbreed.configuration.run import Config
from dogbreed.data.check import Checked, as_lines
from dogbreed.data.layouts.splits import PhotoFolders
from dogbreed.debug.session import DebugSession
from dogbreed.run_records.record import RunRecord
from dogbreed.training.data_record import RunData, describe_data
from dogbreed.training.preparation import Prepared
from dogbreed.training.resume import open_run
from dogbreed.training.run_folder import RunFolder
from dogbreed.training.run_record import start_record, write_failure
from dogbreed.utils.clock import Clock
from dogbreed.utils.progress import is_main_process


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The parts of a run that are known before its features are computed.

    `checkpoint` is where a resumed run continues, None for a new one. `initial_state` is the state
    of the backbone's tail before any training. `session` observes the run; None: nothing does.
    `record` is what lists of runs show of this one.
    """

    prepared: Prepared
    data: RunData
    run: RunFolder
    checkpoint: Path | None
    initial_state: Mapping[str, Tensor]
    clock: Clock
    session: DebugSession | None
    record: RunRecord

    @property
    def config(self) -> Config:
        """The configuration with every "auto" resolved."""
        return self.prepared.config

    @property
    def checked(self) -> Checked:
        """The photos, and what their check found."""
        return self.prepared.checked

    @property
    def folders(self) -> PhotoFolders:
        """The photos by split, and the classes."""
        return self.prepared.checked.folders

    def with_config(self, config: Config) -> "RunContext":
        """The same run with another configuration."""
        return replace(self, prepared=replace(self.prepared, config=config))

    def reset_backbone(self) -> None:
        """Undo what a training has changed in the backbone."""
        self.prepared.backbone.tail.load_state_dict(self.initial_state)

    def write_inputs(self) -> None:
        """Write config.yaml, data.json, run.json, splits.csv and findings.txt.

        Further processes don't.
        """
        if not is_main_process():
            return
        self.run.write_config(self.config)
        self.data.write(self.run.path)
        self.record.write(self.run.path)
        classes, samples = self.folders.classes, self.folders.all_samples()
        rows = [(sample.split, classes[sample.label], sample.path) for sample in samples]
        self.run.write_table("splits.csv", [("split", "class", "path"), *rows])
        self.run.write_lines("findings.txt", as_lines(self.checked.findings))

    def write_profile(self) -> None:
        """Write profile.json, if the run is observed."""
        if self.session is not None:
            self.session.write_profile(self.run.path)

    def write_failure(self, error: BaseException) -> None:
        """Write the profile and the reason where the run has failed.

        A full disk must not replace the first error.
        """
        with suppress(OSError):
            self.write_profile()
        if is_main_process():
            write_failure(self.record, self.run.path, error)


def open_context(
    config: Config, prepared: Prepared, clock: Clock, session: DebugSession | None
) -> RunContext:
    """Open the run's folder, new or of the run that is resumed; `config` is as it was given.

    Raises:
        ConfigError: as `open_run`.
    """
    tail = prepared.backbone.tail.state_dict()
    initial_state = {name: tensor.clone() for name, tensor in tail.items()}
    data = describe_data(prepared.checked, prepared.backbone.digest())
    run, checkpoint = open_run(prepared.config, data)
    return RunContext(
        prepared=prepared,
        data=data,
        run=run,
        checkpoint=checkpoint,
        initial_state=initial_state,
        clock=clock,
        session=session,
        record=start_record(config, prepared.checked.folders.classes),
    )
