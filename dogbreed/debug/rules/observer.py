"""All rules together, observing one training: they warn, stop it, and report what they found."""

import logging
import threading
from pathlib import Path
from typing import Any

from dogbreed.configuration.debug import OFF, RULES, STOP
from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.rules.base import Fault, Rule
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.errors import StoppedByRule
from dogbreed.utils.files import write_json
from dogbreed.utils.os_errors import DISK_FULL

log = logging.getLogger("dogbreed")


class RuleObserver:
    """Passes every observation to every rule; `config` has the thresholds of each by its name.

    `file` is written whenever a rule fires for the first time, and at the end.

    Raises:
        StoppedByRule: one fired whose action is stop.
    """

    def __init__(self, config: Any, file: Path | None = None) -> None:
        self._rules: list[Rule[Any]] = [
            rule(name, getattr(config, name)) for name, rule in RULES.items()
        ]
        self._active = [rule for rule in self._rules if rule.action != OFF]
        self._file = file
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._step = 0

    def start(self, start: Start) -> None:
        """Before the first step."""
        for rule in self._active:
            rule.on_start(start)
            if rule.poll_s is not None:
                threading.Thread(target=self._poll, args=(rule, rule.poll_s), daemon=True).start()

    def step(self, step: Step) -> None:
        """After each step."""
        self._step = step.step
        for rule in self._active:
            self._record(rule, step.step, rule.on_step(step))

    def layers(self, layers: Layers) -> None:
        """After every n-th step."""
        for rule in self._active:
            self._record(rule, layers.step, rule.on_layers(layers))

    def epoch(self, epoch: Epoch) -> None:
        """After each epoch's validation."""
        for rule in self._active:
            self._record(rule, epoch.step, rule.on_epoch(epoch))

    def close(self) -> None:
        """After the last step, when there is nothing left to stop."""
        self._ended.set()
        for rule in self._active:
            self._record(rule, self._step, rule.on_end(), stops=False)
        self._write()

    def verdicts(self) -> tuple[Verdict, ...]:
        """The result of each rule so far."""
        with self._lock:
            return tuple(rule.verdict() for rule in self._rules)

    def _record(
        self, rule: Rule[Any], step: int, fault: Fault | None, *, stops: bool = True
    ) -> None:
        if fault is None:
            return
        with self._lock:
            rule.record(step, fault)
            first = rule.times == 1
        if not first:
            return
        stops = stops and rule.action == STOP
        sentence = f"{rule.name} at step {step}: {fault.message} {rule.recommendation}"
        if not stops:
            log.warning("warning: %s", sentence)
        self._write()
        if stops:
            raise StoppedByRule(f"The training was stopped by debug.rules.{sentence}")

    def _poll(self, rule: Rule[Any], interval_s: float) -> None:
        while not self._ended.wait(interval_s):
            found = rule.poll()
            if found is not None:
                self._record(rule, *found)

    def _write(self) -> None:
        if self._file is None:
            return
        try:
            write_json(self._file, [verdict.as_dict() for verdict in self.verdicts()])
        except OSError as error:  # the rules continue without the file
            if error.errno not in DISK_FULL:  # which the recording reports
                log.warning("warning: %s can't be written (%s)", self._file, error.strerror)
            self._file = None
