"""Forests that come, go and go bad while a real server answers."""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from acorn.errors import BundleError, InputError
from acorn.schemas.prediction import PredictRequest
from acorn.spaces import get_space
from service.errors import NotFoundError
from service.http.middleware.keys import hash_line, new_key
from service.repository.model_repository import ModelRepository
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import Server, until
from tests.service.small_forest import SmallForest

ADMIN = new_key()


def put(small: SmallForest, folder: Path, name: str, version: str, *, space: str = "") -> Path:
    """Put a copy of the small bundle into a folder, under another version."""
    path = folder / name
    scratch = folder / f".{name}"
    shutil.copytree(small.folder / small.name, scratch)
    manifest = json.loads((scratch / "manifest.json").read_text())
    manifest["version"] = version
    manifest["space"] = space or manifest["space"]
    (scratch / "manifest.json").write_text(json.dumps(manifest))
    if path.exists():
        shutil.rmtree(path)
    return scratch.rename(path)


def spoil(bundle: Path) -> None:
    (bundle / "forest.safetensors").write_bytes(b"nothing")


@pytest.fixture
def folder(small: SmallForest, tmp_path: Path) -> Path:
    (tmp_path / "forests").mkdir()
    put(small, tmp_path / "forests", "a", "1.9.0")
    return tmp_path / "forests"


@pytest.fixture(scope="module")
def running(
    small: SmallForest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Path]]:
    forests = tmp_path_factory.mktemp("reload") / "forests"
    put(small, forests, "a", "1.9.0")
    admin = hash_line("root", ADMIN)
    with quick_server(forests.parent / "s", small, forests=forests, admin_keys=admin) as server:
        yield server, forests


@pytest.fixture
def served(running: tuple[Server, Path], small: SmallForest) -> tuple[Server, Path]:
    """A server and its folder, with nothing but version 1.9.0 in folder ``a``."""
    server, forests = running
    shutil.rmtree(forests, ignore_errors=True)
    put(small, forests, "a", "1.9.0")
    assert reload(server).json()["refused"] == []
    return server, forests


def reload(server: Server) -> httpx.Response:
    return httpx.post(f"{server.url}/admin/reload", headers={"X-API-Key": ADMIN}, timeout=60.0)


