"""Rate limits: by key, else by address."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from acorn.errors import InputError
from service.http.middleware.authentication import sender_of
from service.http.middleware.keys import hash_line, new_key
from service.http.middleware.rates import RateLimiter
from service.settings import load_settings
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest


def test_the_next_one_is_429_and_says_when(small: SmallForest, tmp_path: Path) -> None:
    one, other = new_key(), new_key()
    with quick_app(
        tmp_path,
        small,
        api_keys=f"{hash_line('one', one)},{hash_line('other', other)}",
        rate_limit="5/day;1000/month",
    ) as server:
        for left in range(4, -1, -1):
            response = ask(server, small.known[0], headers={"X-API-Key": one})
            assert response.status_code == 200
            assert response.headers["ratelimit"].startswith(f'"default";r={left};t=')
            assert response.headers["ratelimit-policy"] == '"default";q=5;w=86400'
        response = ask(server, small.known[0], headers={"X-API-Key": one})
        assert response.status_code == 429
        assert response.headers["content-type"] == "application/problem+json"
        assert 1 <= int(response.headers["retry-after"]) <= 2 * 86_400
        assert "5 requests in 86400 s" in response.json()["detail"]
        # Others are not concerned, nor are probes; guesses at keys are counted by address.
        assert ask(server, small.known[0], headers={"X-API-Key": other}).status_code == 200
        for _ in range(10):
            assert server.says("live")
            assert server.says("ready")
            assert server.get("/metrics").status_code == 200
        statuses = [
            ask(server, small.known[0], headers={"X-API-Key": f"{one}{i}"}).status_code
            for i in range(6)
        ]
        assert statuses == [401] * 5 + [429]


GOOD = "https://good.example"
PREFLIGHT = {
    "Origin": GOOD,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key,content-type",
}
ALLOWED = "access-control-allow-origin"


def ask_as(server: Requests, cell: str, address: str) -> httpx.Response:
    return ask(server, cell, headers={"X-Forwarded-For": address, "Origin": GOOD})


def test_nobody_is_trusted_unless_named(small: SmallForest, tmp_path: Path) -> None:
    with quick_app(tmp_path, small, rate_limit="2/day") as server:
        assert server.request("OPTIONS", "/predict", headers=PREFLIGHT).status_code == 405
        answer = ask_as(server, small.known[0], "192.0.2.1")
        assert answer.status_code == 200
        assert ALLOWED not in answer.headers
        assert ask_as(server, small.known[0], "192.0.2.2").status_code == 429


def test_proxies_and_origins_that_are_named(small: SmallForest, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "rate_limit": "2/day",
        "trusted_proxies": "127.0.0.1",
        "cors_origins": GOOD,
    }
    with quick_app(tmp_path, small, **settings) as server:
        hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8::3"]
        answers = [ask_as(server, small.known[0], host) for host in hosts]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        # A page of the origin may read all of them, refusals too.
        for answer in answers:
            assert answer.headers[ALLOWED] == GOOD
            assert "retry-after" in answer.headers["access-control-expose-headers"]
        answer = server.request("OPTIONS", "/predict", headers=PREFLIGHT)
        assert answer.status_code == 200
        assert answer.headers[ALLOWED] == GOOD
        bad = {**PREFLIGHT, "Origin": "https://bad.example"}
        assert ALLOWED not in server.request("OPTIONS", "/predict", headers=bad).headers


def test_a_window_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    limiter = RateLimiter("3/second")
    assert [limiter.take("a").is_over for _ in range(4)] == [False, False, False, True]
    assert not limiter.take("b").is_over
    now += 2.1
    assert not limiter.take("a").is_over


def test_all_rates_hold_and_what_is_refused_is_not_counted() -> None:
    limiter = RateLimiter("100/minute;2/hour")
    allowances = [limiter.take("a") for _ in range(6)]
    assert [each.is_over for each in allowances] == [False, False, True, True, True, True]
    last = allowances[-1]
    assert (last.limit, last.window, last.remaining) == (2, 3_600, 0)
    assert 1 <= last.reset <= 2 * 3_600


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::", "2001:db8::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("::not an address::", "::not an address::"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_sender(host: str, sender: str) -> None:
    assert sender_of(host) == sender


@pytest.mark.parametrize("rate", ["lots", "5", "5/fortnight", "-1/second", "5/minute;x"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(InputError, match="setting rate_limit"):
        load_settings(rate_limit=rate)
