"""outputs/index.html: the page of all runs, and of two of them side by side."""
