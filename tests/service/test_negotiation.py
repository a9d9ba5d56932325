"""Entity tags and content codings, as RFC 9110 defines them."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from service.errors import NotAcceptableError
from service.http.negotiation import CompressedContent, choose_coding, matches

CONTENT = CompressedContent(gzip.compress(b"content"), "text/html", "no-cache")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('W/"abc"', True),
        ('"abc"', True),  # the comparison is weak
        ("*", True),
        (" * ", True),
        ('"x", W/"abc"', True),
        ('"x","y" ,\tW/"abc" ,"z"', True),
        (', ,"abc",', True),  # empty parts are to be ignored
        ('"a,b", "abc"', True),  # a comma in a tag
        ("", False),
        ('"ab"', False),
        ('"abcd"', False),
        ('"x,W/"abc"', False),
        ('"x, abc"', False),
        ('"*"', False),
        ("abc", False),  # no entity tag without quotes
        ('w/"abc"', False),  # W is a capital letter
        ('W/ "abc"', False),
        ('"x" "abc"', False),
        ("**", False),
    ],
)
@pytest.mark.parametrize("etag", ['W/"abc"', '"abc"'])
def test_if_none_match(header: str, etag: str, expected: bool) -> None:
    assert matches(header, etag) is expected


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_text_may_come_as_if_none_match(header: str) -> None:
    assert not matches(header, '"no such tag, with blanks"')


def test_a_long_list_of_tags_is_read_in_linear_time() -> None:
    many = ", ".join(f'W/"{i}"' for i in range(20_000))
    assert matches(many, '"19999"')
    assert not matches(" ," * 30_000, '"x"')


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("*", "gzip"),
        ("identity;q=0, *", "gzip"),
        ("gzip, identity", "gzip"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0.5, gzip ; q=1.000", "gzip"),
        ("identity, *;q=0", "identity"),
        ("identity", "identity"),
        ("br", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000", "identity"),
        ("gzip; q=0 , *", "identity"),
        ("gzip;q=0, deflate", "identity"),
        ("deflate;q=1, gzip;q=0, *;q=0.5", "identity"),
        ("gzip;q=0.4, identity;q=0.6", "identity"),
        ("gzipped", "identity"),
        ("not-gzip, br", "identity"),
        ("gzip;q=2", "identity"),  # malformed: says nothing
        ("gzip;q=", "identity"),
        ("gzip;level=9", "identity"),
        (";q=1, gzip;q=0.1.2,,", "identity"),
        ("gzip, identity;q=0", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("br, *;q=0", None),
        ("gzip;q=0, identity;q=0", None),
        ("gzip;q=0, *;q=0", None),
    ],
)
def test_accept_encoding(header: str, expected: str | None) -> None:
    assert choose_coding(header) == expected


@given(st.text(max_size=60))
def test_any_text_may_come_as_accept_encoding(header: str) -> None:
    assert choose_coding(header) in {"gzip", "identity", None}


def test_a_header_that_comes_several_times_is_one_list() -> None:
    request = Headers(
        raw=[
            (b"accept-encoding", b"br"),
            (b"accept-encoding", b"gzip"),
            (b"if-none-match", b'"x"'),
            (b"if-none-match", b'"y"'),
        ]
    )
    response = CONTENT.respond(request)
    assert (response.status_code, response.headers["content-encoding"]) == (200, "gzip")
    known = Headers(raw=[*request.raw, (b"if-none-match", CONTENT.etag.encode())])
    assert CONTENT.respond(known).status_code == 304


def test_content_is_sent_as_the_client_accepts_it() -> None:
    for accepted, body in (("gzip", CONTENT.packed), ("identity", b"content")):
        response = CONTENT.respond(Headers({"accept-encoding": accepted}))
        assert response.body == body
        assert response.headers["content-length"] == str(len(body))
        assert response.headers["content-type"].startswith("text/html")


def test_304_has_the_headers_that_a_cache_needs() -> None:
    response = CONTENT.respond(Headers({"if-none-match": CONTENT.etag}))
    assert (response.status_code, response.body) == (304, b"")
    assert dict(response.headers) == {
        "etag": CONTENT.etag,
        "cache-control": "no-cache",
        "vary": "Accept-Encoding",
    }


def test_a_request_that_refuses_all_codings_is_an_error() -> None:
    with pytest.raises(NotAcceptableError, match="refuses gzip and identity; expected one"):
        CONTENT.respond(Headers({"accept-encoding": "*;q=0"}))
