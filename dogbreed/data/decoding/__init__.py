"""From a photo's bytes to pixels: formats, colours, limits, and the processes that decode."""