def version(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    found: str = response.json()["forest"]["version"]
    return found


def test_the_newest_version_answers_unless_another_is_named(
    small: SmallForest, folder: Path
) -> None:
    put(small, folder, "b", "1.10.0")
    put(small, folder, "c", "1.10.0rc1")
    put(small, folder, "d", "nightly")
    forests = ModelRepository(folder)
    versions = [forest.bundle.version for forest in forests.snapshot]
    assert versions == ["nightly", "1.9.0", "1.10.0rc1", "1.10.0"]
    assert forests.snapshot.get(small.name).bundle.version == "1.10.0"
    for each in versions:
        assert forests.snapshot.get(f"{small.name}@{each}").bundle.version == each
        assert forests.snapshot.detail(f"{small.name}@{each}").default == (each == "1.10.0")
    assert [info.default for info in forests.snapshot.listing.forests] == [
        False,
        False,
        False,
        True,
    ]
    for name in ("", "@", small.name + "@", f"{small.name}@2", "@1.9.0"):
        with pytest.raises(NotFoundError, match=r"1\.10\.0"):
            forests.snapshot.get(name)


def test_the_bundle_named_after_its_space_and_dataset_answers(
    small: SmallForest, folder: Path
) -> None:
    path = put(small, folder, "another", "2.0.0")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["name"] = "another"  # before the other in the alphabet
    (path / "manifest.json").write_text(json.dumps(manifest))
    snapshot = ModelRepository(folder).snapshot
    assert [served.name for served in snapshot] == [small.name, "another"]
    arch = get_space("nats_tss").parse(small.known[0])
    for fields, expected in (({}, small.name), ({"forest": "another"}, "another")):
        specs = [{"space": "nats_tss", "arch": small.known[0]}]
        request = PredictRequest.model_validate({"architectures": specs, **fields})
        served, errors = snapshot.choose(request, {0: arch})
        assert not errors
        assert served is not None
        assert served.name == expected


def test_the_same_version_twice_is_refused(small: SmallForest, folder: Path) -> None:
    put(small, folder, "b", "1.9.0")
    (refused,) = ModelRepository(folder).snapshot.listing.refused
    assert refused.name == "b"
    assert "a is already" in refused.reason


def test_a_version_can_be_asked_for(served: tuple[Server, Path], small: SmallForest) -> None:
    server, folder = served
    put(small, folder, "b", "2.0")
    answer = reload(server).json()
    assert answer["added"] == [f"{small.name}@2.0"]
    assert answer["removed"] == answer["refused"] == []
    cell = small.known[0]
    assert version(ask(server, cell)) == "2.0"
    assert version(ask(server, cell, forest=small.name)) == "2.0"
    assert version(ask(server, cell, forest=f"{small.name}@1.9.0")) == "1.9.0"
    refused = ask(server, cell, forest=f"{small.name}@3")
    assert [item["pointer"] for item in refused.json()["errors"]] == ["/forest"]
    detail = httpx.get(f"{server.url}/forests/{small.name}@1.9.0").json()
    assert (detail["version"], detail["default"]) == ("1.9.0", False)
    assert httpx.get(f"{server.url}/health/ready").json()["forests"] == [small.name]
    shutil.rmtree(folder / "b")
    assert reload(server).json()["removed"] == [f"{small.name}@2.0"]
    assert version(ask(server, cell)) == "1.9.0"


def test_a_bundle_that_went_bad_goes_on_as_it_was(
    served: tuple[Server, Path], small: SmallForest
) -> None:
    server, folder = served
    spoil(put(small, folder, "a", "1.9.1"))
    for _ in range(2):  # it is as bad the second time, and its predecessor no further away
        answer = reload(server).json()
        (refused,) = answer["refused"]
        assert refused["name"] == "a"
        assert refused["serving"] == f"{small.name}@1.9.0"
        assert "forest.safetensors" in refused["reason"]
        assert answer["added"] == answer["removed"] == []
    assert httpx.get(f"{server.url}/forests").json()["refused"] == [refused]
    assert version(ask(server, small.known[0])) == "1.9.0"
    assert server.says("ready")
    put(small, folder, "a", "1.9.1")
    assert reload(server).json()["added"] == [f"{small.name}@1.9.1"]
    assert version(ask(server, small.known[0])) == "1.9.1"


def test_a_folder_that_is_gone_changes_nothing(
    served: tuple[Server, Path], small: SmallForest
) -> None:
    server, folder = served
    folder.rename(folder.with_name("elsewhere"))
    response = reload(server)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "expected an existing folder" in response.json()["detail"]
    assert version(ask(server, small.known[0])) == "1.9.0"
    reloads = httpx.get(f"{server.url}/metrics").text
    assert 'acorn_reloads_total{result="failed"} 1.0' in reloads


def test_no_request_is_lost_while_forests_change(
    served: tuple[Server, Path], small: SmallForest
) -> None:
    server, folder = served
    versions: list[list[str]] = [[] for _ in range(4)]
    wrong: list[str] = []
    is_over = threading.Event()

    def keep_asking(seen: list[str]) -> None:
        body = {"architectures": [{"space": "nats_tss", "arch": cell} for cell in small.known[:4]]}
        with httpx.Client(base_url=server.url, timeout=60.0) as client:
            while not is_over.is_set():
                response = client.post("/predict", json=body)
                if response.status_code == 200:
                    seen.append(response.json()["forest"]["version"])
                else:
                    wrong.append(response.text)

    threads = [threading.Thread(target=keep_asking, args=(seen,)) for seen in versions]
    for thread in threads:
        thread.start()
    for number in range(1, 6):
        count = sum(map(len, versions))
        until(lambda count=count: sum(map(len, versions)) > count + 4)  # type: ignore[misc]
        bundle = put(small, folder, "b", f"2.{number}")
        if number == 3:
            spoil(bundle)
        assert reload(server).status_code == 200
    until(lambda: all(seen and seen[-1] == "2.5" for seen in versions))
    is_over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    order = ["1.9.0", "2.1", "2.2", "2.4", "2.5"]
    for seen in versions:
        assert [order.index(each) for each in seen] == sorted(map(order.index, seen))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_sighup_reloads(served: tuple[Server, Path], small: SmallForest) -> None:
    server, folder = served
    put(small, folder, "b", "2.0")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: version(ask(server, small.known[0])) == "2.0")
    spoil(folder / "b")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: len(httpx.get(f"{server.url}/forests").json()["refused"]) == 1)
    assert version(ask(server, small.known[0])) == "2.0"


def test_forests_that_did_not_change_stay_the_same_objects(
    small: SmallForest, folder: Path
) -> None:
    forests = ModelRepository(folder)
    (first,) = forests.snapshot
    put(small, folder, "b", "2.0")
    forests.reload()
    assert first in list(forests.snapshot)
    assert forests.snapshot.get(f"{small.name}@1.9.0") is first


def test_errors_at_the_start_are_those_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an existing folder"):
        ModelRepository(tmp_path / "none")
    assert not issubclass(BundleError, InputError)
