"""The brands of ISO 14496-12 files: HEIF, AVIF, and videos."""

# Brands of ISO 14496-12 files. Sources: ISO 23008-12 (HEIF), AVIF 1.2, the MP4 registry.
HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2",
     b"msf1", b"jpeg", b"avci", b"vvic"}
)  # fmt: skip
AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})


def brands_of(head: bytes) -> list[bytes]:
    """The major brand of an ISO 14496-12 file, then the compatible ones; none of other files."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4]), 512, len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is a HEIF (HEIC) that isn't an AVIF."""
    brands = brands_of(head)
    if not brands or brands[0] in AVIF_BRANDS or brands[0] not in HEIF_BRANDS:
        return False
    # Major brand mif1 or msf1 says only that it is some HEIF: the others say of which codec.
    return brands[0] in _HEVC_BRANDS or not AVIF_BRANDS & set(brands)
