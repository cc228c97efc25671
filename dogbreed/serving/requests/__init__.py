"""A request to an endpoint and its response, the same for every server."""
