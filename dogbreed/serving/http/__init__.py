"""The endpoint on a local machine: an HTTP server, its worker processes, and a web page."""
