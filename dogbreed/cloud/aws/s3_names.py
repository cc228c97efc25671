"""Names in S3: which buckets and prefixes there can be, and what was meant by others."""

import re
import shlex
import unicodedata

from dogbreed.errors import ConfigError

# Source: S3's user guide, "General purpose bucket naming rules" (bucketnamingrules.html, read in
# November 2026). The suffix -an, of a namespace of one's own account, is a bucket's as well.
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
# Source: S3's user guide, "Naming Amazon S3 objects": characters to avoid. The question mark and
# the percent sign end or change an address where a container reads it.
_AVOIDED = frozenset('\\{}^%`[]"<>~#|?')
MAX_KEY_BYTES = 1024  # of an object, from the same page
MAX_PREFIX_BYTES = 512  # leaves as much for the names of jobs, models and photos

# What people paste instead of a bucket's name: an address, an ARN, or a page of the console.
_ADDRESSES = (
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
    """Refuse what can't be a bucket's name; say what to type where an address holds one.

    Raises:
        ConfigError: names launcher.bucket.
    """
    shown = f"launcher.bucket={bucket}"
    found = _address(bucket) or _PATH.fullmatch(bucket)
    if found is not None:
        raise ConfigError(f"{shown}: a bucket is given by its name alone: {_keys(found)}.")
    wrong = wrong_with_bucket(bucket)
    if wrong:
        raise ConfigError(f"{shown}: {wrong}.")


def wrong_with_bucket(bucket: str) -> str | None:
    """What S3's rules have against a bucket's name, as the end of a sentence."""
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
            return f"what ends in {end} is {kind}: name a general purpose bucket"
    return None


def normal_prefix(prefix: str) -> str:
    """A prefix without what S3 would take for folders without a name: `/a//b/` is `a/b`.

    Composed and decomposed letters become the same, as other machines would write them.

    Raises:
        ConfigError: names launcher.prefix: nothing is left, or S3 or a container couldn't use it.
    """
    shown = f"launcher.prefix={prefix}"
    found = _address(prefix)
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
            "may not find what has them in its name; folders are divided by /."
        )
    if len(normal.encode()) > MAX_PREFIX_BYTES:
        raise ConfigError(
            f"{shown}: it has {len(normal.encode())} bytes; {MAX_PREFIX_BYTES} are left beside the "
            f"names of jobs and photos, as a key of S3 has {MAX_KEY_BYTES} at most."
        )
    return normal


def is_address(text: str) -> bool:
    """Whether a place is meant in S3, however it is written; a path of this machine isn't."""
    return _address(text) is not None


def check_uri(key: str, uri: str) -> None:
    """Refuse a place in S3 that isn't s3://BUCKET/PATH with a bucket that can be; `key` names it.

    Raises:
        ConfigError: with the address that is meant, if it can be derived.
    """
    shown = f"{key}={uri}"
    found = _address(uri)
    bucket, path = (found["bucket"], found["key"] or "") if found else ("", "")
    wrong = wrong_with_bucket(bucket)
    if wrong:
        raise ConfigError(f"{shown}: write s3://BUCKET/PATH; {wrong}.")
    if not path.strip("/"):
        raise ConfigError(f"{shown}: it is the whole bucket: write s3://{bucket}/PATH.")
    normal = f"s3://{bucket}/{re.sub('/+', '/', path)}"
    if uri != normal:
        raise ConfigError(f"{shown}: write {normal}.")
    if not uri.isprintable():
        raise ConfigError(f"{shown}: there is a control character in it.")
    if len(path.encode()) > MAX_KEY_BYTES:
        raise ConfigError(f"{shown}: a key of S3 has {MAX_KEY_BYTES} bytes at most.")


def _address(text: str) -> re.Match[str] | None:
    return next(filter(None, (each.fullmatch(text) for each in _ADDRESSES)), None)


def _keys(found: re.Match[str]) -> str:
    """What to type for an address, or what is wrong with its bucket."""
    bucket, prefix = found["bucket"], (found["key"] or "").strip("/")
    wrong = wrong_with_bucket(bucket)
    if wrong:
        return f"write launcher.bucket=NAME launcher.prefix=FOLDER; {wrong}"
    more = f" launcher.prefix={shlex.quote(prefix)}" if prefix else ""
    return f"write launcher.bucket={bucket}{more}"
