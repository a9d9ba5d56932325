"""A user needs at most four commands for a first prediction."""

from itertools import takewhile
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, typed


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "quick_start.md"])
def test_at_most_four_commands_to_a_prediction(page: Path) -> None:
    consoles = [block for block in blocks(page) if block.language == "console"]
    commands = [command for block in consoles for command in typed(block)]
    before = [*takewhile(lambda command: "predict" not in command, commands)]
    assert len(before) < len(commands), "no command predicts"
    assert len(before) + 1 <= 4


def test_at_most_four_commands_to_a_server_with_its_database() -> None:
    page = (ROOT / "docs" / "quick_start.md").read_text()
    place = page.partition("## For platform engineers")[0].count("\n")
    first = next(b for b in blocks(ROOT / "docs" / "quick_start.md") if b.line > place)
    assert any("docker compose up" in command for command in typed(first))
    assert len([*typed(first)]) <= 4
