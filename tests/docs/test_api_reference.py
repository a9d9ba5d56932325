"""Every public function, class and method says what it takes and what it returns."""

import json
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

from tests.docs.api_reference import ROOMS, Member, methods, page, public

EXCEPTIONS = Path(__file__).with_name("undocumented.json")
"""Names that lack a section. Names may leave this list; none may join it."""
NOTHING = {"None", "NoReturn", "Never"}


def incomplete() -> set[str]:
    return {name for room in ROOMS for name, member in members(room) if lacking(member)}


def members(room: str) -> Iterator[tuple[str, Member]]:
    for name, member in public(room).items():
        yield f"{room}.{name}", member
        if member.is_class:
            for method, of in methods(member).items():
                yield f"{room}.{name}.{method}", of


def lacking(member: Member) -> bool:
    """Whether a docstring is missing, or has no section for what is taken or returned."""
    if member.docstring is None:
        return True
    kinds = {section.kind for section in member.docstring.parsed}
    if not member.is_function:
        return False
    takes = [each for each in member.parameters if each.name not in ("self", "cls")]
    returns = str(member.returns) not in NOTHING
    has_returns = {griffe.DocstringSectionKind.returns, griffe.DocstringSectionKind.yields} & kinds
    return bool(
        (takes and griffe.DocstringSectionKind.parameters not in kinds)
        or (returns and not has_returns)
    )


def test_only_the_known_exceptions_are_incomplete() -> None:
    known = set(json.loads(EXCEPTIONS.read_text()))
    assert incomplete() - known == set()


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_public_names_and_a_page(room: str) -> None:
    names = public(room)
    assert names
    assert all(f"\n## {name}\n" in page(room) for name in names)
