"""Sandbox the HTML pages in a job's output: opening them runs only this project's scripts."""

from pathlib import Path

PAGES = (".html", ".htm")
MAX_PAGE_BYTES = 256 * 2**20
# Other formats with scripts that browsers execute; no run writes any.
OTHER_ACTIVE = (".xhtml", ".xht", ".shtml", ".xml", ".xsl", ".svg", ".svgz", ".mhtml", ".mht")

# The page in the iframe inherits this page's content security policy, in addition to its policy. It
# has an opaque origin, can open, submit and navigate nothing: the policy allows no other frame.
FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Fetched from S3 · dogbreed</title>
<style>html, body, iframe {{ margin: 0; border: 0; width: 100%; height: 100%; }}
body {{ overflow: hidden; }}</style>
</head>
<body>
<iframe title="The page as the job wrote it" sandbox="allow-scripts" srcdoc="{page}"></iframe>
</body>
</html>
"""


def sandbox_pages(folder: Path) -> None:
    """Put each page below `folder` into a sandboxed iframe; rename other formats with scripts."""
    from dogbreed.report.frame import policy

    for path in [path for path in folder.rglob("*") if path.is_file()]:
        suffix = path.suffix.lower()
        if suffix in PAGES and path.stat().st_size <= MAX_PAGE_BYTES:
            page = path.read_text("utf-8", errors="replace")
            quoted = page.replace("&", "&amp;").replace('"', "&quot;")
            path.write_text(FRAME.format(policy=policy(), page=quoted), "utf-8")
        elif suffix in (*PAGES, *OTHER_ACTIVE):
            path.rename(path.with_name(f"{path.name}.txt"))
