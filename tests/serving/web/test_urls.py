"""URLs as people paste them: what is requested for them, and what is shown of them."""

import pytest

from dogbreed.errors import PhotoError
from dogbreed.serving.offline.sources import Source, find_sources
from dogbreed.serving.web.urls import Address, is_url, parse_url, shown_url, without_scheme

REQUESTED = {
    "http://example.org": "http://example.org/",
    "HTTP://Example.ORG/A.jpg": "http://example.org/A.jpg",
    "  https://example.org/a.jpg\n": "https://example.org/a.jpg",
    "http://example.org/a b.jpg": "http://example.org/a%20b.jpg",
    "http://example.org/a%20b.jpg": "http://example.org/a%20b.jpg",
    "http://example.org/ä/日本.jpg?q=ü ß": "http://example.org/%C3%A4/%E6%97%A5%E6%9C%AC.jpg?q=%C3%BC%20%C3%9F",
    "http://example.org/%C3%A4 ä%2Fx": "http://example.org/%C3%A4%20%C3%A4%2Fx",
    "http://example.org/100%.jpg": "http://example.org/100%25.jpg",
    "http://example.org/a+b@2x(1),[2].jpg?a=b&c=%26+d": "http://example.org/a+b@2x(1),[2].jpg?a=b&c=%26+d",
    "http://example.org/a.jpg#top": "http://example.org/a.jpg",
    "http://example.org?w=3#x?y": "http://example.org/?w=3",
    "http://bücher.example:8080/a.jpg": "http://xn--bcher-kva.example:8080/a.jpg",
    "http://straße.example/": "http://xn--strae-oqa.example/",  # IDNA 2008: browsers' ß is ß
    "http://[2001:DB8::1]:81/a.jpg": "http://[2001:db8::1]:81/a.jpg",
    "http://example.org:/a.jpg": "http://example.org/a.jpg",
    "http://example.org/a\udcff.jpg": "http://example.org/a%FF.jpg",  # bytes that are no UTF-8
}


@pytest.mark.parametrize("typed", REQUESTED)
def test_what_is_requested(typed: str) -> None:
    assert is_url(typed)
    address = parse_url(typed)
    assert address == Address(REQUESTED[typed])
    assert parse_url(address.url) == address, "not encoded twice"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("file:///home/a.jpg", "file: only http and https are fetched: give the file's path"),
        ("FTP://example.org/a.jpg", "ftp: only http and https are fetched: download it first"),
        ("data:image/png;base64,AAAA", "data: only http and https .*: decode it first"),
        ("gopher://example.org/", "gopher: only http and https are fetched$"),
        ("http:/example.org/a.jpg", "no host in the URL: write http://HOST/PATH"),
        ("https:example.org/a.jpg", "no host in the URL"),
        ("http:///a.jpg", "no host in the URL"),
        ("http://user:secret@/a.jpg", "no host in the URL"),
        ("http://example.org:99999/", "host or port isn't valid"),
        ("http://example.org:secret/", "host or port isn't valid"),
        ("http://exa mple.org/", "host or port isn't valid"),
        ("http://ex\\ample.org/", "host or port isn't valid"),
        ("http://-.ä..example/", "host or port isn't valid"),
        ("http://[::1/", "host or port isn't valid"),
        ("http://example.org/a\n.jpg", "control character"),
        ("http://example.org/\ud800", "isn't valid"),
    ],
)
def test_what_is_no_photo_on_the_web_is_said(url: str, sentence: str) -> None:
    with pytest.raises(PhotoError, match=f"^can't be fetched: .*{sentence}") as caught:
        parse_url(url)
    assert caught.value.reason == "not_fetched"
    assert "secret" not in str(caught.value)


PASSWORDS = {
    "https://user:secret@example.org/a.jpg": "https://***@example.org/a.jpg",
    "https://secret@example.org/a.jpg": "https://***@example.org/a.jpg",
    "https://:secret@example.org": "https://***@example.org",
    " http://u:secret@[::1]:80/@me?x=a@b ": "http://***@[::1]:80/@me?x=a@b",
    "http://u:s@secret@example.org/": "http://***@example.org/",
    "http://u:sec/ret@example.org/": "http://***@example.org/",
    "http://u:sec#ret@example.org/": "http://***@example.org/",
    "http://u:sec?ret@example.org/": "http://***@example.org/",
    "http:/u:secret@example.org/": "http:/***@example.org/",
    "http://user:12/secret@example.org/": "http://***@example.org/",
    "http://secret/12@example.org/a.jpg": "http://***@example.org/a.jpg",
    "http://secret?12@example.org": "http://***@example.org",
    "http://secret#12@example.org": "http://***@example.org",
    "http://user:secret\uff20example.org/": "http://***@example.org/",
    "http://user:secret\ufe6bexample.org/": "http://***@example.org/",
    "http://user%3Asecret%40example.org/": "http://***@example.org/",
    "https://example.org/a.jpg?token=secret": "https://example.org/a.jpg?***1359227d95e1",
    "https://example.org?secret": "https://example.org?***2bb80d537b1d",
    "https://example.org/a.jpg#access_token=secret": "https://example.org/a.jpg",
    "https://example.org/a.jpg?": "https://example.org/a.jpg",
    "https://example.org/a.jpg?w=300&fm=webp#top": "https://example.org/a.jpg?w=300&fm=webp#top",
    "https://example.org/a.jpg?id=7&pin=1234": "https://example.org/a.jpg?id=7&***b77bb7f6e8fd",
    "ftp://u:secret@example.org/": "ftp://***@example.org/",
    "https://example.org/@user/a.jpg": "https://example.org/@user/a.jpg",
    "https://example.org:80/@user/a.jpg": "https://example.org:80/@user/a.jpg",
    "http://[::1]/@user": "http://[::1]/@user",
}


