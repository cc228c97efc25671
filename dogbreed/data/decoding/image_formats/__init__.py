"""The image formats that are decoded; each module registers its own when it is imported here.

In this order Pillow tries its plugins. AVIF's is the last: Pillow before 11.3, as some containers
have it, has none.
"""

# ruff: noqa: F401
# isort: off
import dogbreed.data.decoding.image_formats.jpeg
import dogbreed.data.decoding.image_formats.png
import dogbreed.data.decoding.image_formats.webp
import dogbreed.data.decoding.image_formats.bmp
import dogbreed.data.decoding.image_formats.gif
import dogbreed.data.decoding.image_formats.tiff
import dogbreed.data.decoding.image_formats.avif
import dogbreed.data.decoding.image_formats.heif
