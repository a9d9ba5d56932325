"""``import acorn`` loads none of the libraries that it uses, and none of its own subpackages."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"fastapi", "numpy", "pandas", "polars", "pydantic", "scipy", "sklearn", "torch", "typer"}


def imported() -> dict[str, int]:
    """Modules that a fresh interpreter loads for ``import acorn``, and microseconds of each."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import acorn"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \| +(\S+)$", done.stderr, re.MULTILINE)
    return {name: int(microseconds) for microseconds, name in lines}


def test_importing_acorn_imports_no_library() -> None:
    modules = imported()
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert [name for name in modules if name.startswith(("acorn.", "service", "training"))] == []
    seconds = sum(modules.values()) / 1e6
    sys.stdout.write(f"import acorn: {seconds:.3f} s, the interpreter's own modules included\n")
