"""Errors of the operating system as messages: which path, why, and what to do."""

import errno
import os

# No space, quota used up, file-size limit reached: all are reported as a full disk.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_NO_PERMISSION = "check its owner and its mode, or name another path"
_TOO_MANY_FILES = "raise the limit of open files (ulimit -n)"
_DEVICE = "check the disk or the network drive"
_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: "name a path on a file system that can be written",
    errno.ENOTDIR: "a file is where a folder is needed: name another path",
    errno.EEXIST: "name another path, or remove it",
    errno.EISDIR: "a folder is where a file is needed: name another path",
    errno.ENOTEMPTY: "name another path, or empty it",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ELOOP: "its symbolic links lead back to themselves: name another path",
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
    errno.EIO: _DEVICE,
    errno.ESTALE: _DEVICE,
}


def os_message(error: OSError) -> str:
    """The message for an OSError that no other code has handled."""
    if error.errno in DISK_FULL:
        place = f" while writing {error.filename}" if error.filename else ""
        return (
            f"the disk is full{place}: free some space and run it again "
            "(resume=auto continues a training that was interrupted)."
        )
    if error.filename is None and error.errno == errno.ENOENT and not _has_working_folder():
        return "the current folder doesn't exist any more: change to one that does (cd)."
    reason = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    advice = f": {_ADVICE[error.errno]}" if error.errno in _ADVICE else ""
    return f"{where}{reason}{advice}."


def _has_working_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 (the call that fails)
    except OSError:
        return False
    return True
