"""The HTTP reference agrees with the application."""

from tests.docs.http_reference import PAGE, document, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(document()), "run python tests/docs/http_reference.py"


def test_the_page_has_every_operation() -> None:
    text = PAGE.read_text("utf-8")
    for path, item in document()["paths"].items():
        for method in item:
            assert f"\n### {method.upper()} {path}\n" in text
