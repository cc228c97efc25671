"""Stand-ins for faults in a decoder's C code: photos at which a decoding process misbehaves."""

from pathlib import Path

HANGS, CRASHES, FILLS, IS_KILLED, EXITS = (b"hangs", b"crashes", b"fills", b"is killed", b"exits")
# Reason of the PhotoError, and what its message says.
OUTCOMES = {
    HANGS: ("too_slow", "more processor time than a photo may"),
    CRASHES: ("damaged", "its decoder crashed (SIGSEGV)"),
    FILLS: ("too_large", "more memory than a photo of its size may"),
    IS_KILLED: ("too_large", "more memory than there is"),
    EXITS: ("damaged", "its decoder crashed (exit status 9)"),
}
_SITE = f"""
import os, signal, sys
if "dogbreed.data.decoding.process" in sys.orig_argv:
    import dogbreed.data.decoding.pool
    import PIL.Image
    dogbreed.data.decoding.pool.CPU_S = 1
    opened = PIL.Image.open

    def misbehave(data):
        if data.endswith({HANGS!r}):
            sum(iter(int, 1))
        if data.endswith({FILLS!r}):
            kept = [bytearray(2**20) for _ in range(100_000)]
        if data.endswith({EXITS!r}):
            os._exit(9)
        for end, number in (({CRASHES!r}, signal.SIGSEGV), ({IS_KILLED!r}, signal.SIGKILL)):
            if data.endswith(end):
                os.kill(os.getpid(), number)

    def open(file, *arguments, **options):
        misbehave(file.getvalue())
        return opened(file, *arguments, **options)

    PIL.Image.open = open
"""


def hostile_site(folder: Path) -> str:
    """What PYTHONPATH must be for the processes that are started then."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE)
    return str(folder)
