"""Every public function, class and method says what it takes and what it returns."""

from collections.abc import Iterator

import griffe
import pytest

from tests.docs.api_reference import ROOMS, Member, methods, page, public

NOTHING = {"None", "NoReturn", "Never"}


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
    target = member.final_target if isinstance(member, griffe.Alias) else member
    if not isinstance(target, griffe.Function):
        return False
    takes = [each for each in target.parameters if each.name not in ("self", "cls")]
    returns = str(target.returns) not in NOTHING
    has_returns = {griffe.DocstringSectionKind.returns, griffe.DocstringSectionKind.yields} & kinds
    return bool(
        (takes and griffe.DocstringSectionKind.parameters not in kinds)
        or (returns and not has_returns)
    )


def test_every_docstring_is_complete() -> None:
    incomplete = [name for room in ROOMS for name, member in members(room) if lacking(member)]
    assert incomplete == []


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_public_names_and_a_page(room: str) -> None:
    names = public(room)
    assert names
    assert all(f"\n## {name}\n" in page(room) for name in names)
