"""Web pages that a job wrote, made safe to open: whatever is in them, only our scripts run."""

from pathlib import Path

PAGES = (".html", ".htm")
MAX_PAGE_BYTES = 256 * 2**20
# A browser may run what is in these as well, and no run writes any.
OTHER_ACTIVE = (".xhtml", ".xht", ".shtml", ".xml", ".xsl", ".svg", ".svgz", ".mhtml", ".mht")

# The page inside takes over this one's policy, and keeps its own. It is of no origin, opens and
# sends nothing, and goes nowhere: the policy lets no other page into the frame.
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


def confine_pages(folder: Path) -> None:
    """Put each page below `folder` into a frame of ours; rename what else a browser would run."""
    from dogbreed.report.frame import policy

    for path in [path for path in folder.rglob("*") if path.is_file()]:
        suffix = path.suffix.lower()
        if suffix in PAGES and path.stat().st_size <= MAX_PAGE_BYTES:
            page = path.read_text("utf-8", errors="replace")
            quoted = page.replace("&", "&amp;").replace('"', "&quot;")
            path.write_text(FRAME.format(policy=policy(), page=quoted), "utf-8")
        elif suffix in (*PAGES, *OTHER_ACTIVE):
            path.rename(path.with_name(f"{path.name}.txt"))
