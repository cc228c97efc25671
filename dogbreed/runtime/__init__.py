"""The inference runtime: OpenVINO, CUDA or torch; pixels to activations and probabilities."""
