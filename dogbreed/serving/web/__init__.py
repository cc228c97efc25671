"""Photos from the web: addresses, fetching within limits, compressed messages."""
