"""Where backbones come from; each module registers its provider when it is imported here."""

# ruff: noqa: F401
import dogbreed.backbone.providers.efficientnet_lite
import dogbreed.backbone.providers.timm_models
import dogbreed.backbone.providers.torchvision_models
