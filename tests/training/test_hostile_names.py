"""A training on hostile class and file names, and answers for such files: every output is safe."""

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path

import pytest
import yaml
from conftest import SMALL, draw_photo
from helpers.hostile_text import CONTROLS, ESCAPE, FORGED_LINE, FORMULA, MARKUP, REVERSED, unsafe
from helpers.in_process import run_in_process
from markdown_it import MarkdownIt

from dogbreed.configuration.overrides import quoted
from dogbreed.evaluation.metrics.registry import objectives
from dogbreed.utils.metric_lines import metric_regexes

CLASSES = (ESCAPE, FORGED_LINE, FORMULA, REVERSED, MARKUP.replace("/", "∕"), CONTROLS)
ROOT = "valid_loss=0.0 \x1b[31m\nvalid_top1=1.0 \u202e"
BAD = "bad\x1b[2J\nforged valid_loss=0.0.jpg"
UNDECODABLE = os.fsdecode(b"=1+1\xff\x1b[m.jpg")


@dataclass(frozen=True)
class Outputs:
    """A run's folder, that of the photos to answer, and what the commands printed."""

    run: Path
    photos: Path
    printed: str


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(CLASSES):
        for split, count in (("train", 3), ("valid", 2), ("test", 2)):
            for photo in range(count):
                path = folder / ROOT / split / name / f"{photo}{ESCAPE}\n-{REVERSED}.jpg"
                draw_photo(path, 40 * number, 100 * number + photo + len(split))
    (folder / ROOT / "train" / ESCAPE / BAD).write_bytes(b"")
    photos = folder / ROOT / "test" / FORMULA
    draw_photo(photos / "x.jpg", 1, 999)
    (photos / "x.jpg").rename(photos / UNDECODABLE)
    settings = (*SMALL, "trainer.epochs=1", "data.max_bad_share=0.5", "name=hostile")
    run = partial(run_in_process, cwd=folder, DOGBREED_CACHE=str(folder / "cache"))
    answer = partial(run, "dogbreed.predict", "engine=torch", "output=p.csv", str(photos))
    train = run("dogbreed.train", f"data.root={quoted(ROOT)}", *settings)
    commands = [train, answer(), answer()]
    assert [done.returncode for done in commands] == [0, 0, 0], commands
    printed = "".join(done.stdout + done.stderr for done in commands)
    return Outputs(folder / "outputs" / "latest", photos, printed)


pytestmark = pytest.mark.runs


def test_what_is_printed_and_logged_is_lines_of_ours(outputs: Outputs) -> None:
    log = (outputs.run / "log.txt").read_text("utf-8")
    assert outputs.printed.count("valid_loss") >= 3, "the root's name, an epoch, the result"
    for text in (outputs.printed, log):
        assert unsafe(text) == []
        assert not re.search(r"^(2026-01-01|forged|-)", text, re.MULTILINE)
        for line in text.splitlines():
            if any(re.search(pattern, line) for pattern in metric_regexes(objectives()).values()):
                assert re.search(r"^([-\d]+ [:,\d]+ )?(epoch=1|epoch 1/1|result) ", line)
    assert "p.csv has 3 of 3 photos already" in outputs.printed


def test_files_for_people_are_safe(outputs: Outputs) -> None:
    findings = (outputs.run / "findings.txt").read_text("utf-8")
    assert unsafe(findings) == []
    assert re.search(r"^empty .*bad\\x1b\[2J\\nforged", findings)
    card = next(outputs.run.rglob("MODEL_CARD.md")).read_text("utf-8")
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(card)
    assert unsafe(card) == []
    assert not re.search(r"<(a|b|img|strong|em)\b", html)
    assert MARKUP.replace("/", "∕") in unescape(html)
    for page in outputs.run.rglob("*.html"):
        text = page.read_text("utf-8")
        assert unsafe(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)) == []
        assert r"\u202egnp.\u2066elloc\u200b\ufeff\u061c" in text
        for data in re.findall(r'<script type="application/json".*?>(.*?)</script>', text):
            assert unsafe("\n".join(texts_in(json.loads(data)))) == []


def texts_in(values: object) -> Iterator[str]:
    """Every text in what JSON holds."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from texts_in(value)
    elif isinstance(values, list):
        for value in values:
            yield from texts_in(value)


def test_tables_compute_nothing_and_can_be_read_back(outputs: Outputs) -> None:
    from dogbreed.utils.csv_cells import text_of

    tables = [*outputs.run.rglob("*.csv"), outputs.run.parent.parent / "p.csv"]
    assert len(tables) >= 5
    for path in tables:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read()
        assert set(unsafe(text, kept="\r\n\t")) <= {"\udcff"}, path
        for row in csv.reader(text.splitlines(keepends=True)):
            assert not [cell for cell in row if cell.startswith(("=", "@", "\t"))], path
    with (outputs.run / "classes.csv").open(encoding="utf-8", newline="") as file:
        assert {text_of(row["class"]) for row in csv.DictReader(file)} == set(CLASSES)
    with tables[-1].open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        paths = {text_of(row["path"]) for row in csv.DictReader(file)}
    assert paths == {str(path) for path in outputs.photos.iterdir()}


def test_programs_read_the_names_as_they_are(outputs: Outputs) -> None:
    config = (outputs.run / "config.yaml").read_text("utf-8")
    assert unsafe(config) == []
    assert yaml.safe_load(config)["data"]["root"] == ROOT
    metrics = json.loads((outputs.run / "metrics.json").read_text("utf-8"))
    assert set(metrics["classes"]) == set(CLASSES)
