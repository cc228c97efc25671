"""What Schemathesis takes for photos: it is run with SCHEMATHESIS_HOOKS=photo_formats."""

import schemathesis
from helpers.local_server import as_text, photo, picture
from hypothesis import strategies as st

SMALL = picture(size=(8, 8))
OF_TYPE = {f"image/{kind.lower()}": photo(kind, SMALL) for kind in ("JPEG", "PNG", "WEBP")}

schemathesis.openapi.format("binary", st.sampled_from([*OF_TYPE.values()]))  # a form's files
schemathesis.openapi.media_type(
    "text/plain", st.sampled_from([as_text(data).encode() for data in OF_TYPE.values()])
)
schemathesis.openapi.format("photo", st.sampled_from([as_text(data) for data in OF_TYPE.values()]))
for media_type, data in OF_TYPE.items():
    schemathesis.openapi.media_type(media_type, st.just(data))
schemathesis.openapi.media_type("application/octet-stream", st.sampled_from([*OF_TYPE.values()]))
