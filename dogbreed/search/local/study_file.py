"""Check an untrusted study database before Optuna opens it.

A SQLite database can contain code: views, triggers, expressions in columns, and a journal file that
names another file to delete. Optuna creates none of these, so only its tables are accepted. Their
values are JSON, not pickles.
"""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import quote

import optuna

from dogbreed.utils.documents import DocumentError, open_regular

MAX_BYTES = 256 * 2**20  # 10,000 trials of 100 epochs
# The end of a journal with a super-journal name (SQLite's file format, 3.2): a rollback deletes the
# file of that name. Optuna never writes one.
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"

Schema = frozenset[tuple[str, ...]]


def check_study_file(path: Path) -> None:
    """Check that a database, if it exists, is an Optuna study and contains no code.

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
    if not found <= _optuna_schema():
        raise DocumentError("has other tables than Optuna makes, or views and triggers")


def _check_journal(path: Path) -> None:
    if not path.is_symlink() and not path.exists():
        return
    with open_regular(path) as file:
        file.seek(max(0, file.seek(0, 2) - len(_SUPER_JOURNAL)))
        if file.read() == _SUPER_JOURNAL:
            raise DocumentError("has a journal that names another file")


def _schema_of(path: Path) -> Schema:
    """The schema of a database; an unfinished transaction is rolled back first."""
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        return frozenset(connection.execute(_SCHEMA))


@cache
def _optuna_schema() -> Schema:
    """The schema of a new Optuna database."""
    storage = optuna.storages.RDBStorage("sqlite:///:memory:")
    with storage.engine.connect() as connection:
        return frozenset(map(tuple, connection.exec_driver_sql(_SCHEMA)))
