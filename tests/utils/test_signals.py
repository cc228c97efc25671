"""What a second signal does to a command that is stopping."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dogbreed.utils.signals import REPEATED_S

SLOW = """
import sys, time
from dogbreed.utils.command import run_command
from dogbreed.errors import Stopped

def command(arguments):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        time.sleep(float(sys.argv[1]))  # saving what was computed

run_command(command)
"""


def start(saving_s: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(saving_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_signal_that_timeout_sends_twice_is_one(number: signal.Signals) -> None:
    with start(0.3) as process:
        process.send_signal(number)
        time.sleep(0.1)  # so that it is noted before the other comes
        os.killpg(process.pid, number)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}" in error


def test_another_signal_ends_a_command_that_takes_long_to_stop() -> None:
    with start(60) as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(REPEATED_S + 0.5)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
