"""API keys: who may use the server, and who may administer it.

The server stores only SHA-256 hashes. Keys are long and random, so a slow hash would add nothing.
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
    """The holder of a key."""

    name: str
    is_admin: bool


class Keys:
    """The known API keys.

    Parameters
    ----------
    api, admin : iterable of str
        Each as ``NAME:sha256=HEX``; names are unique.
    compare : callable, default=hmac.compare_digest
        Compares two texts in a time that does not depend on where they differ.

    Attributes
    ----------
    guard_all : bool
        Whether there is a key other than those of administrators, so that requests need one.
    has_admin : bool
        Whether there is a key of an administrator.

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
        """Find the holder of a key; an unknown key takes as long as a known one."""
        digest = _digest(key)
        holder = None
        for known, caller in self._callers:
            if self._compare(known, digest):  # no early exit: the time must not tell the position
                holder = caller
        return holder


def new_key() -> str:
    """Make a random key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_line(name: str, key: str) -> str:
    """Write a key in the form of the settings.

    Parameters
    ----------
    name : str
        Name of the key.
    key : str
        The key itself.

    Returns
    -------
    str
        ``NAME:sha256=HEX``.
    """
    return f"{name}:{_ALGORITHM}{_digest(key)}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
