"""The endpoint on one's own machine: HTTP in front, worker processes behind, and a page."""
