"""The picture of the web page for README: ``python -m tests.web.screenshot FILE.png``.

Needs Chromium, and the packages of the extra ``test``.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.server import running

COLOURS = 128
"""Enough for the page, and half the bytes."""


def main() -> None:
    """Serve the released forests, and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    with running("training.commands serve") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 856}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.locator("#waterfall tr.total").first.wait_for(timeout=120_000)
        page.wait_for_load_state("networkidle")
        picture = page.screenshot()
        browser.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
