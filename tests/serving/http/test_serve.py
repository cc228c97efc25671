"""The local endpoint through its port: photos in every form, and the answers of Predictor."""

import base64
import io
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.alike import alike, looks_like
from helpers.local_server import (
    EXPLAINING,
    Answer,
    LocalServer,
    answer_on,
    as_text,
    photo,
    picture,
    serving,
    wait_until,
)
from PIL import Image

from dogbreed import Predictor, load
from dogbreed.serving.requests.invocations import as_jpeg

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif"}


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[LocalServer]:
    with serving(tiny_model, "threads=1") as started:
        yield started


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return load(tiny_model)


def agrees(found: dict[str, Any], predictor: Predictor, sent: bytes, top_k: int = 5) -> bool:
    """Whether an answer is the predictor's: top-1 equal, |Δp| ≤ 0.01."""
    wanted = predictor.predict(sent, top_k).as_dict()
    probabilities = {each["class"]: each["probability"] for each in found["classes"]}
    return (
        sorted(found) == sorted(wanted)
        and found["unknown"] == wanted["unknown"]
        and len(found["classes"]) == len(wanted["classes"])
        and found["classes"][0]["class"] == wanted["classes"][0]["class"]
        and all(
            abs(probabilities[each["class"]] - each["probability"]) <= 0.01
            for each in wanted["classes"]
        )
    )


def one_of(answer: Answer) -> dict[str, Any]:
    """The answer for one photo."""
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert sorted(answer.values) == ["model_ms", "predictions"]
    (entry,) = answer.values["predictions"]
    return dict(entry)


def test_ping_says_that_it_is_ready(server: LocalServer) -> None:
    answer = server.get("/ping")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_decide_whatever_the_header_says(
    server: LocalServer, predictor: Predictor, kind: str
) -> None:
    sent = photo(kind)
    for media_type in (KINDS[kind], "image/gif", "application/json", "text/plain; charset=x", None):
        headers = {"Content-Type": media_type} if media_type else {}
        entry = one_of(server.send(sent, headers=headers))
        assert agrees(entry, predictor, sent), media_type


def test_json_with_several_photos(server: LocalServer, predictor: Predictor) -> None:
    sent = [photo(kind, picture(seed)) for seed, kind in enumerate(KINDS)]
    answer = server.send_json(photos=sent, top_k=2)
    assert answer.status == 200
    entries = answer.values["predictions"]
    assert [agrees(e, predictor, p, 2) for e, p in zip(entries, sent, strict=True)] == [True] * 4
    assert len({json.dumps(entry) for entry in entries}) == 4, "else their order isn't seen"
    assert [len(entry["classes"]) for entry in entries] == [2] * 4
    assert alike(
        one_of(server.send_json(photos=[sent[0]]))["classes"],
        one_of(server.send(sent[0]))["classes"],
    )


def test_an_explanation_is_a_picture(server: LocalServer, predictor: Predictor) -> None:
    sent = photo(image=picture(size=(300, 200)))
    entries = [
        one_of(server.send_json(photos=[sent], top_k=1, explain=True)),
        one_of(server.send(sent, "/invocations?top_k=1&explain=true")),
    ]
    for entry in entries:
        explanation = base64.b64decode(entry.pop("explanation"))
        assert agrees(entry, predictor, sent, 1)
        with Image.open(io.BytesIO(explanation)) as opened:
            opened.load()
            assert (opened.format, opened.size) == ("JPEG", (300, 200))
    mixed = server.send_json(photos=[b"no photo", sent], explain=True)
    assert ["explanation" in entry for entry in mixed.values["predictions"]] == [False, True]
    assert server.workers(EXPLAINING) == [], "no torch for a network with class maps"


@pytest.mark.servers
def test_torch_explains_what_the_network_cannot(tiny_model: Path) -> None:
    sent = photo(image=picture(size=(300, 200)))
    with serving(tiny_model, "threads=1", "engine=torch") as started:
        entry = one_of(started.send_json(photos=[sent], explain=True))
        assert len(started.workers(EXPLAINING)) == 1
    explain = load(tiny_model, engine="torch").explain
    best, *others = [each["class"] for each in entry["classes"]]
    assert looks_like(base64.b64decode(entry["explanation"]), as_jpeg(explain(sent, best)))
    assert not any(
        looks_like(base64.b64decode(entry["explanation"]), as_jpeg(explain(sent, other)))
        for other in others
    ), "else any overlay would pass"


def test_parameters_by_the_header_of_invoke_endpoint(server: LocalServer) -> None:
    header = "X-Amzn-SageMaker-Custom-Attributes"
    entry = one_of(server.send(photo(), headers={header: "top_k=2;explain=true"}))
    assert len(entry["classes"]) == 2
    assert entry["explanation"]
    others = one_of(server.send(photo(), headers={header: "trace=7; top_k=1 ;x"}))
    assert len(others["classes"]) == 1
    body = json.dumps({"photos": [as_text(photo())], "top_k": 2.0})
    assert len(one_of(server.send(body, headers={header: "top_k=1"}))["classes"]) == 2


