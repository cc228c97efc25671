"""Validate S3 bucket names, prefixes and URIs, and suggest corrections."""

import re
import shlex
import unicodedata

from dogbreed.errors import ConfigError

# Source: S3's user guide, "General purpose bucket naming rules" (bucketnamingrules.html, read in
# November 2026). The suffix -an, of an account-level namespace, is valid for buckets too.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = {
    "-s3alias": "an access point",
    "--ol-s3": "an Object Lambda access point",
    ".mrap": "a Multi-Region access point",
    "--x-s3": "a directory bucket",
    "--table-s3": "a table bucket",
}
# Source: S3's user guide, "Naming Amazon S3 objects": characters to avoid. In a container
# the question mark and the percent sign would change the URL.
_AVOIDED = frozenset('\\{}^%`[]"<>~#|?')
MAX_KEY_BYTES = 1024  # of an object, from the same page
MAX_PREFIX_BYTES = 512  # leaves the same for the names of jobs, models and photos

# What is often pasted instead of a bucket's name: a URI, an ARN, or a URL of the console.
_URIS = (
    re.compile(r"s3[an]?:/*(?P<bucket>[^/]*)/*(?P<key>.*)", re.IGNORECASE | re.DOTALL),
    re.compile(r"arn:[^:]*:s3:::(?P<bucket>[^/]*)/*(?P<key>.*)", re.IGNORECASE),
    re.compile(
        r"https?://(?:[\w-]+\.)*console\.[\w.-]+/s3/(?:buckets|object)/(?P<bucket>[^/?#]*)"
        r"(?:.*[?&]prefix=(?P<key>[^&#]*))?.*"
    ),
    re.compile(r"https?://s3[\w.-]*\.amazonaws\.[\w.]+/(?P<bucket>[^/?#]*)/*(?P<key>[^?#]*).*"),
    re.compile(r"https?://(?P<bucket>[^/]+?)\.s3[\w.-]*\.amazonaws\.[\w.]+/*(?P<key>[^?#]*).*"),
)
_PATH = re.compile(r"(?P<bucket>[^/]*)/+(?P<key>.*)", re.DOTALL)


def check_bucket(bucket: str) -> None:
    """Check a bucket's name; a URI gets a message with the keys to type instead.

    Raises:
        ConfigError: names launcher.bucket.
    """
    shown = f"launcher.bucket={bucket}"
    found = _parse_uri(bucket) or _PATH.fullmatch(bucket)
    if found is not None:
        raise ConfigError(f"{shown}: a bucket is given by its name only: {_keys(found)}.")
    problem = bucket_error(bucket)
    if problem:
        raise ConfigError(f"{shown}: {problem}.")


def bucket_error(bucket: str) -> str | None:
    """Which of S3's rules a bucket's name violates, as the end of a sentence; None if valid."""
    if not 3 <= len(bucket) <= 63:
        return f"a bucket's name has 3 to 63 characters, not {len(bucket)}"
    if not _BUCKET.fullmatch(bucket):
        lower = bucket.lower()
        hint = f" (did you mean {lower}?)" if _BUCKET.fullmatch(lower) else ""
        return (
            "a bucket's name has lower-case letters, digits, dots and hyphens only, with a letter "
            f"or a digit first and last{hint}"
        )
    if ".." in bucket:
        return "a bucket's name has no two dots in a row"
    if _IP_ADDRESS.fullmatch(bucket):
        return "a bucket's name isn't formatted as an IP address"
    for start in _RESERVED_STARTS:
        if bucket.startswith(start):
            return f"no bucket's name may begin with {start}"
    for end, kind in _RESERVED_ENDS.items():
        if bucket.endswith(end):
            return f"a name that ends in {end} is {kind}: name a general purpose bucket"
    return None


def normal_prefix(prefix: str) -> str:
    """Normalize a prefix: no empty folder names (`/a//b/` becomes `a/b`), Unicode NFC.

    Raises:
        ConfigError: names launcher.prefix: it is empty, or S3 or a container couldn't use it.
    """
    shown = f"launcher.prefix={prefix}"
    found = _parse_uri(prefix)
    if found is not None:
        raise ConfigError(f"{shown}: a prefix is a folder in the bucket: {_keys(found)}.")
    parts = [" ".join(filter(None, part.split(" "))) for part in prefix.split("/")]
    parts = [part for part in parts if part not in ("", ".")]
    if not parts:
        raise ConfigError(f"{shown} is empty: name a folder in the bucket, such as dogbreed.")
    normal = unicodedata.normalize("NFC", "/".join(parts))
    if ".." in parts:
        raise ConfigError(f"{shown}: S3 has no folder '..': write the path without it.")
    bad = sorted({c for c in normal if c in _AVOIDED or not c.isprintable()})
    if bad:
        shown_bad = " ".join(bad)
        raise ConfigError(
            f"{shown}: leave out {shown_bad}: S3 advises against such characters, and containers "
            "may not find files with them; folders are separated by /."
        )
    if len(normal.encode()) > MAX_PREFIX_BYTES:
        raise ConfigError(
            f"{shown}: it has {len(normal.encode())} bytes; at most {MAX_PREFIX_BYTES}, as an S3 "
            f"key has at most {MAX_KEY_BYTES} and also holds the names of jobs and photos."
        )
    return normal


def is_s3_uri(text: str) -> bool:
    """Whether a text is a URI, ARN or URL of S3, rather than a local path."""
    return _parse_uri(text) is not None


def check_uri(key: str, uri: str) -> None:
    """Check that a URI is s3://BUCKET/PATH with a valid bucket name, for the key `key`.

    Raises:
        ConfigError: suggests the correct URI if it can be derived.
    """
    shown = f"{key}={uri}"
    found = _parse_uri(uri)
    bucket, path = (found["bucket"], found["key"] or "") if found else ("", "")
    problem = bucket_error(bucket)
    if problem:
        raise ConfigError(f"{shown}: write s3://BUCKET/PATH; {problem}.")
    if not path.strip("/"):
        raise ConfigError(f"{shown}: it names a bucket without a path: write s3://{bucket}/PATH.")
    normal = f"s3://{bucket}/{re.sub('/+', '/', path)}"
    if uri != normal:
        raise ConfigError(f"{shown}: write {normal}.")
    if not uri.isprintable():
        raise ConfigError(f"{shown}: it contains a control character.")
    if len(path.encode()) > MAX_KEY_BYTES:
        raise ConfigError(f"{shown}: an S3 key has at most {MAX_KEY_BYTES} bytes.")


def _parse_uri(text: str) -> re.Match[str] | None:
    return next(filter(None, (each.fullmatch(text) for each in _URIS)), None)


def _keys(found: re.Match[str]) -> str:
    """The keys to type for a URI, or what is wrong with its bucket."""
    bucket, prefix = found["bucket"], (found["key"] or "").strip("/")
    problem = bucket_error(bucket)
    if problem:
        return f"write launcher.bucket=NAME launcher.prefix=FOLDER; {problem}"
    more = f" launcher.prefix={shlex.quote(prefix)}" if prefix else ""
    return f"write launcher.bucket={bucket}{more}"
