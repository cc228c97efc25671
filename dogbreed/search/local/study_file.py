"""A study's database, which may be somebody else's, looked at before Optuna opens it.

Opening a database runs what is written in it: views and triggers in place of tables, expressions in
their columns, and a journal beside it that names another file to be removed. What Optuna makes has
none of that, so nothing but the tables that it makes is taken. Its values are JSON, no pickle.
"""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import quote

import optuna

from dogbreed.utils.documents import DocumentError, open_regular

MAX_BYTES = 256 * 2**20  # 10,000 trials of 100 epochs
# The end of a journal that belongs to several databases at once (SQLite's file format, 3.2): when
# it is rolled back, the file that it names is removed. Optuna never writes one.
_SEVERAL_DATABASES = bytes.fromhex("d9d505f920a163d7")
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"

Schema = frozenset[tuple[str, ...]]


def check_study_file(path: Path) -> None:
    """Make sure that a database which is there is a study of Optuna's, and holds no code.

    Raises:
        DocumentError: it isn't, it is a link, or it is too large.
    """
    if not path.is_symlink() and not path.exists():
        return
    with open_regular(path) as file:
        if file.seek(0, 2) > MAX_BYTES:
            raise DocumentError(f"is larger than {MAX_BYTES // 2**20} MiB")
    for ending in ("-wal", "-shm"):
        if path.with_name(path.name + ending).is_symlink():
            raise DocumentError(f"has a link beside it (study.db{ending})")
    _check_journal(path.with_name(f"{path.name}-journal"))
    try:
        found = _schema_of(path)
    except sqlite3.Error as error:
        raise DocumentError(f"is no database ({error})") from error
    if not found <= _own_schema():
        raise DocumentError("has other tables than Optuna makes, or views and triggers")


def _check_journal(path: Path) -> None:
    if not path.is_symlink() and not path.exists():
        return
    with open_regular(path) as file:
        file.seek(max(0, file.seek(0, 2) - len(_SEVERAL_DATABASES)))
        if file.read() == _SEVERAL_DATABASES:
            raise DocumentError("has a journal that leads to another file")


def _schema_of(path: Path) -> Schema:
    """What is defined in a database; an unfinished change to it is rolled back first."""
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        return frozenset(connection.execute(_SCHEMA))


@cache
def _own_schema() -> Schema:
    """What Optuna defines in a new database."""
    storage = optuna.storages.RDBStorage("sqlite:///:memory:")
    with storage.engine.connect() as connection:
        return frozenset(map(tuple, connection.exec_driver_sql(_SCHEMA)))
