"""Shows the examples in the docstring of a command in its help."""

from typing import Any

from rich.markup import escape

HEADING = "Examples\n--------\n"


def show_examples(command: Any) -> None:  # noqa: ANN401, RUF100
    """Show the examples of a command as one types them in a shell.

    Blank lines separate examples; an example may have several lines.

    Parameters
    ----------
    command : typer command
        Its help, which the docstring gives, is changed.
    """
    text, heading, examples = (command.help or "").partition(HEADING)
    if heading:
        lines = [f"$ {part}".replace("\n", " \\\n    ") for part in examples.strip().split("\n\n")]
        command.help = "\n\n".join([text.rstrip(), "Examples:", *map(escape, lines)])
