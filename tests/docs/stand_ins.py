"""Programs for the commands of the documentation: quick ones run, the others are checked.

``python stand_ins.py NAME ARGUMENT ...`` is called for the program ``NAME``. For commands that take
long, need a container engine or timm, the test checks that their targets, options and files exist.
"""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"evaluate", "forests", "keys", "predict"}
"""Commands of acorn that run unchanged."""
SAMPLE = 32
SMALL_FORESTS = """
from acorn.learning import fitting
from acorn.learning.smoothing import networks
fitting.MOST_LEAVES, networks.MOST_STEPS = 1, 30
from training.commands.main import main
main()
"""
"""Acorn with the minimum of trees on smooth labels, and with networks that are hardly trained."""


def acorn(arguments: Sequence[str]) -> int:
    """Parse any command, run the quick ones, and compute features of few architectures."""
    import typer

    from training.commands.main import app

    parse(typer.main.get_command(app), arguments)
    if arguments[0] in ("features", "train") and "timm" in arguments:
        return 0  # these need the networks of timm, which is an extra
    if "--label-budget" in arguments or "ray" in arguments:
        return 0  # these would train networks, or need a cluster
    if arguments[0] == "features":
        size = 3 if "darts" in arguments else SAMPLE  # its networks are large, and need no labels
        few = [re.sub(r"^(all|sample:\d+)$", f"sample:{size}", each) for each in arguments]
        cheap = ["--proxies", "params,flops", "--batch-size", "2", "--workers", "1"]
        return run([sys.executable, "-m", "training.commands", *few, *cheap])
    if arguments[0] == "train":
        return run([sys.executable, "-c", SMALL_FORESTS, *arguments])
    if arguments[0] in QUICK:
        return run([sys.executable, "-m", "training.commands", *arguments])
    return 0


def parse(command: Any, arguments: Sequence[str], parent: Any = None) -> None:
    """Parse a command line as acorn does, without running it. Usage errors are raised."""
    context = command.make_context(command.name or "acorn", list(arguments), parent=parent)
    rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
    if rest:
        _, inner, left = command.resolve_command(context, rest)
        parse(inner, left, context)


def make(arguments: Sequence[str]) -> int:
    """Check that the targets are in the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = [each for each in arguments if "=" not in each]
    return expect(set(wanted) <= set(targets), f"no target among {wanted}")


def python(arguments: Sequence[str]) -> int:
    """Check that a benchmark exists and has the options; run other programs."""
    if arguments[0] != "-m":
        return run([sys.executable, *arguments])
    module, options = arguments[1], [a.partition("=")[0] for a in arguments if a.startswith("--")]
    if module == "training":
        return acorn(arguments[2:])
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return expect(False, f"no module {module}")
    constants = {
        node.value
        for node in ast.walk(ast.parse(Path(spec.origin).read_text()))
        if isinstance(node, ast.Constant)
    }
    return expect(constants.issuperset(options), f"{module} has not all of {options}")


def pip(arguments: Sequence[str]) -> int:
    """Check that the extras are declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"\[([a-z,-]+)\]", " ".join(arguments))
    wanted = {name for each in extras for name in each.split(",")}
    return expect(wanted <= project["optional-dependencies"].keys(), f"no extra among {wanted}")


def docker(arguments: Sequence[str]) -> int:
    """Check that services, build arguments and files exist."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    if arguments[0] == "compose":
        words = [a for a in arguments[2:] if not a.startswith("-")]
        return expect(set(words) <= compose["services"].keys(), f"no service among {words}")
    declared = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    given = [b.partition("=")[0] for a, b in pairs(arguments) if a == "--build-arg"]
    return expect(set(given) <= set(declared), f"no build argument among {given}")


def kubectl(arguments: Sequence[str]) -> int:
    """Check that the files exist."""
    files = [b for a, b in pairs(arguments) if a in ("-f", "--filename")]
    return expect(all((ROOT / file).exists() for file in files), f"no file among {files}")


def sbatch(arguments: Sequence[str]) -> int:
    """Check that the script exists and reads the variables."""
    script = ROOT / arguments[-1]
    if not script.is_file():
        return expect(False, f"no file {script}")
    given = {name for name in os.environ if name.startswith("ACORN_")} - {"ACORN_URL", "ACORN_VAR"}
    return expect(all(name in script.read_text() for name in given), f"it does not read {given}")


def pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Pair each argument with the next one, with ``--option=value`` split."""
    split: list[str] = []
    for each in arguments:
        split += each.split("=", 1) if each.startswith("--") else [each]
    return list(pairwise(split))


def run(command: Sequence[str]) -> int:
    """Replace this process by another program."""
    os.execv(command[0], list(command))  # noqa: S606


def expect(holds: bool, message: str) -> int:
    """Return the exit code."""
    if not holds:
        sys.stderr.write(message + "\n")
    return int(not holds)


PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {
    "acorn": acorn,
    "docker": docker,
    "kubectl": kubectl,
    "make": make,
    "pip": pip,
    "python": python,
    "sbatch": sbatch,
}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
