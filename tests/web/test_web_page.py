"""The page and its files over plain HTTP, and the map of a space."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.in_process import FaultyThreads, in_process
from tests.service.servers import ROOT

RELEASED = ROOT / "models" / "released"
STATIC = ROOT / "service" / "http" / "web" / "static"
SCRIPTS = STATIC / "js"
OURS = [*STATIC.glob("*.*"), *SCRIPTS.glob("*"), *(STATIC / "css").glob("*")]
MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of the application with the released bundles, in this process."""
    factory = FaultyThreads({"*": ""})
    with (
        in_process(tmp_path_factory.mktemp("page"), RELEASED, factory) as server,
        server.client() as client,
    ):
        yield client


def get(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    return client.get(f"/{path}", headers=headers)


# The page


def test_the_page_is_sent_with_a_strict_policy(client: httpx.Client) -> None:
    response = get(client, "")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_browser_asks_once_and_compares_then(client: httpx.Client) -> None:
    for path, caching in (
        ("", "no-cache"),
        ("static/js/main.js", "no-cache"),
        ("static/vendor/vega-6.4.0/vega.min.js", "public, max-age=31536000, immutable"),
    ):
        first = get(client, path)
        assert first.headers["cache-control"] == caching
        again = get(client, path, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["vary"] == first.headers["vary"] == "Accept-Encoding"
        assert get(client, path, **{"If-None-Match": '"other"'}).status_code == 200


def test_files_are_compressed_for_those_who_can_read_it(client: httpx.Client) -> None:
    for path in ("", "static/js/map.js", "static/css/page.css", "static/icon.svg"):
        plain = get(client, path, **{"Accept-Encoding": "identity"})
        packed = get(client, path, **{"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
        assert packed.content == plain.content


ADDRESSES = ["", "static/js/map.js", "spaces/nats_tss/map"]


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_copy_is_known_by_its_tag_in_any_list(client: httpx.Client, path: str) -> None:
    tag = get(client, path).headers["etag"]
    for known in ("*", tag.removeprefix("W/"), f'"x", {tag}', f'W/"a,b",{tag} , "y"'):
        assert get(client, path, **{"If-None-Match": known}).status_code == 304, known
    for other in (f"x{tag}x", tag[:-2] + '"', tag.strip('W/"'), f'"{tag}'):
        assert get(client, path, **{"If-None-Match": other}).status_code == 200, other


@pytest.mark.parametrize("path", ADDRESSES)
def test_weights_of_codings_are_obeyed(client: httpx.Client, path: str) -> None:
    for accepted, coding in (
        ("gzip;q=0", None),
        ("gzip;q=0, *", None),
        ("gzip;q=0.1, identity;q=0.2", None),
        ("br", None),
        ("*", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
    ):
        response = get(client, path, **{"Accept-Encoding": accepted})
        assert response.status_code == 200
        assert response.headers.get("content-encoding") == coding, accepted
        assert response.headers["vary"] == "Accept-Encoding"
    for refused in ("*;q=0", "identity;q=0", "gzip;q=0, identity;q=0"):
        response = get(client, path, **{"Accept-Encoding": refused})
        assert response.status_code == 406
        assert "expected one" in response.json()["detail"]


def test_other_methods_and_addresses_are_problems(client: httpx.Client) -> None:
    assert client.head("/").status_code == 200
    for path in ("static/", "static/js", "static/nothing.js", "static/%2e%2e/assets.py"):
        response = get(client, path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    response = client.post("/")
    assert response.status_code == 405
    assert {*response.headers["allow"].split(", ")} == {"GET", "HEAD"}


# Its files


def test_every_file_that_the_page_names_is_there_and_no_other(client: httpx.Client) -> None:
    page = (STATIC / "index.html").read_text()
    named = {*re.findall(r'(?:href|src)="(static/[^"]+)"', page)}
    for path in named:
        assert get(client, path).status_code == 200, path
    # All modules are fetched at once, and not one after the other as they import each other.
    known = {path.removeprefix("static/js/") for path in named if path.endswith(".js")}
    assert known == {path.name for path in SCRIPTS.glob("*.js")} - {"vega-util.js"}


def test_modules_import_what_there_is() -> None:
    for module in SCRIPTS.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', module.read_text()):
            assert (SCRIPTS / name).is_file(), f"{module.name} imports {name}"
    code = (SCRIPTS / "map.js").read_text()
    loaded = re.findall(r"[\w-]+-[\d.]+/[\w.-]+\.js", code)
    assert len(loaded) == 3
    for name in loaded:
        assert (STATIC / "vendor" / name).is_file()


def test_nothing_of_ours_names_another_server() -> None:
    for path in OURS:
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text())
        assert {*addresses} <= {"http://www.w3.org"}, path  # a namespace, which nobody fetches


@pytest.mark.parametrize("folder", [STATIC / "vendor", Path(__file__).parent / "vendor"])
def test_vendored_libraries_are_the_published_ones(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {"manifest.json"}
    for name, library in manifest.items():
        assert any(file.startswith("LICENSE") for file in library["files"])
        for file, digest in library["files"].items():
            path = folder / f"{name}-{library['version']}" / file
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
            listed.add(path.relative_to(folder).as_posix())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == listed


def test_everything_together_weighs_little(client: httpx.Client) -> None:
    sizes = {
        path: len(gzip.compress(path.read_bytes())) for path in STATIC.rglob("*") if path.is_file()
    }
    space_map = get(client, "spaces/nats_tss/map?y=pgd_linf_1.0")
    assert sum(sizes.values()) + int(space_map.headers["content-length"]) < MOST_BYTES / 4


# The map


def test_the_map_shows_what_is_predicted(client: httpx.Client) -> None:
    found = get(client, "spaces/nats_tss/map?y=pgd_linf_1").json()
    assert (found["total"], found["dataset"]) == (4660, "cifar10")
    percent = {"unit": "percent", "better": "higher", "scale": "linear"}
    assert found["y"] == {"name": "pgd_linf_1.0", **percent}
    points = found["points"]
    some = [*range(0, 4660, 500), *found["front"]]
    body = {
        "architectures": [{"space": "nats_tss", "arch": points["arch"][i]} for i in some],
        "targets": ["clean", "pgd_linf_1.0"],
    }
    answer = client.post("/predict", json=body).json()
    for i, each in zip(some, answer["predictions"], strict=True):
        assert each["arch"] == points["arch"][i]  # canonical
        assert points["x"][i] == pytest.approx(each["targets"]["clean"]["value"], abs=1e-4)
        assert points["y"][i] == pytest.approx(each["targets"]["pgd_linf_1.0"]["value"], abs=1e-4)


def test_the_front_is_what_nothing_beats(client: httpx.Client) -> None:
    found = get(client, "spaces/nasbench_macro/map?x=clean&y=flops").json()
    million = {"unit": "million", "better": "lower", "scale": "linear"}
    assert found["y"] == {"name": "flops", **million}
    places = [*zip(found["points"]["x"], found["points"]["y"], strict=True)]
    front = [places[i] for i in found["front"]]
    assert front == sorted(front, reverse=True)
    for x, y in front:
        assert not any(a >= x and b <= y and (a, b) != (x, y) for a, b in places)
    on_front = {*found["front"]}
    for i, (x, y) in enumerate(places):
        assert i in on_front or any(a >= x and b <= y for a, b in front)


def test_a_large_space_is_sampled_the_same_way_each_time(client: httpx.Client) -> None:
    found = get(client, "spaces/nats_sss/map?y=params").json()
    assert found["total"] == 32_768
    assert 5_000 <= len(found["points"]["arch"]) <= 5_000 + len(found["front"])
    other = get(client, "spaces/nats_sss/map?y=flops").json()
    assert len({*found["points"]["arch"]} & {*other["points"]["arch"]}) >= 5_000


def test_a_map_is_made_once_and_compared_then(client: httpx.Client) -> None:
    first = get(client, "spaces/nats_tss/map?dataset=cifar100&x=params&y=flops")
    again = get(client, "spaces/nats_tss/map?dataset=cifar100&x=params&y=flops")
    assert again.content == first.content
    tag = {"If-None-Match": first.headers["etag"]}
    same = get(client, "spaces/nats_tss/map?dataset=cifar100&x=params&y=flops", **tag)
    assert same.status_code == 304
    plain = get(
        client,
        "spaces/nats_tss/map?dataset=cifar100&x=params&y=flops",
        **{"Accept-Encoding": "identity"},
    )
    assert "content-encoding" not in plain.headers
    assert plain.content == first.content


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("nowhere/map", 404, "'nowhere'"),
        ("darts/map?dataset=cifar100", 404, "no forest has a table of 'darts' on 'cifar100'"),
        ("nats_tss/map?dataset=mnist", 404, "'mnist'"),
        ("nats_tss/map?x=clear&y=beauty", 422, "'clear'"),
    ],
)
def test_maps_that_cannot_be(client: httpx.Client, query: str, status: int, told: str) -> None:
    response = get(client, f"spaces/{query}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert told in json.dumps(problem)
    if status == 422:
        pointers = [error["pointer"] for error in problem["errors"]]
        assert pointers == ["/query/x", "/query/y"]
        assert "params, flops" in problem["errors"][0]["detail"]
