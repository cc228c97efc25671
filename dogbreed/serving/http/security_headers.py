"""Security headers of every response, uvicorn's own included."""

from types import MappingProxyType

# The page uses its own files, and shows photos from memory. Its responses are never framed, cached,
# sniffed for another media type, or loaded by a page of another origin.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "object-src 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = MappingProxyType(
    {
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        # Not no-referrer: browsers then send Origin: null with a page's own requests.
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }
)
