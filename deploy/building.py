"""Build the stages of the image as root folders, without a container engine.

Every instruction of the Dockerfile is executed in order. The base image is replaced by a root of
debootstrap: a minimal Debian of the same release, with Debian's Python.
"""

import shutil
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.chroot import Inside
from deploy.dockerfile import (
    PATH,
    Instruction,
    Stage,
    argument,
    assignments,
    read_stages,
    substitute,
)

PACKAGES = "ca-certificates,python3,python3-venv"
"""Packages of the base image in addition to a minimal Debian."""


@dataclass(slots=True)
class Built:
    """A stage after its executed instructions.

    Attributes
    ----------
    stage
        Its instructions.
    root
        Folder of its files.
    environment
        Variables of its commands.
    user
        ``uid:gid``, or empty for root.
    folder
        Working directory.
    arguments
        Build arguments that it has declared.
    """

    stage: Stage
    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = ""
    folder: str = "/"
    arguments: dict[str, str] = field(default_factory=dict)

    def outside(self, place: str) -> Path:
        """Return the path on this machine of a path in the stage."""
        return self.root / (Path(self.folder) / place).relative_to("/")


class Builder:
    """Executes a Dockerfile.

    Parameters
    ----------
    context
        The checkout to build.
    folder
        Where the roots are made. Base images that lie there are used again.
    arguments
        Build arguments.
    """

    def __init__(self, context: Path, folder: Path, arguments: dict[str, str]) -> None:
        self._context = context
        self._folder = folder
        self._given = arguments
        self._built: dict[str, Built] = {}
        self._pip, self._pip_files = pip_configuration()

    def build(self) -> Built:
        """Execute all instructions; return the last stage, which is the image."""
        for stage in read_stages(self._context / "Dockerfile", self._given):
            built = self._start(stage)
            for step in stage.instructions:
                say(f"{stage.name}: {step}")
                carry_out = getattr(self, f"_{step.keyword.lower()}", None)
                if carry_out is not None:
                    carry_out(built, step)
        return built

    def _start(self, stage: Stage) -> Built:
        say(f"{stage.name}: FROM {stage.base}")
        base = self._folder / "base" / stage.base.replace("/", "_")
        if not base.exists():
            suite = stage.base.partition("@")[0].rpartition("-")[2]
            base.parent.mkdir(exist_ok=True)
            run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(base)])
        built = Built(stage, self._folder / stage.name)
        shutil.rmtree(built.root, ignore_errors=True)
        run(["cp", "--archive", str(base), str(built.root)])
        self._built[stage.name] = built
        return built

    def _arg(self, built: Built, step: Instruction) -> None:
        built.arguments |= argument(step.value, self._given)

    def _env(self, built: Built, step: Instruction) -> None:
        built.environment |= assignments(step.value, built.arguments | built.environment)

    def _workdir(self, built: Built, step: Instruction) -> None:
        built.folder = substitute(step.value, built.environment)
        built.outside("").mkdir(parents=True, exist_ok=True)

    def _user(self, built: Built, step: Instruction) -> None:
        built.user = step.value

    def _copy(self, built: Built, step: Instruction) -> None:
        *names, target = step.value.split()
        place = built.outside(target)
        if names[0].startswith("--from="):
            other = self._built[names.pop(0).partition("=")[2]]
            for source in map(other.outside, names):
                run(["cp", "--archive", "--no-target-directory", str(source), str(place)])
            return
        for source in map(self._context.joinpath, names):
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, place)

    def _run(self, built: Built, step: Instruction) -> None:
        binds = {str(path): path for path in self._pip_files}
        inside = Inside(
            built.root,
            user=built.user,
            folder=built.folder,
            environment=self._pip | built.arguments | built.environment,
            binds=binds | {"/etc/resolv.conf": Path("/etc/resolv.conf").resolve()},
        )
        run(inside.command(["sh", "-c", step.value]))


def pip_configuration() -> tuple[dict[str, str], list[Path]]:
    """Return pip's configuration as variables, with the files and folders that it names."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = dict(line.split("=", 1) for line in listing.splitlines())
    values = {name.rpartition(".")[2]: literal_eval(value) for name, value in settings.items()}
    variables = {f"PIP_{k.upper().replace('-', '_')}": value for k, value in values.items()}
    words = " ".join(variables.values()).split()
    # The pages of a local index refer to files in its folder.
    paths = {Path(w.removeprefix("file://")).parent for w in words if w.startswith("file://")}
    paths |= {Path(word) for word in words if word.startswith("/")}
    return variables, sorted(path for path in paths if path.exists())


def run(command: Sequence[str]) -> None:
    """Run a command outside; show its output if it fails."""
    start = time.monotonic()
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit code {done.returncode}")
    if (seconds := time.monotonic() - start) > 1:
        say(f"  {seconds:.0f} s")


def say(text: str) -> None:
    """Print a line immediately."""
    print(text, flush=True)
