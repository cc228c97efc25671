"""Lists that other packages add to: metrics, rules, report sections, backbones and others.

An extension is any installed package that names its modules under the entry-point group
`dogbreed.extensions`:

    [project.entry-points."dogbreed.extensions"]
    my_package = "my_package.for_dogbreed"

Each such module is imported when a registry is first read, in every process, and registers what it
has. Nothing else loads an extension: no configuration key and no file names code to import. Code
that calls dogbreed from Python can register without an entry point, before it calls.
"""

import importlib
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Generic, TypeVar

from dogbreed.errors import ConfigError

GROUP = "dogbreed.extensions"

Entry = TypeVar("Entry")

_lock = threading.RLock()
_loaded: set[str] = set()  # entry points by their value
_is_loading = False


class Registry(Generic[Entry]):
    """Entries of one kind by name: the built-in ones in their order, then those of extensions.

    Args:
        kind: what an entry is, as messages name it.
        module: imported before the registry is first read, to register the built-in entries; for a
            registry in a lower package than they are. Empty where their package is this registry's.
    """

    def __init__(self, kind: str, module: str = "") -> None:
        self._kind, self._module = kind, module
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, entry: Entry) -> Entry:
        """Add an entry; it is returned.

        Raises:
            ConfigError: there is one of that name.
        """
        if _is_loading:  # an extension, which may be loaded for another registry
            self._load_built_in()
        if self._entries.get(name, entry) is not entry:
            raise ConfigError(
                f"The name {name!r} of another {self._kind} is taken: give yours another name."
            )
        self._entries[name] = entry
        return entry

    def unregister(self, name: str) -> None:
        """Remove an entry; a test that has registered one cleans up with it."""
        del self._entries[name]

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name; KeyError if there is none."""
        self._load()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of registration."""
        return iter(self.names())

    def names(self) -> tuple[str, ...]:
        """The names, in the order of registration."""
        self._load()
        return tuple(self._entries)

    def items(self) -> tuple[tuple[str, Entry], ...]:
        """Names and entries, in the order of registration."""
        self._load()
        return tuple(self._entries.items())

    def values(self) -> tuple[Entry, ...]:
        """The entries, in the order of registration."""
        self._load()
        return tuple(self._entries.values())

    def _load(self) -> None:
        self._load_built_in()
        load_extensions()

    def _load_built_in(self) -> None:
        if self._module:
            importlib.import_module(self._module)


def load_extensions() -> None:
    """Import the modules that installed packages name as extensions, each once in a process.

    Raises:
        ConfigError: one of them can't be imported.
    """
    global _is_loading
    with _lock:
        if _is_loading:  # an extension reads a registry while it is imported
            return
        _is_loading = True
        try:
            for point in _entry_points():
                if point.value not in _loaded:
                    _import(point)
                    _loaded.add(point.value)
        finally:
            _is_loading = False


def _import(point: metadata.EntryPoint) -> None:
    package = point.dist.name if point.dist is not None else point.name
    try:
        point.load()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"The extension {point.value} of the package {package} can't be imported "
            f"({type(error).__name__}: {error}): repair it, or uninstall the package."
        ) from error


_points: tuple[metadata.EntryPoint, ...] | None = None


def _entry_points() -> tuple[metadata.EntryPoint, ...]:
    """Those of the group; the metadata of all packages are read once, which takes some 20 ms."""
    global _points
    if _points is None:
        _points = tuple(metadata.entry_points(group=GROUP))
    return _points
