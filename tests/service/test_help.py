"""Help that teaches: examples of every command, and what the shell offers while one types."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.service.servers import ROOT
from training.commands.main import app, run
from training.commands.shared.examples import HEADING

REDIRECTIONS = {"<", ">", "|"}


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield names, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, *names, name)


ALL = dict(commands(typer.main.get_command(app)))


def examples_of(text: str) -> list[str]:
    """Examples of a docstring, each on one line."""
    examples = text.partition(HEADING)[2].strip()
    return [" ".join(part.split("\n")) for part in examples.split("\n\n") if part]


def arguments(example: str) -> list[str]:
    """What the program gets of a line for a shell."""
    words = shlex.split(example)
    start = words.index("acorn")
    assert all("=" in word for word in words[:start])
    end = next((i for i, word in enumerate(words) if word in REDIRECTIONS), len(words))
    return words[start + 1 : end]


def parse(command: Any, words: list[str], parent: Any = None) -> None:
    """Parse arguments as the program does, without doing anything."""
    context = command.make_context(command.name, list(words), parent=parent)
    if hasattr(command, "commands"):
        _, chosen, rest = command.resolve_command(context, context._protected_args + context.args)
        parse(chosen, rest, context)


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_every_command_has_examples_that_parse(names: tuple[str, ...]) -> None:
    examples = examples_of(ALL[names].help)
    assert examples
    for example in examples:
        words = arguments(example)
        assert tuple(words[: len(names)]) == names
        if words != ["--install-completion"]:
            parse(ALL[()], words)


def test_help_shows_examples_as_a_shell_takes_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "$ acorn predict --space nats_sss --arch - --json < widths.txt" in shown
    lines = [line.rstrip() for line in shown.splitlines()]
    assert " $ acorn predict --space nats_tss --targets clean,pgd_linf_1.0 \\" in lines
    assert "-----" not in shown.partition("Options")[0].replace("─", "")


def in_bash(line: str) -> dict[str, str]:
    """Variables with which bash asks what to offer at the end of a line."""
    words = shlex.split(line)
    position = len(words) if line.endswith(" ") else len(words) - 1
    return {
        "_ACORN_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(position),
    }


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("acorn pre", ["predict"]),
        ("acorn predict --space nats_", ["nats_tss", "nats_sss"]),
        ("acorn predict --dataset cifar1", ["cifar10", "cifar100"]),
        ("acorn predict --explain ", ["path", "shap", "none"]),
        ("acorn predict --forest ", ["a-bundle", "another"]),
        ("acorn forests verify an", ["another"]),
        ("acorn train --space darts", ["darts"]),
        ("acorn doctor --device c", ["cpu", "cuda"]),
    ],
)
def test_the_shell_offers_what_there_is(
    line: str,
    offered: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a-bundle", "another"):
        (tmp_path / name).mkdir()
    for name, value in {"ACORN_FORESTS": str(tmp_path), **in_bash(line)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        run([])
    assert end.value.code == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(offered)


def test_the_program_completes_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training.commands"],
        cwd=ROOT,
        env={**os.environ, **in_bash("acorn pre")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["predict"]


def test_offering_imports_no_torch() -> None:
    code = (
        "import sys, training.commands.main\n"
        "from training.commands.shared import completion\n"
        "completion.spaces(), completion.datasets(), completion.bundles()\n"
        "print([name for name in ('torch', 'sklearn', 'fastapi') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
