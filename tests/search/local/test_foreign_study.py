"""study.db of somebody else: looked at before Optuna opens it, and each trial before it is used."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from dogbreed.configuration.composing import compose_as
from dogbreed.configuration.search import SearchConfig, TuneConfig
from dogbreed.errors import SearchError
from dogbreed.search.local.study import STUDY_FILE, Study
from dogbreed.search.local.study_file import check_study_file
from dogbreed.search.local.worker import TrialResult
from dogbreed.search.space import Choice, Numbers, Space
from dogbreed.utils.documents import DocumentError

pytestmark = pytest.mark.launch

SPACE: Space = {"optim.lr": Numbers("float", 1e-4, 0.1, True), "data.batch_size": Choice((8, 16))}
Change = Callable[[sqlite3.Connection], None]


@pytest.fixture(scope="module")
def search() -> SearchConfig:
    return compose_as(TuneConfig, "tune", []).search


@pytest.fixture(scope="module")
def database(search: SearchConfig, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A study with two ended trials and one that waits."""
    folder = tmp_path_factory.mktemp("study")
    study = Study(folder, search, SPACE, 3)
    for objective in (0.5, 0.6):
        trial = study.next_trial()
        assert trial is not None
        trial.report(float("nan"), 1)
        study.record(trial, TrialResult(objective, (0.4, 0.7), False))
    trial = study.next_trial()
    assert trial is not None
    study.requeue(trial.number)
    return (folder / STUDY_FILE).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, database: bytes) -> Path:
    (tmp_path / STUDY_FILE).write_bytes(database)
    return tmp_path


def changed(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_an_interrupted_study_is_resumed(
    folder: Path, search: SearchConfig, tmp_path: Path
) -> None:
    study = Study(folder, search, SPACE, 3)
    assert [trial.objective for trial in study.trials()] == [0.5, 0.6]
    other = tmp_path / "other"
    other.mkdir()
    assert Study(other, search, SPACE, 3).add_trials_of(folder) == 2


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM studies; END"],
        ["CREATE VIEW v AS SELECT 1"],
        [
            "ALTER TABLE trials RENAME TO t",
            "CREATE VIEW trials AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
            "FROM c) SELECT n FROM c",
        ],
        ["CREATE TABLE more (a)"],
        ["ALTER TABLE trials ADD COLUMN x GENERATED ALWAYS AS (zeroblob(999999999))"],
        ["CREATE INDEX i ON trials (abs(number))"],
        ["CREATE VIRTUAL TABLE f USING fts5(a)"],
    ],
)
def test_a_database_with_more_in_it_is_not_opened(folder: Path, statements: list[str]) -> None:
    check_study_file(folder / STUDY_FILE)
    changed(folder, *statements)
    with pytest.raises(DocumentError, match="other tables than Optuna makes, or views and trigg"):
        check_study_file(folder / STUDY_FILE)


@pytest.mark.parametrize(
    ("table", "change", "expected"),
    [
        ("trials", "state = 'DONE'", "can't be read"),
        ("trial_params", "distribution_json = '{}'", "can't be read"),
        (
            "trial_params",
            "distribution_json = replace(hex(zeroblob(99999)), '0', '[')",
            "can't be read",
        ),
        ("trial_params", "param_name = 'launcher.bucket' || param_id", "outside the space"),
        ("trial_params", "param_value = 1e9", "can't be read"),
        ("trial_params", "param_value = 'x'", "can't be read"),
        ("trial_values", "value = 'x'", "can't be read"),
        ("trial_intermediate_values", "intermediate_value_type = 'ODD'", "can't be read"),
        ("trial_user_attributes", "key = 'other' || trial_user_attribute_id", "without an object"),
        ("trial_user_attributes", "value_json = '{\"a\": 1}'", "without an objective"),
        ("trial_system_attributes", "value_json = '{\"optim.lr\": 1e9}'", "outside the space"),
        ("trial_system_attributes", "value_json = '{\"output_root\": 1}'", "outside the space"),
        ("trial_system_attributes", "value_json = '5'", "can't be read"),
    ],
)
def test_a_study_with_other_values_is_refused(
    folder: Path, search: SearchConfig, table: str, change: str, expected: str
) -> None:
    changed(folder, f"UPDATE {table} SET {change}")
    with pytest.raises(SearchError) as caught:
        Study(folder, search, SPACE, 3)
    message = str(caught.value)
    assert expected in message
    assert STUDY_FILE in message
    assert "can't be read: start a new search with another search.name" in message


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS SELECT 1",
        "UPDATE trial_user_attributes SET value_json = '[[]]'",
        "UPDATE trial_params SET distribution_json = 'x'",
    ],
)
def test_nothing_is_learnt_from_a_foreign_one(
    folder: Path, search: SearchConfig, tmp_path: Path, statement: str
) -> None:
    changed(folder, statement)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SearchError, match=r"leave it out of search\.warm_start"):
        Study(other, search, SPACE, 3).add_trials_of(folder)


def test_values_outside_the_space_are_not_learnt(
    folder: Path, search: SearchConfig, tmp_path: Path
) -> None:
    choices = json.dumps(
        {"name": "CategoricalDistribution", "attributes": {"choices": ["x" * 1000, [1], None]}}
    )
    changed(folder, f"UPDATE trial_params SET param_value = 0, distribution_json = '{choices}'")
    other = tmp_path / "other"
    other.mkdir()
    assert Study(other, search, SPACE, 3).add_trials_of(folder) == 0


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "text", "journal", "large"])
def test_a_file_that_is_no_database_of_ours_is_left_alone(folder: Path, kind: str) -> None:
    path = folder / STUDY_FILE
    victim = folder / "victim"
    if kind == "journal":
        # Of a change to several databases: rolling it back would remove the file that it names.
        victim.write_text("precious", "utf-8")
        ending = bytes.fromhex("d9d505f920a163d7")
        path.with_name(f"{STUDY_FILE}-journal").write_bytes(b"\0" * 600 + ending)
    elif kind == "large":
        os.truncate(path, 300 * 2**20)
    else:
        path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("no database" * 100, "utf-8")
    elif kind == "link":
        with closing(sqlite3.connect(victim)) as connection:
            connection.execute("CREATE TABLE passwords (a)")
        path.symlink_to(victim)
    before = victim.read_bytes() if victim.exists() else None
    with pytest.raises(DocumentError):
        check_study_file(path)
    assert (victim.read_bytes() if victim.exists() else None) == before


def test_what_optuna_stores_is_json(folder: Path) -> None:
    """Were it pickles, opening a study would run what is in it."""
    source = Path(optuna.__file__).parent / "storages"
    for path in [*(source / "_rdb").rglob("*.py"), source / "_cached_storage.py"]:
        assert "pickle.load" not in path.read_text("utf-8"), path


def test_a_trial_that_waits_is_tried_as_it_was(folder: Path, search: SearchConfig) -> None:
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection:
        ((text,),) = connection.execute("SELECT value_json FROM trial_system_attributes")
    waiting: dict[str, Any] = json.loads(text)
    trial = Study(folder, search, SPACE, 3).next_trial()
    assert trial is not None
    assert trial.params == waiting
