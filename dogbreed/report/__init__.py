"""HTML reports in one file that fetches nothing: page frame, charts, formatting."""
