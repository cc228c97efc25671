"""The pretrained network: its providers, its weights, its frozen and its trained part."""
