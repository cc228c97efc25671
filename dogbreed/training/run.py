"""The training job: check the photos, then take the steps to a trained and measured model.

What needs Lightning is imported once the photos are checked: it takes as long as to import torch.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from dogbreed.configuration.run import Config
from dogbreed.debug.session import DebugSession
from dogbreed.training.live import show_photos
from dogbreed.training.notes import latest_to_keep, log_notes
from dogbreed.training.path_check import check_paths
from dogbreed.training.preparation import prepare
from dogbreed.training.run_folder import log, log_to_terminal
from dogbreed.utils.clock import SET_UP, Clock, as_text
from dogbreed.utils.progress import is_main_process
from dogbreed.utils.screen import live_block

if TYPE_CHECKING:
    from dogbreed.evaluation.facts import Facts
    from dogbreed.training.context import RunContext


def train(
    config: Config, clock: Clock | None = None, *, trial: bool = False, commands: bool = True
) -> Path:
    """Run the training job; returns the run's folder.

    `clock` is one that already runs, so that earlier work counts as set-up. A `trial` of a search
    writes metrics only: no model, no report. `commands`: the last lines are the commands that can
    follow.

    Raises:
        DogbreedError: the user can fix it, one sentence says how; `Stopped` after a signal.
    """
    clock = clock or Clock()
    log_to_terminal()
    log_notes(config)
    if not config.debug.enabled:
        return _train(config, clock, None, trial=trial, commands=commands)
    with DebugSession(config.debug, clock) as session:
        return _train(config, clock, session, trial=trial, commands=commands)


def _train(
    config: Config, clock: Clock, session: DebugSession | None, *, trial: bool, commands: bool
) -> Path:
    with ExitStack() as stack:
        # The block ends before the results are logged, which then are the last on the screen.
        with live_block() if is_main_process() else nullcontext():
            context = stack.enter_context(_opened(config, clock, session, trial=trial))
            with clock.phase(SET_UP):
                from dogbreed.training.steps import run_steps
            facts = run_steps(context, trial=trial)
        if facts is not None:
            _log_results(config, context, facts, commands=commands)
    return context.run.path


@contextmanager
def _opened(
    config: Config, clock: Clock, session: DebugSession | None, *, trial: bool
) -> Iterator["RunContext"]:
    """The run, with its photos checked; it is closed in the end, and its profile survives."""
    with clock.phase(SET_UP):
        check_paths(config)
    prepared = prepare(config, clock, trial=trial)
    show_photos(prepared.checked.folders, config.data.noun)
    with clock.phase(SET_UP):
        from dogbreed.training.context import open_context

        context = open_context(config, prepared, clock, session)
    try:
        yield context
    except BaseException as error:
        context.write_failure(error)
        raise
    finally:
        context.run.close()


def _log_results(config: Config, context: "RunContext", facts: "Facts", *, commands: bool) -> None:
    """Log the results, and the `commands` that can follow; `config` is as it was typed."""
    from dogbreed.training.summary import log_next_steps, log_results

    folder = context.run.path
    log_results(facts)
    log.info("\n%s\nresults: %s\n", as_text(facts.seconds), folder)
    if commands:
        log_next_steps(config, folder, facts)
    latest = latest_to_keep(context.config, folder)
    if latest is not None:
        log.info("\n%s stays at %s, a run on real photos.", folder.parent / "latest", latest.name)
    log_notes(context.config)
