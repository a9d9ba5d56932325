"""API keys: who may ask, and who may administer.

The server knows only SHA-256 hashes. Keys are random and long, so a slow hash would guard nothing.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from acorn.errors import InputError

PREFIX = "acorn_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ALGORITHM = "sha256="


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a key."""

    name: str
    is_admin: bool


class Keys:
    """The keys that are known.

    Parameters
    ----------
    api, admin
        Each as ``NAME:sha256=HEX``; names are unique.
    compare
        Compares two texts in a time that does not depend on where they differ.

    Raises
    ------
    InputError
        If two keys have the same name.
    """

    def __init__(
        self,
        api: Iterable[str],
        admin: Iterable[str],
        *,
        compare: Callable[[str, str], bool] = hmac.compare_digest,
    ) -> None:
        self._compare = compare
        self._callers: list[tuple[str, Caller]] = []
        for lines, is_admin in ((api, False), (admin, True)):
            for line in lines:
                name, _, digest = line.partition(f":{_ALGORITHM}")
                if name in [caller.name for _, caller in self._callers]:
                    raise InputError(f"got two keys named {name}; expected one of each name")
                self._callers.append((digest, Caller(name, is_admin)))
        self.guard_all = any(not caller.is_admin for _, caller in self._callers)
        self.has_admin = any(caller.is_admin for _, caller in self._callers)

    def find(self, key: str) -> Caller | None:
        """Find whose key it is; takes as long for a key that nobody has."""
        digest = _digest(key)
        found = None
        for known, caller in self._callers:
            if self._compare(known, digest):  # goes on, so that the time tells no position
                found = caller
        return found


def new_key() -> str:
    """Make a key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_line(name: str, key: str) -> str:
    """What the settings say of a key."""
    return f"{name}:{_ALGORITHM}{_digest(key)}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
