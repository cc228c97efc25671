"""Polling through throttling and network outages: for half an hour, and no longer."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dogbreed.cloud.aws import polling
from dogbreed.cloud.aws.polling import MAX_OUTAGE_S, MAX_PAUSE_S, poll

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeTrainingJob")
OFFLINE = EndpointConnectionError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")


class Clock(SimpleNamespace):
    """The time that a test's pauses take, without waiting."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    return clock


def failing_until(
    clock: Clock, end: float, failure: Callable[[], ClientError | BotoCoreError]
) -> Callable[[], str]:
    """A job whose description can't be read before `end`."""

    def describe() -> str:
        if clock.now < end:
            raise failure()
        return "Completed"

    return describe


@pytest.mark.parametrize("error", [THROTTLED, OFFLINE], ids=["throttled", "offline"])
def test_polling_ends_where_every_request_fails(
    error: ClientError | BotoCoreError, clock: Clock
) -> None:
    with pytest.raises(type(error)):
        next(poll(failing_until(clock, 10 * MAX_OUTAGE_S, lambda: error)))
    assert MAX_OUTAGE_S < clock.now <= MAX_OUTAGE_S + 2 * MAX_PAUSE_S


def test_throttling_and_outages_count_together(clock: Clock) -> None:
    errors = [THROTTLED, OFFLINE]

    def alternate() -> ClientError | BotoCoreError:
        errors.reverse()
        return errors[0]

    with pytest.raises((ClientError, BotoCoreError)):
        next(poll(failing_until(clock, 10 * MAX_OUTAGE_S, alternate)))
    assert clock.now <= MAX_OUTAGE_S + 2 * MAX_PAUSE_S


@pytest.mark.parametrize(
    ("error", "words"), [(THROTTLED, "throttles the requests"), (OFFLINE, "can't be reached")]
)
def test_a_shorter_failure_is_logged_once_and_polling_continues(
    error: ClientError | BotoCoreError,
    words: str,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    states = poll(failing_until(clock, MAX_OUTAGE_S / 2, lambda: error))
    assert next(states) == next(states) == "Completed"
    (line,) = caplog.messages
    assert words in line


def test_a_refusal_is_raised_at_once(clock: Clock) -> None:
    refused = ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeTrainingJob")
    with pytest.raises(ClientError, match="AccessDenied"):
        next(poll(failing_until(clock, 10 * MAX_OUTAGE_S, lambda: refused)))
    assert clock.now == 0
