"""The fenced blocks of README and documentation, and the commands in them."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs" / "api"
"""Pages that ``make docs`` writes from docstrings; they are not tracked."""
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if GENERATED not in page.parents),
]
SHELL = ("bash", "console")
MORE = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    page
        File of the block.
    line
        Line of the opening fence, counted from 1.
    language
        First word of its info string.
    title
        Text after ``title=`` in the info string: a file name.
    text
        Text between the fences.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language or 'no language'})"


def blocks(page: Path) -> list[Block]:
    """Return all blocks of a page, in order."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    return [
        Block(page, (token.map or [0])[0] + 1, *_info(token.info), token.content)
        for token in tokens
        if token.type in ("fence", "code_block")
    ]


def _info(text: str) -> tuple[str, str]:
    """Return the language and the title of a fence."""
    language, _, rest = text.partition(" ")
    return language, rest.removeprefix("title=").strip('"')


def script(block: Block) -> str:
    """Return the commands of a shell block: for a console, the lines after ``$``."""
    return block.text if block.language == "bash" else "\n".join([*typed(block), ""])


def typed(block: Block) -> Iterator[str]:
    """Yield the commands of a console block."""
    rest = iter(block.text.splitlines())
    for line in rest:
        if not line.startswith("$ "):
            continue
        command = line.removeprefix("$ ")
        while _is_open(command):
            command += "\n" + next(rest)
        yield command


def _is_open(command: str) -> bool:
    """Return whether a command continues on the next line."""
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:  # a quotation that is not closed
        return True
    return False


def read_elided(text: str) -> Any:
    """Parse JSON with ``…`` for omitted members, items and ends of texts."""
    marked = re.sub(rf"\[{MORE}\]", f'["{MORE}"]', text)
    return json.loads(re.sub(rf",\s*{MORE}\s*\}}", f', "{MORE}": 0}}', marked))


def agrees(shown: Any, real: Any) -> bool:
    """Return whether the JSON of a page agrees with the output, except for omitted parts."""
    if isinstance(shown, dict):
        keys = shown.keys() - {MORE}
        whole = MORE in shown or keys == real.keys()
        return whole and all(key in real and agrees(shown[key], real[key]) for key in keys)
    if isinstance(shown, list):
        if shown == [MORE]:
            return bool(real)
        return len(shown) == len(real) and all(map(agrees, shown, real))
    if isinstance(shown, str) and shown.endswith(MORE):
        return isinstance(real, str) and real.startswith(shown.removesuffix(MORE))
    if isinstance(shown, float):
        decimals = len(str(shown).partition(".")[2])
        return abs(shown - real) <= 0.5001 * 10 ** -max(decimals, 2)
    return bool(shown == real)
