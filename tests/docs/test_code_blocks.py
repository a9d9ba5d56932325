"""Every code block of README and documentation runs or is parsed.

The commands of a page run in one shell, in a folder with example label tables, against a real
server of the released forests. The Python blocks of a page run as one program. Only the programs of
:data:`EVERYDAY` and of ``stand_ins.py`` exist there, so a page with another program fails, and so
does a block in an unknown language.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import polars as pl
import pytest
import yaml

from acorn.spaces import get_space
from benchmarks.server import running
from service.http.middleware.keys import hash_line
from service.settings import Settings
from tests.docs.blocks import PAGES, ROOT, SHELL, Block, agrees, blocks, read_elided, script
from tests.docs.stand_ins import PROGRAMS, SAMPLE

pytestmark = pytest.mark.timeout(600)  # acorn starts a dozen times on a page

EVERYDAY = (
    *("bash", "cat", "cp", "curl", "env", "false", "grep", "head", "jq", "kill", "ls", "mkdir"),
    *("rm", "sed", "sh", "sleep", "sort", "tail", "tr", "true", "wc"),
)
CURL = """curl() {
  case " $* " in *" --fail "*) command curl "$@" ;; *) command curl --fail-with-body "$@" ;; esac
}"""
ADMIN = "acorn_documentation"
CHECKOUT_ONLY = frozenset(
    (
        "acorn/proxies/_engine/passes/mirrored.py",
        "acorn/proxies/mirror.py",
        "service/http/routes/version.py",
        "tests/service/test_digits.py",
        "tests/service/test_version.py",
    )
)
"""Files that need a change of the checkout; ``test_extending.py`` creates and runs them."""

IN_EXTRAS = ("optuna", "pymoo")
"""Packages that are in the environment of the extras; ``test_search_objective.py`` runs there."""

TITLED = {"pyproject.toml": ("project",)}
"""Tables of other files than the configuration file."""

TABLES = ("evaluate", "features", "predict", "serve", "train")
"""Commands with a table in the configuration file."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The environment of a page: programs and a running server."""

    programs: Path
    host: str
    pid: int

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": str(self.programs),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "ACORN_VAR": str(folder / "var"),
            "ACORN_URL": f"http://{self.host}",
            "ADMIN": ADMIN,
            "PID": str(self.pid),
        }

    def with_address(self, text: str) -> str:
        """Replace the default address by that of this server."""
        return text.replace("localhost:8000", self.host).replace("127.0.0.1:8000", self.host)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A server of the released forests, and the allowed programs."""
    programs = tmp_path_factory.mktemp("programs")
    for name in EVERYDAY:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    for name in PROGRAMS:
        stand_in = f'exec {sys.executable} {ROOT}/tests/docs/stand_ins.py {name} "$@"'
        (programs / name).write_text(f"#!/bin/sh\n{stand_in}\n")
        (programs / name).chmod(0o755)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # only this server has the settings
            patch.setenv("ACORN_ADMIN_KEYS", hash_line("documentation", ADMIN))
            patch.setenv("ACORN_STARTING_SECONDS", "500")
            server = stack.enter_context(running("training.commands serve", ready="live"))
        page_sandbox = Sandbox(programs, f"127.0.0.1:{server.port}", server.pid)
        while httpx.get(f"http://{page_sandbox.host}/health/ready").status_code != 200:
            time.sleep(0.2)
        yield page_sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with labels of the architectures that ``acorn features`` computes in the test."""
    space, names = get_space("nats_tss"), ["arch", "cifar10.clean", "cifar10.pgd_linf_1.0"]
    archs = space.sample(SAMPLE, seed=0)
    rows = [(arch, 95 - 8 * arch.count("none"), 40 - 5 * arch.count("none")) for arch in archs]
    table = pl.DataFrame(rows, schema=names, orient="row")
    table[: SAMPLE - 6].write_csv(tmp_path / "labels.csv")
    table[SAMPLE - 6 :].write_csv(tmp_path / "held_out.csv")
    return tmp_path


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    for block in blocks(page):
        assert block.language in (*SHELL, "python", "json", "yaml", "toml", "text"), block
        if block.language == "json":
            value = read_elided(block.text)
            if isinstance(value, dict) and "nodes" in value:
                get_space("graph").parse(value)
        elif block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block
        elif block.language == "toml":
            known = {*Settings.model_fields, *TABLES, *TITLED.get(block.title, ())}
            assert tomllib.loads(block.text).keys() <= known, block
        elif block.language == "console":
            assert script(block).strip(), f"{block}: got no line that begins with $; expected one"


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language in SHELL for b in blocks(p))], ids=name_of
)
@pytest.mark.slow
def test_commands_run(page: Path, sandbox: Sandbox, folder: Path) -> None:
    found = blocks(page)
    typed = [block for block in found if block.language in SHELL]
    for block in found:  # modules that the commands of the page import
        if block.language == "python" and block.title and "/" not in block.title:
            (folder / block.title).write_text(block.text)
    lines = ["set -euo pipefail", CURL]
    for number, block in enumerate(typed):
        lines += [
            f"echo '{block}' >&2",
            "{",
            sandbox.with_address(script(block)),
            f"}} > {number}.out",
        ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=folder,
        env=sandbox.environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    outputs = {block: folder / f"{number}.out" for number, block in enumerate(typed)}
    written = [path.read_text() for path in outputs.values() if path.exists()]
    assert done.returncode == 0, "\n".join([done.stderr, *written[-1:]])
    for block, shown in shown_answers(found):
        assert agrees(shown, json.loads(outputs[block].read_text())), block


def shown_answers(found: list[Block]) -> list[tuple[Block, object]]:
    """Pair each call of the server with the JSON block that follows it."""
    return [
        (call, read_elided(answer.text))
        for call, answer in pairwise(found)
        if call.language in SHELL and "curl" in call.text and answer.language == "json"
    ]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.language == "python" for block in blocks(page))],
    ids=name_of,
)
@pytest.mark.slow
def test_python_runs(page: Path, sandbox: Sandbox, folder: Path) -> None:
    programs = [b for b in blocks(page) if b.language == "python" and b.title not in CHECKOUT_ONLY]
    program = "\n".join(block.text for block in programs)
    for package in IN_EXTRAS:
        if f"import {package}" in program:
            pytest.importorskip(package, reason="is in the environment of the extras")
    done = subprocess.run(
        [sys.executable, "-c", sandbox.with_address(program)],
        cwd=folder,
        env=sandbox.environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr
