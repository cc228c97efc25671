"""The servers of AWS's containers; each module registers its own when it is imported here."""

# ruff: noqa: F401
# isort: off
import dogbreed.artifact.servers.ray
import dogbreed.artifact.servers.torchserve
