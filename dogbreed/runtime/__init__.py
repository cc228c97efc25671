"""Running a network: OpenVINO, CUDA or torch, at the machine's limit."""
