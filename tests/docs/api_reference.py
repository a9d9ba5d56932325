"""Write the API reference, one page for each package of the library, from its docstrings.

``python -m tests.docs.api_reference FOLDER`` writes the pages. ``make docs`` calls it.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "acorn",
    "acorn.spaces",
    "acorn.graph",
    "acorn.batches",
    "acorn.proxies",
    "acorn.features",
    "acorn.forests",
    "acorn.learning",
    "acorn.client",
)
"""Packages that are documented; the names in ``__all__`` are public."""
SECTIONS = {
    griffe.DocstringSectionKind.parameters: "Parameters",
    griffe.DocstringSectionKind.attributes: "Attributes",
    griffe.DocstringSectionKind.returns: "Returns",
    griffe.DocstringSectionKind.yields: "Yields",
    griffe.DocstringSectionKind.raises: "Raises",
}


Member = griffe.Object | griffe.Alias


@cache
def library() -> griffe.Object:
    """Parse the sources of the library without importing it."""
    package = griffe.load("acorn", search_paths=[ROOT], docstring_parser="numpy")
    assert isinstance(package, griffe.Object)
    return package


def public(room: str) -> dict[str, Member]:
    """Return the public functions and classes of a package, by name."""
    inner = room.removeprefix("acorn").removeprefix(".")
    module = library()[inner] if inner else library()
    exports = [str(name) for name in module.exports or ()]
    members = {name: _resolve(module, name) for name in exports}
    return {
        name: member
        for name, member in sorted(members.items())
        if member is not None and (member.is_function or member.is_class)
    }


def _resolve(module: Member, name: str) -> Member | None:
    """Resolve a name of a package through its imports."""
    member = module.members.get(name)
    if member is None and name in module.imports:  # a lazy import, under TYPE_CHECKING
        target = module.imports[name].removeprefix("acorn.")
        member = library()[target]
    if isinstance(member, griffe.Alias):
        return member.final_target if member.target_path.startswith("acorn") else None
    return member


def methods(owner: Member) -> dict[str, Member]:
    """Return the public methods and properties that a class defines."""
    return {
        name: member
        for name, member in owner.members.items()
        if not name.startswith("_")
        and (member.is_function or (member.is_attribute and "property" in member.labels))
    }


def page(room: str) -> str:
    """Write the page of a package."""
    inner = room.removeprefix("acorn").removeprefix(".")
    module = library()[inner] if inner else library()
    lines = [f"# {room}\n", *_text(module)]
    for name, member in public(room).items():
        lines += [f"## {name}\n", *_entry(name, member)]
        if member.is_class:
            for method, of in methods(member).items():
                lines += [f"### {name}.{method}\n", *_entry(method, of)]
    return "\n".join(lines)


def _entry(name: str, member: Member) -> Iterator[str]:
    member = member.final_target if isinstance(member, griffe.Alias) else member
    if isinstance(member, griffe.Function):
        yield f"```python\n{member.signature(name=name)}\n```\n"
    elif isinstance(member, griffe.Class) and member.parameters:
        given = [each for each in member.parameters if not each.name.startswith(("self", "_"))]
        arguments = [f"{each.name}: {each.annotation}" for each in given]
        yield f"```python\n{name}({', '.join(arguments)})\n```\n"
    yield from _text(member)


def _text(member: Member) -> Iterator[str]:
    if member.docstring is None:
        return
    for section in member.docstring.parsed:
        if section.kind is griffe.DocstringSectionKind.text:
            yield f"{_markdown(section.value)}\n"
        elif section.kind in SECTIONS:
            yield f"**{SECTIONS[section.kind]}**\n"
            yield "| | type | |\n|---|---|---|"
            for item in section.value:
                about = " ".join(_markdown(item.description).split()).replace("|", "\\|")
                kind = f"`{item.annotation}`".replace("|", "\\|") if item.annotation else ""
                label = getattr(item, "name", "")
                yield f"| {f'`{label}`' if label else ''} | {kind} | {about} |"
            yield ""


def _markdown(text: str) -> str:
    """Convert the markup of a docstring to Markdown."""
    text = re.sub(r":\w+:`~(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    text = re.sub(r"^(>>>.*(?:\n(?!\n).*)*)", r"```python\n\1\n```", text, flags=re.MULTILINE)
    return text.replace("``", "`") if "```" not in text else re.sub(r"(?<!`)``(?!`)", "`", text)


def write(folder: Path) -> None:
    """Write the pages of all packages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        (folder / f"{room}.md").write_text(page(room), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