@pytest.mark.parametrize("url", PASSWORDS)
def test_a_password_is_never_shown(url: str) -> None:
    assert shown_url(url) == PASSWORDS[url]
    (source,) = find_sources([url]).sources
    assert source.name == source.shown() == PASSWORDS[url]
    assert "secret" not in repr(source)
    assert source.url == url


def test_a_password_is_sent_to_its_own_server_alone() -> None:
    address = parse_url("http://us%40er:p%3Ass:%C3%A4@example.org/a")
    assert address.url == "http://example.org/a"
    assert address.authorization == "Basic dXNAZXI6cDpzczrDpA=="
    assert "dXN" not in repr(address)
    assert address.redirected("/b").authorization == address.authorization
    for place in ("http://other.org/", "https://example.org/", "http://example.org:81/", "//x/"):
        assert address.redirected(place).authorization is None
    assert parse_url("http://example.org/").redirected("http://u:p@x/") == Address("http://x/")


def test_a_redirect_may_be_relative_and_in_any_alphabet() -> None:
    address = parse_url("http://example.org/a/b.jpg")
    places = {
        "c d.jpg": "http://example.org/a/c%20d.jpg",
        "/ä".encode().decode("latin-1"): "http://example.org/%C3%A4",
        "/\xe4": "http://example.org/%C3%A4",  # sent in Latin-1
        "?x=1": "http://example.org/a/b.jpg?x=1",
        "http://bücher.example/#top".encode().decode("latin-1"): "http://xn--bcher-kva.example/",
        " ../c ": "http://example.org/c",
    }
    assert {place: address.redirected(place).url for place in places} == places


def test_a_long_data_uri_is_shown_in_part() -> None:
    shown = Source.of("data:image/png;base64," + "A" * 10_000).shown()
    assert len(shown) < 100
    assert shown.endswith("...")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("example.org/a.jpg", True),
        ("//example/a.jpg", True),
        ("localhost:8080/a.jpg", True),
        ("127.0.0.1/a.jpg", True),
        ("www.bücher.de/a b.jpg?x=1", True),
        ("photos/a.jpg", False),
        ("a.jpg", False),
        ("./a.b/c.jpg", False),
        ("/srv/a.jpg", False),
    ],
)
def test_a_name_that_looks_like_a_url_without_its_scheme(name: str, url: bool) -> None:
    assert without_scheme(name) == url
    opener = Source.of(name).opener(1.0, 1)
    assert callable(opener) == url
    if callable(opener):
        with pytest.raises(PhotoError, match="no such file; if it is a URL, write https://"):
            opener()


def test_rows_of_two_queries_stay_two_and_each_can_be_found_again() -> None:
    first, second = (f"https://example.org/photo?id={number}&sig=secret" for number in (1, 2))
    found = find_sources([first, second, first]).sources
    assert [source.url for source in found] == [first, second]
    assert found[0].name != found[1].name
    assert found[0].name == Source.of(first).name
    assert all(source.name.startswith("https://example.org/photo?id=") for source in found)
    assert found[0].inside().name == "photo"


@pytest.mark.parametrize(
    "name",
    [
        "user:secret@example.org/a.jpg",
        "//user:secret@example.org/a.jpg",
        "secret@example.org/a.jpg",
        "example.org/a.jpg?token=secret",
    ],
)
def test_a_url_without_its_scheme_has_secrets_too(name: str) -> None:
    source = Source.of(name)
    opener = source.opener(1.0, 1)
    assert callable(opener)
    with pytest.raises(PhotoError, match=r"write https://.*example\.org/a\.jpg") as caught:
        opener()
    assert "secret" not in f"{source!r} {source.shown()} {source.inside()} {caught.value}"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:12/34@example.org/a.jpg",
        "http://user/34@example.org/a.jpg",
        "http://user?34@example.org/a.jpg",
        "http://user#34@example.org/a.jpg",
        "https://token:443/x-oauth@example.org/a.jpg",
    ],
)
def test_a_user_is_never_looked_up_as_a_host(url: str) -> None:
    with pytest.raises(PhotoError, match="is what follows the @ its host") as caught:
        parse_url(url)
    assert "34" not in str(caught.value)
    assert parse_url("http://nas/photo%402x.jpg").url == "http://nas/photo%402x.jpg"
    assert parse_url("http://localhost:81/@2x.jpg").url == "http://localhost:81/@2x.jpg"


SIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIASECRET%2F20261129&X-Amz-Expires=60"
    "&X-Amz-Security-Token=SECRET&X-Amz-Signature=5ec2e7",
    "X-Goog-Signature=SECRET&X-Goog-Expires=60",
    "sv=2024-11-04&se=2026-11-30&sr=b&sp=r&sig=SECRET%3D",
    "AWSAccessKeyId=SECRET&Expires=1700000000&Signature=SECRET",
    *(f"{name}=SE" for name in ("token", "access_token", "api_key", "apikey", "key", "sig")),
    *(f"{name}=SE" for name in ("password", "passwd", "pwd", "auth", "code", "sessionid", "jwt")),
    "t=SECRET",
    "SECRET",
    "a=1;token=SECRET",
    "u=https%3A%2F%2Fh%2F%3Ftoken%3DSECRET",
)


@pytest.mark.parametrize("query", SIGNED)
def test_a_signature_is_never_shown(query: str) -> None:
    url = f"https://bucket.example/photo.jpg?{query}"
    source = Source.of(url)
    assert "SE" not in source.name
    assert "5ec2e7" not in source.name
    assert source.name.startswith("https://bucket.example/photo.jpg?")
    assert source.name != Source.of(f"{url}x").name
    assert source.url == url
    assert parse_url(url).url == url, "it is requested as it is"
