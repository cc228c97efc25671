"""All rules together, watching one training: they warn, stop it, and say what they found."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dogbreed.configuration.debug import OFF, STOP, RulesConfig
from dogbreed.debug.recording.observations import Epoch, Layers, Start, Step
from dogbreed.debug.rules import data, layers, loss
from dogbreed.debug.rules.base import Fault, Rule
from dogbreed.debug.rules.verdicts import Verdict
from dogbreed.errors import StoppedByRule
from dogbreed.utils.files import write_json
from dogbreed.utils.os_errors import DISK_FULL

log = logging.getLogger("dogbreed")

# By the names of their keys, in the order in which they are shown.
RULES: dict[str, Callable[..., Rule[Any]]] = {
    "loss_not_finite": loss.LossNotFinite,
    "loss_not_decreasing": loss.LossNotDecreasing,
    "overfit": loss.Overfit,
    "overtraining": loss.Overtraining,
    "vanishing_gradient": layers.VanishingGradient,
    "exploding_gradient": layers.ExplodingGradient,
    "dead_units": layers.DeadUnits,
    "unchanged_weights": layers.UnchangedWeights,
    "update_ratio": layers.UpdateRatio,
    "poor_start": loss.PoorStart,
    "class_imbalance": data.ClassImbalance,
    "inputs_not_normalised": data.InputsNotNormalised,
    "stalled": loss.Stalled,
}
LOOKS_PER_WAIT = 10  # of the thread that looks for a stalled training


class RuleWatch:
    """Tells every rule what is seen. `file` is written anew whenever a rule fires for the first
    time, and at the end.

    Raises:
        StoppedByRule: one fired whose action is stop.
    """

    def __init__(self, config: RulesConfig, file: Path | None = None) -> None:
        self._rules = [build(name, getattr(config, name)) for name, build in RULES.items()]
        self._active = [rule for rule in self._rules if rule.action != OFF]
        self._file = file
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self, start: Start) -> None:
        """Before the first step."""
        for rule in self._active:
            rule.on_start(start)
            if isinstance(rule, loss.Stalled):
                threading.Thread(target=self._look, args=(rule,), daemon=True).start()

    def step(self, step: Step) -> None:
        """After each step."""
        for rule in self._active:
            self._note(rule, step.step, rule.on_step(step))

    def layers(self, layers: Layers) -> None:
        """After every n-th step."""
        for rule in self._active:
            self._note(rule, layers.step, rule.on_layers(layers))

    def epoch(self, epoch: Epoch) -> None:
        """After each epoch's validation."""
        for rule in self._active:
            self._note(rule, epoch.step, rule.on_epoch(epoch))

    def close(self) -> None:
        """After the last step."""
        self._ended.set()
        self._write()

    def verdicts(self) -> tuple[Verdict, ...]:
        """What has come of each rule so far."""
        with self._lock:
            return tuple(rule.verdict() for rule in self._rules)

    def _note(self, rule: Rule[Any], step: int, fault: Fault | None) -> None:
        if fault is None:
            return
        with self._lock:
            rule.note(step, fault)
            first = rule.times == 1
        if not first:
            return
        stops = rule.action == STOP
        sentence = f"{rule.name} at step {step}: {fault.seen} {rule.advice}"
        if not stops:
            log.warning("warning: %s", sentence)
        self._write()
        if stops:
            raise StoppedByRule(f"The training was stopped by debug.rules.{sentence}")

    def _look(self, rule: loss.Stalled) -> None:
        while not self._ended.wait(rule.limits.seconds / LOOKS_PER_WAIT):
            overdue = rule.overdue()
            if overdue:
                self._note(rule, *overdue)

    def _write(self) -> None:
        if self._file is None:
            return
        try:
            write_json(self._file, [verdict.as_dict() for verdict in self.verdicts()])
        except OSError as error:  # the rules watch on
            if error.errno not in DISK_FULL:  # which the recording beside it tells of
                log.warning("warning: %s can't be written (%s)", self._file, error.strerror)
            self._file = None
