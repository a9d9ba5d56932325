"""The examples of each command, as its docstring has them, and as its help shows them."""

from typing import Any

from rich.markup import escape

HEADING = "Examples\n--------\n"


def examples_of(text: str) -> list[str]:
    """Find the examples of a docstring; a blank line is between two, and each may have lines."""
    examples = text.partition(HEADING)[2].strip()
    return [" ".join(part.split("\n")) for part in examples.split("\n\n") if part]


def show_examples(command: Any) -> None:  # noqa: ANN401, RUF100
    """Let the help of every command show its examples as a shell takes them."""
    text, heading, examples = (command.help or "").partition(HEADING)
    if heading:
        shown = [_in_shell(part) for part in examples.strip().split("\n\n")]
        command.help = "\n\n".join([text.rstrip(), "Examples:", *shown])
    for each in getattr(command, "commands", {}).values():
        show_examples(each)


def _in_shell(example: str) -> str:
    return escape("$ " + example.replace("\n", " \\\n    "))
