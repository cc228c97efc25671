"""Where backbones come from; each module registers its provider when it is imported here."""

from dogbreed.backbone.providers import torchvision_models

__all__ = ["torchvision_models"]
