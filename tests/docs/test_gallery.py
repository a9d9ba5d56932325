"""The gallery has a figure for each question, and shows what its programs print."""

import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.gallery import QUESTIONS, Figure, draw, few_labels, main, proxies
from tests.docs.blocks import MORE, ROOT, Block, blocks, script

PAGE = ROOT / "docs" / "gallery.md"
FIGURE = re.compile(r"!\[.+\]\((figures/gallery_(\w+)\.(?:svg|png))\)")
MARK = re.compile(r'aria-label="([^"]*)" role="graphics-symbol"')
MOST_BYTES = 60 * 1024
MOST_LINES = 12


def sections() -> dict[str, str]:
    title_and_text = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(title_and_text[::2], title_and_text[1::2], strict=True))


def test_each_question_has_a_small_figure_and_an_answer() -> None:
    assert [*sections()] == [*QUESTIONS.values()]
    for question, text in zip(QUESTIONS, sections().values(), strict=True):
        figures = FIGURE.findall(text)
        assert [name for _, name in figures] == [question.__name__]
        assert (PAGE.parent / figures[0][0]).stat().st_size <= MOST_BYTES
        assert "**Answer.**" in text


def test_programs_are_short() -> None:
    for block in blocks(PAGE):
        if block.language == "python":
            assert len(block.text.splitlines()) <= MOST_LINES, block


@pytest.mark.slow
@pytest.mark.parametrize("question", [few_labels, proxies])
def test_figures_of_results_show_the_page_of_results(
    question: Callable[[Path], Figure], tmp_path: Path
) -> None:
    drawn = draw(question, tmp_path, tmp_path)
    marks = MARK.findall(drawn.read_text())
    assert len(marks) > 5
    assert marks == MARK.findall((PAGE.parent / "figures" / drawn.name).read_text()), (
        "docs/results.md was changed: run python -m benchmarks.gallery"
    )


def test_a_question_without_its_tables_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gallery", "--shared", str(tmp_path), "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=f"^got no label tables in {tmp_path}/benchmarks"):
        main()
    assert not [*tmp_path.iterdir()]


def runnable() -> list[tuple[Block, str]]:
    """Programs that run on released bundles, with the output that the page shows."""
    return [
        (program, shown.text)
        for program, shown in pairwise(blocks(PAGE))
        if program.language == "python" or "acorn search" in program.text
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("program", "shown"), runnable(), ids=lambda value: str(value)[:30])
def test_the_page_shows_what_a_program_prints(program: Block, shown: str, tmp_path: Path) -> None:
    if program.language == "python":
        command = ["-c", program.text]
    else:
        command = ["-m", "training.commands", *script(program).split()[1:]]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = [line.split() for line in done.stdout.splitlines()]  # tables are aligned by hand
    for line in shown.splitlines():
        assert line == MORE or line.split() in printed