def test_a_bad_photo_spoils_none_of_the_others(server: LocalServer, predictor: Predictor) -> None:
    good = photo()
    bad = [b"", b"no photo", photo()[:-900]]
    answer = server.send_json(photos=[bad[0], good, bad[1], good, bad[2]])
    assert answer.status == 200
    entries = answer.values["predictions"]
    codes = [entry.get("error", {}).get("code") for entry in entries]
    assert codes == ["empty", None, "not_an_image", None, "truncated"]
    assert agrees(entries[1], predictor, good)
    assert agrees(entries[3], predictor, good)


def test_many_at_once_are_computed_together_and_answered_rightly(
    server: LocalServer, predictor: Predictor
) -> None:
    sent = [photo("PNG", picture(seed)) for seed in range(24)]
    counts = [1 + number % 3 for number in range(len(sent))]
    paths = [f"/invocations?top_k={count}" for count in counts]
    for _ in range(20):  # whether two meet in the server is chance
        with ThreadPoolExecutor(12) as pool:
            entries = [one_of(answer) for answer in pool.map(server.send, sent, paths)]
        assert all(
            agrees(*each)
            for each in zip(entries, [predictor] * len(sent), sent, counts, strict=True)
        )
        figures = server.metrics()
        if figures["dogbreed_batch_photos_sum"] > figures["dogbreed_batch_photos_count"]:
            return
    raise AssertionError("no two photos were ever computed together")


def test_the_figures_are_right(server: LocalServer) -> None:
    before = server.metrics()
    for body in (photo(), b"no photo", b"", b'{"photos": []}'):
        server.send(body)
    server.send_json(photos=[photo(), photo("PNG"), b"bad"])
    after = server.metrics()
    changes = {
        name: after[name] - before.get(name, 0)
        for name in after
        if name.startswith("dogbreed_requests_total") or name.endswith("_count")
    }
    assert {name: change for name, change in changes.items() if change} == {
        "dogbreed_requests_total 200": 2,
        "dogbreed_requests_total 400": 2,
        "dogbreed_requests_total 415": 1,
        "dogbreed_request_seconds_count": 2,
        "dogbreed_batch_photos_count": 5,  # the bad ones too: they are found out by the worker
    }
    assert after["dogbreed_waiting_photos"] == 0
    assert after["dogbreed_worker_restarts_total"] == 0
    assert 0 < after["dogbreed_request_seconds_sum"] - before["dogbreed_request_seconds_sum"] < 60


SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'
XML = '<!DOCTYPE x [<!ENTITY e SYSTEM "{url}"><!ENTITY f SYSTEM "file:///etc/passwd">]><x>&e;</x>'


def test_nothing_that_a_request_names_is_fetched_or_read(server: LocalServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/photo.jpg"
        secret = Path(__file__)
        for name in (url, str(secret), f"file://{secret}", "/etc/passwd", "//etc/passwd"):
            refused = server.send_json(photos=[name]).refused  # some paths are right base64
            assert refused in {(400, "not_base64"), (415, "not_an_image")}
            assert server.send_json(photos=[name.encode()]).refused == (415, "not_an_image")
            assert server.send(name).refused == (415, "not_an_image")
        for text in (SVG, XML, f'<?xml version="1.0"?>{XML}', f"#EXTM3U\n{url}", f"%!PS\n({url})"):
            hostile = text.replace("{url}", url)
            no_photo = {(415, "not_an_image"), (415, "unsupported_format")}
            assert server.send(hostile).refused in no_photo
            assert server.send_json(photos=[hostile.encode()]).refused in no_photo
        for path in (f"/invocations?photos={url}", f"/invocations?url={url}"):
            assert server.send(photo(), path).refused == (400, "unknown_key")
        for path in ("/../../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", f"/{secret}"):
            assert server.get(path).refused == (404, "not_found")
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_a_connection_is_used_again_after_whatever_went_wrong(server: LocalServer) -> None:
    connection = server.connection()
    for body, status in ((photo(), 200), (b"", 400), (b"x" * 30_000_000, 413), (photo(), 200)):
        connection.request("POST", "/invocations", body)
        assert connection.getresponse().read()
        connection.request("POST", "/invocations", body, {"Accept": "image/png"})
        assert json.load(connection.getresponse())["error"]["code"] == "not_acceptable"
        connection.request("POST", "/invocations", body)
        response = connection.getresponse()
        assert response.read()
        assert response.status == status
    connection.close()


def test_who_asks_for_http_2_is_answered_by_http_1(server: LocalServer) -> None:
    wanted = one_of(server.send(photo()))
    # As Java's and curl's clients ask.
    upgrade = {
        "Connection": "Upgrade, HTTP2-Settings",
        "UPGRADE": "h2c",
        "HTTP2-Settings": "AAQAAP__",
    }
    with closing(server.connection()) as connection:
        for _ in range(2):
            connection.request("POST", "/invocations", photo(), upgrade)
            assert alike(one_of(answer_on(connection)), wanted)


def test_who_gives_up_leaves_nothing_behind(server: LocalServer) -> None:
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            head = "POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Length: {len(photo())}\r\n\r\n"
            gone.sendall(head.encode() + photo())
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf"
        )
    time.sleep(0.1)
    wait_until(lambda: server.metrics()["dogbreed_waiting_photos"] == 0, "nobody waits")
    assert server.send(photo()).status == 200
