"""The page ``docs/http_reference.md``, generated from the OpenAPI document of the application.

``python tests/docs/http_reference.py`` writes it.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "http_reference.md"
HEAD = """# HTTP reference

For developers of clients: all addresses of the server, from the OpenAPI document at
`/openapi.json`. `python tests/docs/http_reference.py` generates this page; do not edit it.

Errors are problem details, [Problem](#problem). [Limits](operations.md#limits) has the cause of
each status, and [keys](operations.md#keys) describes API keys.
"""

ROLE = re.compile(r":\w+:`")
SECTION = re.compile(r"^\w+\n-+$", re.MULTILINE)

Schema = dict[str, Any]


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of an app without forests and workers."""
    from service.http.app import create_app
    from service.settings import Settings

    with tempfile.TemporaryDirectory() as empty:
        return create_app(Settings(database_url="sqlite://", forests=Path(empty))).openapi()


def page(openapi: dict[str, Any]) -> str:
    """Write the whole page."""
    operations = [
        (operation["tags"][0], method, path, operation)
        for path, item in openapi["paths"].items()
        for method, operation in item.items()
    ]
    parts = [HEAD]
    for tag, group in groupby(operations, key=lambda entry: entry[0]):
        parts.append(f"## {tag.capitalize()}\n")
        parts += ["\n".join(_operation(*entry)) for _, *entry in group]
    parts.append("## Schemas\n")
    for name, schema in sorted(openapi["components"]["schemas"].items()):
        parts.append("\n".join(_schema(name, schema)))
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n"
    if text := operation.get("description"):
        yield f"{_plain(text)}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | |\n|---|---|---|---|"
        for each in parameters:
            type_ = _type(each["schema"])
            yield f"| `{each['name']}` | {each['in']} | {type_} | {_about(each, each['schema'])} |"
        yield ""
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: {_type(body['schema'])} as `{media}`.\n"
    answers, refusals = [], []
    for status, response in sorted(operation["responses"].items()):
        content = response.get("content", {})
        if "application/problem+json" in content:
            refusals += [] if status == "default" else [status]
            continue
        kinds = [
            f"{_type(body['schema'])} as `{media}`" if body.get("schema") else f"`{media}`"
            for media, body in content.items()
        ]
        kind = ", ".join(kinds) or "no body"
        about = _plain(response["description"]).replace("Successful Response", "").rstrip(".")
        answers.append(f"- {' '.join(filter(None, (f'**{status}**', about)))}: {kind}")
    yield from answers
    yield f"- errors: {', '.join(refusals)}\n" if refusals else ""


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if text := schema.get("description"):
        yield f"{_plain(text)}\n"
    if members := schema.get("properties"):
        required = schema.get("required", [])
        yield "| member | type | |\n|---|---|---|"
        for member, of in members.items():
            mark = " (required)" if member in required else ""
            yield f"| `{member}` | {_type(of)}{mark} | {_about(of, of)} |"
        yield ""
    if example := schema.get("example"):
        yield f"```json\n{json.dumps(example, indent=2)}\n```\n"


def _type(schema: Schema) -> str:
    """Describe a type, with links to the schemas of this page."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word, join in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if parts := schema.get(word):
            return join.join(dict.fromkeys(map(_type, parts)))
    if values := schema.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    inner = schema.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return f"object of {_type(inner)}"
    return str(kind)


def _about(owner: Schema, schema: Schema) -> str:
    """Describe a member, with its default and bounds."""
    words = [_plain(owner.get("description", ""))] if owner.get("description") else []
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "maxLength": "length at most",
    }
    for bounds in (schema, *schema.get("anyOf", [])):
        words += [f"{word} {bounds[key]}" for key, word in limits.items() if key in bounds]
    if schema.get("default") not in (None, [], {}):
        words.append(f"default `{json.dumps(schema['default'])}`")
    return "; ".join(word.rstrip(".") for word in words).replace("|", "\\|")


def _plain(text: str) -> str:
    """Join the lines of a docstring, without its markup for Python and its numpydoc sections."""
    prose = ROLE.sub("`", SECTION.split(text)[0])
    return " ".join(prose.split()).replace("``", "`")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(document()), "utf-8")
