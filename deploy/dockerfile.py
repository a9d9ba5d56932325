"""Parser of Dockerfiles, for the part of the language that this project uses."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

KNOWN = (
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN"),
    *("STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    keyword
        Name of the instruction in capitals.
    value
        The rest of the instruction, lines joined, without substitution.
    line
        First line, counted from 1.
    """

    keyword: str
    value: str
    line: int

    def __str__(self) -> str:
        return f"{self.keyword} {' '.join(self.value.split())}"


@dataclass(slots=True)
class Stage:
    """The instructions from one FROM to the next.

    Attributes
    ----------
    name
        Name of the stage; its number if it has none.
    base
        Name of its base image.
    instructions
        The instructions after its FROM.
    """

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, keyword: str) -> str | None:
        """Value of the last instruction of a kind; None if there is none."""
        values = [each.value for each in self.instructions if each.keyword == keyword]
        return values[-1] if values else None


def read_stages(path: Path, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """Read the stages of a Dockerfile, the image's last.

    Parameters
    ----------
    path
        The file.
    arguments
        Build arguments, for the names of base images.

    Raises
    ------
    ValueError
        For an instruction that this module does not know: says which, and on which line.
    """
    scope: dict[str, str] = {}
    stages: list[Stage] = []
    for entry in DockerfileParser(str(path)).structure:
        step = Instruction(entry["instruction"].upper(), entry["value"], entry["startline"] + 1)
        if step.keyword == "COMMENT":
            continue
        if step.keyword not in KNOWN:
            expected = ", ".join(KNOWN)
            raise ValueError(f"{path}:{step.line}: got {step.keyword}; expected one of {expected}")
        if step.keyword == "FROM":
            base, *alias = step.value.split()
            stages.append(Stage(alias[1] if alias else str(len(stages)), substitute(base, scope)))
        elif stages:
            stages[-1].instructions.append(step)
        else:  # an argument of all stages' FROM
            scope |= argument(step.value, arguments or {})
    return stages


def argument(value: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the name and value of an ARG: the given value, or its default."""
    name, _, default = value.partition("=")
    return {name: given.get(name, "".join(shlex.split(default)))}


def substitute(text: str, scope: Mapping[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}``; names that are not set become empty."""
    names = {name: "" for _, *found in Template.pattern.findall(text) for name in found if name}
    return Template(text).substitute(names | dict(scope))


def assignments(value: str, scope: Mapping[str, str]) -> dict[str, str]:
    """Read the ``NAME=value`` pairs of an ENV."""
    pairs = (substitute(pair, scope).partition("=") for pair in shlex.split(value))
    return {name: text for name, _, text in pairs}


def command_of(value: str) -> list[str]:
    """Read a command in its JSON form, which runs without a shell and receives signals.

    Raises :class:`ValueError` for the other form.
    """
    try:
        command = json.loads(value)
    except json.JSONDecodeError:
        raise ValueError(f'got the command {value}; expected the form ["program", ...]') from None
    return [str(part) for part in command]
