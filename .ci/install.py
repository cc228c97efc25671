"""Installs into .venv, for the Makefile: `python3 .ci/install.py core`, or `dev`.

core: what training, prediction, serving and local searches need. dev: what the tests, the checks
and the documentation need besides. uv installs where it is there; else uv from the package index;
else pip. Each writes its stamp, .venv/.ready or .venv/.ready-dev, when it is complete.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[1]
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = {"core": VENV / ".ready", "dev": VENV / ".ready-dev"}
# There while packages are installed: what was killed on the way may have left half a package.
UNFINISHED = VENV / ".unfinished"
# pip, so that `pip install -e '.[aws]'` in the activated environment is that environment's.
CORE = ("-e", ".[serve]", "pip")
WANTED = {"core": CORE, "dev": (*CORE, "--group", "dev", "--group", "docs")}
PINNED = ("-c", "constraints.txt")
INPUTS = (PROJECT / "pyproject.toml", PROJECT / "constraints.txt")
PROBE_SECONDS = 10
# What uv prints of a success, one line a package among it. Its downloads, warnings and errors stay.
NOISE = re.compile(
    r" *[-+~] |(Using Python|Resolved|Prepared|Installed|Uninstalled|Checked|Audited|Bytecode) |"
    r" +(Downloaded|Building|Built) "
)

Command = list[Path | str]


def main(stage: str) -> int:
    """Install, and print what was installed; the exit code."""
    start = time.monotonic()
    with Path(__file__).open() as lock:
        wait_for_others(lock)
        if is_complete(stage):
            return 0
        if UNFINISHED.exists():
            print("the last installation did not finish: starting again", flush=True)
        if UNFINISHED.exists() or not os.access(PYTHON, os.X_OK):
            shutil.rmtree(VENV, ignore_errors=True)
        before = installed()
        status = install(stage, lock)
        if status == 0:
            if stage == "dev":
                compile_all()
            STAMPS[stage].touch()
        if status == 0 or installed() == before:  # without a network nothing is lost
            UNFINISHED.unlink(missing_ok=True)
    if status == 0:
        print(summary(installed() - before, time.monotonic() - start), flush=True)
    return status


def wait_for_others(lock: IO[str]) -> None:
    """Two installations into one environment, `make train` beside `make test`, take turns."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another make that installs into .venv", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:  # a network file system without locks
        return


def is_complete(stage: str) -> bool:
    """Whether a stage is installed, by the rule of the Makefile."""
    stamp = STAMPS[stage]
    inputs = (*INPUTS, STAMPS["core"])
    if not all(path.exists() for path in (stamp, *inputs)) or UNFINISHED.exists():
        return False
    return all(path.stat().st_mtime <= stamp.stat().st_mtime for path in inputs)


def install(stage: str, lock: IO[str]) -> int:
    """Make the environment where there is none, and install a stage; the installer's exit code."""
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    if not PYTHON.exists() and not make_environment():
        return 1
    uv = find_uv()
    if uv is None:
        command: Command = [PYTHON, "-m", "pip", "install", "--quiet", *PINNED]
        return run([*command, "pip"], lock) or run([*command, *WANTED[stage]], lock)
    command = [uv, "pip", "install", "--python", PYTHON]
    return run([*command, *torch_backend(uv), *PINNED, *WANTED[stage]], lock)


def compile_all() -> None:
    """Compile every installed Python file: tests start hundreds of processes.

    Not `uv pip install --compile-bytecode`, which leaves out the packages of an earlier stage. To
    compile takes longer than to install, so a training compiles only what it imports.
    """
    command: Command = [PYTHON, "-m", "compileall", "-q", "-j", "0", *VENV.glob("lib/python*")]
    # Some packages carry templates that aren't Python, and fail.
    subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_environment() -> bool:
    """Make .venv, and say what is missing if that fails."""
    # Not sys.executable: that may be .venv's, when an activated environment is made again.
    python = getattr(sys, "_base_executable", sys.executable)
    uv = shutil.which("uv")
    command: Command = [python, "-m", "venv"]
    if uv:
        command = [uv, "venv", "--quiet", "--allow-existing", "--python", python]
    if subprocess.run([*command, VENV], cwd=PROJECT).returncode == 0:
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    print("error: no venv module (Debian: apt install python3-venv)", file=sys.stderr)
    return False


def find_uv() -> Path | str | None:
    """The uv of the machine, or that of the environment, into which pip installs it."""
    own = VENV / "bin" / "uv"
    if uv := shutil.which("uv"):
        return uv
    if not own.exists():
        pip: Command = [PYTHON, "-m", "pip", "install", "--quiet", *PINNED, "uv"]
        subprocess.run(pip, cwd=PROJECT)
    return own if own.exists() else None


def torch_backend(uv: Path | str) -> tuple[str, ...]:
    """uv's option for PyTorch's CPU build: where no GPU would miss it, and where it can be had.

    It has 3 GB of CUDA libraries fewer. torch and torchvision are of one build: another torchvision
    can't be imported. Where both are installed as pinned they stay as they are.
    """
    chosen = os.environ.get("UV_TORCH_BACKEND")  # uv reads it itself
    if sys.platform != "linux" or chosen or has_gpu() or not torch_is_missing():
        return ()
    option = "--torch-backend=cpu"
    command: Command = [uv, "pip", "install", "--python", PYTHON, "--dry-run", "--no-deps", option]
    quickly = {**os.environ, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "4"}
    with suppress(subprocess.TimeoutExpired):
        found = subprocess.run(
            [*command, *PINNED, "torch", "torchvision"],
            cwd=PROJECT,
            env=quickly,
            capture_output=True,
            timeout=PROBE_SECONDS,
        )
        if found.returncode == 0:
            return (option,)
    print("PyTorch's CPU build can't be had here: installing the package index's", flush=True)
    return ()


def has_gpu() -> bool:
    """Whether there is a GPU of NVIDIA's whose driver works."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def torch_is_missing() -> bool:
    """Whether torch or torchvision isn't installed as constraints.txt pins it, in any build."""
    pins = set(re.findall(r"^(torch(?:vision)?==[^\s;]+)", INPUTS[1].read_text("utf-8"), re.M))
    return not pins <= {name.partition("+")[0] for name in installed()}


def run(command: Command, lock: IO[str]) -> int:
    """Run an installer and pass on its errors; it holds the lock, should this process be killed."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=[lock.fileno()],
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if not NOISE.match(line):
                print(line, end="", file=sys.stderr, flush=True)
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C is for it as well
        raise


def installed() -> set[str]:
    """The packages in the environment, as name==version."""
    folders = VENV.glob("lib/python*/site-packages/*.dist-info")
    return {"==".join(folder.stem.rsplit("-", 1)) for folder in folders}


def summary(added: set[str], seconds: float) -> str:
    """How much was installed, and how much that makes."""
    packages = installed()
    files = (Path(folder, name) for folder, _, names in os.walk(VENV) for name in names)
    size = sum(file.lstat().st_size for file in files)
    torch = next((name for name in packages if name.startswith("torch==")), "no torch")
    return (
        f"{len(added)} packages installed in {seconds:.0f} s; .venv holds {len(packages)}, "
        f"{size / 1e6:,.0f} MB, {torch.replace('==', ' ')}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit("interrupted: the next make starts again")
