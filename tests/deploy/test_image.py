"""What can be told of the Dockerfile without building; ``deploy.prove_image`` does the rest."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from deploy.dockerfile import Stage, argument, assignments, command_of, read_stages, substitute
from deploy.prove_image import COMPILERS

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read_stages(FILE)


def test_two_stages_of_one_base(stages: list[Stage]) -> None:
    assert [stage.name for stage in stages] == ["build", "1"]
    assert {stage.base for stage in stages} == {"python:3.11-slim-bookworm"}


def test_the_base_can_be_pinned() -> None:
    pinned = "python:3.11-slim-bookworm@sha256:" + "0" * 64
    assert {stage.base for stage in read_stages(FILE, {"PYTHON_IMAGE": pinned})} == {pinned}


def test_the_user_is_a_number_and_not_root(stages: list[Stage]) -> None:
    user = stages[-1].last("USER") or ""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    after = [each.keyword for each in stages[-1].instructions]
    assert not {"RUN", "COPY"} & set(after[after.index("USER") :])


def test_the_last_stage_has_no_compiler_and_installs_nothing(stages: list[Stage]) -> None:
    for each in stages[-1].instructions:
        if each.keyword == "RUN":
            words = set(re.findall(r"[\w+-]+", each.value))
            assert not words & {*COMPILERS, "apt-get", "apt", "build-essential", "pip"}, each


def test_it_is_pinned_by_the_lock(stages: list[Stage]) -> None:
    installs = [e.value for e in stages[0].instructions if "pip install" in e.value]
    assert any("--requirement requirements.lock" in value for value in installs)
    assert "--no-deps" in installs[-1]
    assert "PIP_NO_CACHE_DIR=1" in (stages[0].last("ENV") or "")
    assert re.search(r"^torch==[\d.]+$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_what_is_copied_is_there_and_not_ignored(stages: list[Stage]) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    sources = [
        source
        for stage in stages
        for each in stage.instructions
        if each.keyword == "COPY" and not each.value.startswith("--from")
        for source in each.value.split()[:-1]
    ]
    assert {"acorn", "models", "service", "training"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in kept), f"{source} is ignored"
    assert set(kept) == set(sources)


def test_it_listens_to_signals_and_checks_its_health(stages: list[Stage]) -> None:
    last = stages[-1]
    assert command_of(last.last("ENTRYPOINT") or "") == ["acorn"]
    assert command_of(last.last("CMD") or "") == ["serve"]
    assert last.last("STOPSIGNAL") == "SIGTERM"
    _, _, check = (last.last("HEALTHCHECK") or "").partition("CMD ")
    program, flag, code = command_of(check)
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert last.last("VOLUME") == assignments(last.last("ENV") or "", {})["ACORN_VAR"]


def test_hadolint_is_silent() -> None:
    program = Path(sys.executable).with_name("hadolint")  # a package of the extra test ships it
    done = subprocess.run([program, FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("ARG A=x\nFROM $A AS one\nRUN a \\\n  && b\nFROM ${A}:y\nADD c d\n")
    with pytest.raises(ValueError, match=r"Dockerfile:6: got ADD; expected one of .*COPY"):
        read_stages(path)
    path.write_text("ARG A=x\nFROM $A AS one\nRUN a \\\n  && b\nFROM ${A}:y\nCOPY c d\n")
    one, two = read_stages(path, {"A": "z"})
    assert (one.name, one.base, two.name, two.base) == ("one", "z", "1", "z:y")
    assert str(one.instructions[0]) == "RUN a && b"
    assert argument('B=""', {}) == {"B": ""}
    assert argument("B=1", {"B": "2"}) == {"B": "2"}
    assert substitute("${A}/$B", {"A": "1"}) == "1/"
    assert assignments('A=1 B="2 3" C=$A', {"A": "x"}) == {"A": "1", "B": "2 3", "C": "x"}
    with pytest.raises(ValueError, match=r"got the command acorn serve; expected the form"):
        command_of("acorn serve")
