"""The local cache of wheels, by container and package; each is verified by its SHA-256 when read.

NAME-VERSION.json     the wheel's file name and the SHA-256 that it had when it was downloaded
*.whl                 the wheels
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dogbreed.cloud.wheels.pip import download_wheels
from dogbreed.cloud.wheels.target import Target
from dogbreed.cloud.wheels.wheel_files import Wheel, parsed_name
from dogbreed.errors import CloudError
from dogbreed.training.run_folder import log
from dogbreed.utils.documents import DocumentError, read_json
from dogbreed.utils.files import write_text
from dogbreed.utils.user_paths import cache_dir, cached_in, private_folder

WORKERS = 4


class WheelCache:
    """The wheels for one container's Python."""

    def __init__(self, target: Target, key: str) -> None:
        """`key` is the configuration's key that messages name."""
        self._folder = cache_dir() / "wheels" / target.label
        self._target, self._key = target, key
        self._verified: dict[str, Wheel] = {}

    def local(self, versions: Mapping[str, str]) -> dict[str, Wheel]:
        """The wheels that are here, by name; a damaged one is logged and left out."""
        left = {n: v for n, v in versions.items() if n not in self._verified}
        with ThreadPoolExecutor(WORKERS) as pool:
            found = pool.map(lambda each: self._read(*each), left.items())
            self._verified |= {each.name: each for each in found if each is not None}
        return {name: self._verified[name] for name in versions if name in self._verified}

    def fetch(self, versions: Mapping[str, str]) -> dict[str, Wheel]:
        """All wheels, by name; those that aren't here are downloaded.

        Raises:
            CloudError: a package has no wheel, or the index can't be reached.
            OutputError: the cache can't be used.
        """
        here = self.local(versions)
        missing = {name: version for name, version in versions.items() if name not in here}
        if missing:
            self._download(missing)
            here = self.local(versions)
        if lost := versions.keys() - here.keys():
            raise CloudError(
                f"{self._key}=wheels: pip downloaded another version of {', '.join(sorted(lost))} "
                "than requested: check pip's configuration."
            )
        return here

    def _read(self, name: str, version: str) -> Wheel | None:
        record = self._record(name, version)
        if not record.is_file():
            return None
        try:
            known = read_json(record)
            file, sha256 = self._folder / Path(known["file"]).name, str(known["sha256"])
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except (DocumentError, OSError, LookupError, TypeError) as error:
            log.warning("warning: %s is damaged (%s): it isn't used", record, error)
            return None
        if found != sha256 or parsed_name(file) != (name, version):
            log.warning("warning: %s was changed since its download: it isn't used", file)
            return None
        return Wheel(name=name, version=version, file=file, sha256=sha256)

    def _download(self, versions: Mapping[str, str]) -> None:
        """Download in a folder of its own, then move the complete wheels here."""
        log.info("downloading %d packages for the container", len(versions))
        with cached_in(self._folder):
            private_folder(self._folder)
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                wanted = [f"{name}=={version}" for name, version in versions.items()]
                download_wheels(wanted, Path(folder), self._target, self._key)
                self._keep(Path(folder).iterdir())

    def _keep(self, files: Iterable[Path]) -> None:
        for file in files:
            with file.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            file.replace(self._folder / file.name)
            record = json.dumps({"file": file.name, "sha256": sha256})
            write_text(self._record(*parsed_name(file)), record)

    def _record(self, name: str, version: str) -> Path:
        return self._folder / f"{name}-{version}.json"
