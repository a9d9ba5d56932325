"""``docs/operations.md`` says what the code does."""

import re

import pytest

from service.http.app import create_app
from service.http.problem_details import STATUSES
from service.settings import Settings
from tests.service.servers import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()


def settings_table() -> str:
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default in ((), "", None) or field.default_factory else f"`{default}`"
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    found = PAGE.partition("<!-- settings -->\n")[2].partition("\n<!-- end of settings -->")[0]
    assert found == settings_table()


def test_every_status_is_explained() -> None:
    explained = {int(status) for status in re.findall(r"^\| (\d{3}) ", PAGE, flags=re.MULTILINE)}
    assert {*map(int, STATUSES.values()), 405} <= explained


@pytest.mark.parametrize("path", ["/admin/reload", "/metrics", "/health/ready", "/v2/health/ready"])
def test_addresses_on_the_page_are_served(path: str) -> None:
    assert path in PAGE
    # Routes that the app was made of, without its workers.
    settings = Settings(database_url="sqlite://")
    assert path in create_app(settings).openapi()["paths"]
