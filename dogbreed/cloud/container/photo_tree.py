"""The photos of a job as a folder of classes, built from its channel and its listing of photos.

The channel has S3 objects under their keys; the folder has symbolic links to them under the photos'
paths. (Hard links fail between mounts of a container, even of the same disk.)
"""

import hashlib
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dogbreed.cloud.container.photo_listing import (
    ListedPhoto,
    PhotoListing,
    clashing_name,
    read_listing,
)
from dogbreed.errors import CloudError
from dogbreed.utils.files import atomic_write, locked
from dogbreed.utils.machine import cores

LOCK_FILE = ".photos.lock"


def build_photo_tree(channel: Path, listing_folder: Path, sha256: str, root: Path) -> None:
    """Check that the channel has every listed photo, and create the folder `root` of them.

    One of an instance's processes does it, the others wait.

    Args:
        channel: the folder of the photos channel.
        listing_folder: the folder of the listing's channel.
        sha256: the listing's digest in hex.
        root: the folder to create.

    Raises:
        CloudError: the listing or an object is missing, or isn't the one of the launch.
    """
    with locked(root.with_name(LOCK_FILE)):
        if root.exists():
            return
        listing = read_listing(listing_folder, sha256)
        clash = clashing_name(photo.name for photo in listing.photos)
        if clash is not None:
            raise CloudError(f"The listing of the photos has {clash} as a photo and as a folder.")
        files = _checked_files(channel, listing)
        with atomic_write(root) as beside:
            beside.mkdir()
            for folder in {beside.joinpath(photo.name).parent for photo in listing.photos}:
                folder.mkdir(parents=True, exist_ok=True)
            for photo, file in zip(listing.photos, files, strict=True):
                beside.joinpath(photo.name).symlink_to(file.absolute())


def _checked_files(channel: Path, listing: PhotoListing) -> Sequence[Path]:
    """The file of each photo, in the order of the listing."""
    # Below the channel's folder, objects of a manifest have their complete keys (observed in
    # aws/sagemaker-python-sdk, issue 723), or those relative to the manifest's prefix.
    places = [channel / listing.prefix, channel]

    def find(photo: ListedPhoto) -> Path | None:
        files = (place / photo.key for place in places)
        return next((file for file in files if _is_photo(file, photo)), None)

    with ThreadPoolExecutor(cores()) as pool:
        files = list(pool.map(find, listing.photos))
    lost = [photo for photo, file in zip(listing.photos, files, strict=True) if file is None]
    if lost:
        first = lost[0]
        raise CloudError(
            f"{len(lost)} of the launch's {len(listing.photos)} photos are missing in the job, or "
            f"have other content, such as {first.name} (object {listing.prefix}{first.key}): they "
            "were deleted or replaced in S3 after the launch. The same command starts the job "
            "again; check the bucket's lifecycle rules, and who can write to it."
        )
    return [file for file in files if file is not None]


def _is_photo(file: Path, photo: ListedPhoto) -> bool:
    """Whether a file is regular and has the photo's size and digest."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != photo.size_bytes:
            return False
        if photo.digest is None:
            return True
        kind, _, digits = photo.digest.partition(":")
        with file.open("rb") as content:
            return hashlib.file_digest(content, kind).hexdigest() == digits
    except OSError:
        return False
