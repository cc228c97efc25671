"""A signal that reaches a training at one of its steps."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from dogbreed.model import BreedClassifier


def signal_at(monkeypatch: pytest.MonkeyPatch, method: str, call: int, number: int) -> None:
    """Raise the signal in the model's `method`, at its `call`-th call."""
    original: Callable[..., Any] = getattr(BreedClassifier, method)
    calls = 0

    def counting(self: BreedClassifier, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(number)
        return original(self, *arguments)

    monkeypatch.setattr(BreedClassifier, method, counting)
