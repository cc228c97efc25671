"""The pretrained network: its parts, its weights, and the store of what its frozen part gives."""
