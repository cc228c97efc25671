"""data.root as a folder on this machine: a folder, an archive of one, or what a URI names."""

import importlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from dogbreed.data.archives.cached import archive_stem, check_archive, extracted, has_archive_suffix
from dogbreed.data.layouts.folders import check_root
from dogbreed.errors import ConfigError
from dogbreed.utils.registry import Registry

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)  # of a Path, with one slash


class RemoteRoot(Protocol):
    """What a module downloads photos with, from the service of a scheme.

    Both functions raise a DogbreedError that names data.root. `check` uses no network; `download`
    returns a folder, or an archive, in the cache.
    """

    def check(self, uri: str) -> None: ...

    def download(self, uri: str) -> Path: ...


# Schemes of URIs, and the module that is a RemoteRoot for each. It is imported when it is needed:
# what knows a service is in a higher layer than this.
REMOTE_ROOTS: Registry[str] = Registry("scheme of data.root")
REMOTE_ROOTS.register("s3", "dogbreed.cloud.aws.s3_root")


def local_root(root: str | Path) -> Path:
    """The folder of the photos of `data.root`: downloaded, or extracted, where that is needed.

    Raises:
        DogbreedError: it doesn't exist, can't be read or had, or isn't such a value.
    """
    remote, path = _remote(root), Path(root)
    if remote is not None:
        path = remote.download(uri_of(root))
    return extracted(path) if os.path.isfile(path) else path  # noqa: PTH113 (never raises)


def check_given_root(root: str | Path) -> None:
    """Check `data.root` without extracting or downloading anything.

    Raises:
        DogbreedError: as `local_root`.
    """
    remote, path = _remote(root), Path(root)
    if remote is not None:
        remote.check(uri_of(root))
    elif os.path.isfile(path):  # noqa: PTH113
        check_archive(path)
    else:
        check_root(path)


def root_name(root: str | Path) -> str:
    """A name for results: that of the folder, or of the archive without its suffix."""
    if scheme_of(root) is not None:
        return archive_stem(PurePosixPath(uri_of(root)).name)
    path = Path(root).resolve()
    return archive_stem(path.name) if os.path.isfile(path) else path.name  # noqa: PTH113


def is_s3_folder(root: str | Path) -> bool:
    """Whether it is s3://BUCKET/PREFIX, and by its name no archive: jobs read it where it is."""
    return scheme_of(root) == "s3" and not has_archive_suffix(uri_of(root))


def scheme_of(root: str | Path) -> str | None:
    """The scheme of a URI such as s3://BUCKET/PREFIX; None for a local path."""
    match = _URI.fullmatch(str(root))
    if match is None or os.path.exists(root):  # noqa: PTH110
        return None
    scheme = match[1].lower()
    return scheme if "://" in str(root) or scheme in REMOTE_ROOTS.names() else None


def uri_of(root: str | Path) -> str:
    """The URI, with the slash that a Path has taken from it."""
    return re.sub(r":/+", "://", str(root), count=1) if isinstance(root, Path) else root


def _remote(root: str | Path) -> RemoteRoot | None:
    """What downloads a URI; None for a local path."""
    scheme = scheme_of(root)
    if scheme is None:
        return None
    modules = dict(REMOTE_ROOTS.items())
    if scheme not in modules:
        known = ", ".join(f"{name}://" for name in modules)
        raise ConfigError(
            f"data.root={root}: must be a folder of photos, a zip or tar archive of one, or a URI "
            f"with {known}."
        )
    return cast(RemoteRoot, importlib.import_module(modules[scheme]))
