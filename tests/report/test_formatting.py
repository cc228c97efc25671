"""Numbers as people read them, in the unit that ends their key."""

import pytest

from dogbreed.report.formatting import agreement, decimal, percent, points, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123, "0.12 s"),
        (1.0, "1.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 0 s"),
        (127.4, "2 min 7 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_times(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("memory_bytes", 268_435_456, "268.4 MB"),  # of a million bytes
        ("wait_share", 0.125, "12.50 %"),
        ("wait_s", 90, "1 min 30 s"),
        ("wait_ms", 1.25, "1.2 ms"),
        ("gain_points", 1.5, "1.50 points"),
        ("ratio", 12_345.6, "1.235e+04"),
        ("enabled", True, "true"),
    ],
)
def test_measured_values_have_their_unit(key: str, value: float, text: str) -> None:
    assert agreement(key, value)[1] == text


def test_intervals_are_in_the_unit_of_their_value() -> None:
    assert percent(0.771, (0.746, 0.794)) == "77.1 % [74.6, 79.4]"
    assert decimal(1.147, (1.068, 1.225)) == "1.147 [1.068, 1.225]"
    assert points(1.2, (-0.3, 2.8)) == "+1.2 points [-0.3, +2.8]"
    assert (percent(None), percent(float("nan")), decimal(None)) == ("–", "–", "–")
