"""The page /docs, made from the server's OpenAPI document."""

import html
import re
from typing import Any

import pytest

from dogbreed.serving.http.app import build_app
from dogbreed.serving.http.docs import docs_page


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return build_app(None, {}).openapi()  # type: ignore[arg-type]  # it gets no request


def test_all_that_the_document_says_is_on_the_page(openapi: dict[str, Any]) -> None:
    without_tags = re.sub(r"<[^>]+>", " ", docs_page(openapi).decode())
    text = " ".join(html.unescape(without_tags).split())
    post = openapi["paths"]["/invocations"]["post"]
    for name in [*post["requestBody"]["content"], *post["responses"], "top_k", "explain"]:
        assert name in text
    for name in ("predictions[].classes[].class", "predictions[].error.message", "error.code"):
        assert name in text, "nested keys"
    assert "integer, 1 to 1000; 5 by default" in text
    assert "list of 1 to 32" in text
    for response in post["responses"].values():
        assert response["description"] in text


def test_nothing_is_fetched_from_elsewhere_or_run_inline(openapi: dict[str, Any]) -> None:
    page = docs_page(openapi).decode()
    links = re.findall(r"(?:src|href|action)=\"([^\"]*)\"", page)
    assert links
    assert not [link for link in links if ":" in link or link.startswith("/")]
    assert not re.search(r"<script[^>]*>[^<]|\son\w+=|style=", page)
    hostile = docs_page({**openapi, "info": {"title": "<script>", "version": "1"}}).decode()
    assert "&lt;script&gt;" in hostile
