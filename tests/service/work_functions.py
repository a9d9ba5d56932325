"""Work functions for real worker processes: they wait, fail and die on demand.

A payload is a text of commands: ``sleep 0.1``, ``die``, ``die-once FILE``, ``raise TEXT``,
``input-error TEXT``, ``log FILE TEXT`` (which takes 50 ms), ``gate FILE`` (which takes 100 ms, and
for as long as the file is not there), ``hold BYTES``, ``pid``; anything else is echoed.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from acorn.errors import InputError

_held: list[bytes] = []


def work(payload: str) -> str:
    command, _, argument = payload.partition(" ")
    match command:
        case "sleep":
            time.sleep(float(argument))
        case "gate":
            time.sleep(0.1)
            while not Path(argument).exists():
                time.sleep(0.01)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once":
            if not Path(argument).exists():
                Path(argument).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise RuntimeError(argument)
        case "log":
            path, _, text = argument.partition(" ")
            with Path(path).open("a") as file:
                file.write(f"{os.getpid()} {text}\n")
            time.sleep(0.05)
        case "input-error":
            raise InputError(argument)
        case "hold":
            _held.append(b"x" * int(argument))
        case "pid":
            return str(os.getpid())
    return payload


@dataclass(frozen=True)
class Factory:
    """Makes :func:`work`, after ``delay`` seconds; counts its calls by lines in ``log``."""

    log: Path | None = None
    delay: float = 0.0
    fail: str = ""

    def __call__(self, index: int) -> Callable[[str], str]:  # noqa: ARG002
        time.sleep(self.delay)
        if self.fail:
            raise RuntimeError(self.fail)
        return self.logged

    def logged(self, payload: str) -> str:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{payload}\n")
        return work(payload)
