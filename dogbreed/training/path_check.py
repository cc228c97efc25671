"""Checks a configuration's paths, before torch is imported or anything is downloaded."""

import os
import tempfile
from pathlib import Path

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import AUTO
from dogbreed.data.roots import check_given_root, is_s3_folder
from dogbreed.data.sets.samples import SAMPLES
from dogbreed.errors import ConfigError, StoreError, WeightsError
from dogbreed.training.run_folder import check_writable, resumed_folder
from dogbreed.utils.user_paths import cache_dir, cached_in, make_private, private_folder

# Files that every feature set and every run have.
SET_FILE, RUN_FILE = "photos.json", "config.yaml"


def check_paths(config: Config) -> None:
    """Check every path of a training: what it reads first, then what it writes.

    Raises:
        DogbreedError: names the key, what is wrong with its path, and what to do.
    """
    data, features = config.data, config.features
    if data.feature_set is not None:
        if not os.path.isfile(Path(data.feature_set, SET_FILE)):  # noqa: PTH113 (never raises)
            raise StoreError(
                f"data.feature_set={data.feature_set}: there is no feature set (no {SET_FILE})."
            )
    elif data.root is not None:
        check_given_root(data.root)
    check_weights(config.model.weights)
    if config.resume not in (None, AUTO) and not os.path.isfile(  # noqa: PTH113
        resumed_folder(str(config.resume)) / RUN_FILE
    ):
        raise ConfigError(f"resume={config.resume}: there is no run there (no {RUN_FILE}).")
    check_writable(Path(config.output_root))
    if data.feature_set is None:
        _check_source(config)
    if features.store:
        _check_features(features.root)


def check_sent_paths(config: Config) -> None:
    """Check the paths on this machine that a training on SageMaker uses.

    Raises:
        DogbreedError: as `check_paths`.
    """
    if config.data.root is not None and not is_s3_folder(config.data.root):
        check_given_root(config.data.root)
    check_weights(config.model.weights)
    check_writable(Path(config.output_root))
    _check_source(config)


def check_weights(weights: str, key: str = "model.weights") -> None:
    """Raise a WeightsError for a file that can't be read; names are checked by their provider."""
    path = Path(weights)
    if not (path.suffix or "/" in weights):
        return
    try:
        path.open("rb").close()
    except FileNotFoundError as error:
        raise WeightsError(f"{key}={weights}: there is no such file.") from error
    except IsADirectoryError as error:
        raise WeightsError(f"{key}={weights}: is a folder: name a file in it.") from error
    except PermissionError as error:
        raise WeightsError(f"{key}={weights}: can't be read: you lack the permission.") from error
    except OSError as error:
        raise WeightsError(f"{key}={weights}: can't be read: {error.strerror}.") from error


def _check_source(config: Config) -> None:
    """Create the cache folder, if photos are generated, downloaded or extracted into it."""
    if config.data.root is not None and os.path.isdir(config.data.root):  # noqa: PTH112
        return
    folder = cache_dir()
    with cached_in(folder):
        private_folder(folder)
        if config.data.source == SAMPLES and not (folder / SAMPLES).exists():
            tempfile.TemporaryFile(dir=folder).close()


def _check_features(root: str | None) -> None:
    """Create the folder of the feature cache; a read-only one may have all features already."""
    if root is None:
        folder = cache_dir() / "features"
        with cached_in(folder):
            private_folder(folder.parent)
            private_folder(folder)
        return
    try:
        make_private(Path(root))  # an existing one may be shared by users
    except OSError as error:
        raise StoreError(
            f"features.root={root}: the folder can't be created ({error.strerror}): set it to a "
            "folder of your own."
        ) from error
