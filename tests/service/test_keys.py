"""Keys: who may ask, who may administer, and that no key is ever written down."""

import hashlib
import hmac
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from acorn.errors import InputError
from service.http.middleware.keys import Caller, Keys, hash_line, new_key
from service.settings import load_settings
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest
from training.commands.main import run

USER, OTHER, ADMIN = (new_key() for _ in range(3))
WRONG = new_key()


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    with quick_app(
        tmp_path_factory.mktemp("keys"),
        small,
        faults={small.unknown[0]: "raise it is broken"},
        api_keys=f"{hash_line('user', USER)},{hash_line('other', OTHER)}",
        admin_keys=hash_line("root", ADMIN),
        log_level="debug",
        log_format="json",
    ) as server:
        yield server


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    detail: str = response.json()["detail"]
    return detail


@pytest.mark.parametrize("key", [USER, OTHER, ADMIN], ids=["user", "other", "admin"])
def test_either_header_carries_a_key(server: Requests, small: SmallForest, key: str) -> None:
    for headers in (
        {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
    ):
        assert ask(server, small.known[0], headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": WRONG},
        {"X-API-Key": USER[:-1]},
        {"X-API-Key": f"{USER} "[:-1] + "x"},
        {"X-API-Key": hash_line("user", USER)},
        {"X-API-Key": hash_line("user", USER).partition("=")[2]},
        {"X-API-Key": b"\xff\xfe\xfd"},
        {"Authorization": f"Basic {USER}"},
        {"Authorization": USER},
        {"Authorization": "Bearer"},
        {"X-API-Key": WRONG, "Authorization": f"Bearer {USER}"},
    ],
)
def test_all_else_is_401(server: Requests, small: SmallForest, headers: dict[str, str]) -> None:
    response = ask(server, small.known[0], headers=headers)
    assert "X-API-Key" in refused(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    refused(server.get("/no/such/page", headers=headers), 401)


def test_a_refusal_is_heard_by_who_is_still_sending(server: Requests) -> None:
    body = b"x" * 20_000_000
    for path in ("/predict", "/admin/reload"):
        refused(server.post(f"{path}", content=body, timeout=60.0), 401)


def test_what_needs_no_key(server: Requests) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json"):
        assert server.get(f"{path}").status_code == 200
    for path in ("/forests", "/spaces"):
        refused(server.get(f"{path}"), 401)


def test_only_admin_keys_administer(server: Requests) -> None:
    def reload(**headers: str) -> httpx.Response:
        return server.post("/admin/reload", headers=headers)

    refused(reload(), 401)
    assert "user" in refused(reload(**{"X-API-Key": USER}), 403)
    assert reload(**{"X-API-Key": ADMIN}).status_code == 200


def test_without_keys_all_may_ask_and_nobody_administers(
    small: SmallForest, tmp_path: Path
) -> None:
    with quick_app(tmp_path, small) as server:
        assert ask(server, small.known[0]).status_code == 200
        assert ask(server, small.known[0], headers={"X-API-Key": USER}).status_code == 200
        response = server.post("/admin/reload", headers={"X-API-Key": USER})
        assert "no admin key" in refused(response, 403)


def test_metrics_are_guarded_where_that_is_wanted(small: SmallForest, tmp_path: Path) -> None:
    keys = hash_line("prometheus", USER)
    with quick_app(tmp_path, small, admin_keys=keys, guard_metrics="true") as server:
        refused(server.get("/metrics"), 401)
        bearer = {"Authorization": f"Bearer {USER}"}
        assert server.get("/metrics", headers=bearer).status_code == 200
        assert ask(server, small.known[0]).status_code == 200


def test_no_secret_is_ever_logged(server: Requests, small: SmallForest) -> None:
    """At the lowest level, and whatever becomes of the request."""
    for key in (USER, ADMIN, WRONG):
        headers = {"X-API-Key": key, "Authorization": f"Bearer {key}", "Cookie": key}
        for cell in (small.known[0], small.unknown[0], "nonsense"):
            ask(server, cell, headers=headers)
        server.get(f"/forests?api_key={key}", headers=headers)
        server.get(f"/{key}", headers=headers)
        server.post("/predict", content=b"{", headers=headers)
        server.post("/admin/reload", headers=headers)
    log = server.log
    assert '"key": "user"' in log
    assert '"key": "root"' in log
    for key in (USER, OTHER, ADMIN, WRONG):
        assert key not in log
        assert key.removeprefix("acorn_") not in log
        assert hash_line("x", key).partition("=")[2] not in log


def test_every_key_costs_the_same_comparisons_in_constant_time() -> None:
    """Time itself is no proof: it depends on the machine."""
    compared: list[str] = []

    def compare(known: str, got: str) -> bool:
        assert len(known) == len(got) == 64  # compare_digest tells lengths apart at once
        compared.append(got)
        return hmac.compare_digest(known, got)

    secrets = [new_key() for _ in range(20)]
    lines = [hash_line(f"key-{i}", secret) for i, secret in enumerate(secrets)]
    keys = Keys(lines[:-1], lines[-1:], compare=compare)
    for key in (*secrets, WRONG, "", "x" * 10_000):
        compared.clear()
        found = keys.find(key)
        assert compared == [hashlib.sha256(key.encode()).hexdigest()] * len(secrets)
        expected = secrets.index(key) if key in secrets else None
        assert found == (
            None if expected is None else Caller(f"key-{expected}", is_admin=expected == 19)
        )
    default = inspect.signature(Keys).parameters["compare"].default
    assert default is hmac.compare_digest


def test_a_key_is_made_and_shown_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["keys", "new", "laptop", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["setting"] == hash_line("laptop", made["key"])
    settings = load_settings(api_keys=made["setting"])
    assert Keys(settings.api_keys, ()).find(made["key"]) == Caller("laptop", is_admin=False)
    assert run(["keys", "new", "laptop"]) == 0
    other = capsys.readouterr().out
    assert "laptop:sha256=" in other
    assert made["key"] not in other
    assert not list(tmp_path.iterdir())
    assert run(["keys", "new", "two words"]) == 2


def test_a_plain_key_in_the_settings_is_refused_and_not_shown() -> None:
    for name in ("api_keys", "admin_keys"):
        with pytest.raises(InputError, match=f"setting {name}") as caught:
            load_settings(**{name: USER})
        assert USER not in str(caught.value)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two keys named a"):
        Keys([hash_line("a", USER)], [hash_line("a", ADMIN)])
