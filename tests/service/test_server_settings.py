"""Where settings come from, which source wins, and how wrong ones are refused."""

import sys
from inspect import signature
from pathlib import Path

import platformdirs
import pytest

from acorn.errors import InputError
from service.http.middleware.keys import hash_line, new_key
from service.settings import Settings, load_settings, user_cache
from training.commands.main import run
from training.commands.serving.serve import serve


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ACORN_{name.upper()}", raising=False)
    monkeypatch.delenv("ACORN_CONFIG", raising=False)


def test_option_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acorn.toml").write_text("port = 1\nworkers = 2\nqueue_size = 3\n")
    monkeypatch.setenv("ACORN_PORT", "11")
    monkeypatch.setenv("ACORN_WORKERS", "12")
    settings = load_settings(port=21, host=None)
    assert (settings.port, settings.workers, settings.queue_size) == (21, 12, 3)
    assert settings.host == "127.0.0.1"


def test_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acorn.toml").write_text("port = 1\n")
    (tmp_path / "other.toml").write_text("port = 2\n[train]\ntrees = 5\n")
    monkeypatch.setenv("ACORN_CONFIG", "other.toml")
    assert load_settings().port == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65_536),
        ("port", "eighty"),
        ("workers", 0),
        ("waiting_seconds", 0.0),
        ("waiting_seconds", float("nan")),
        ("device", "tpu"),
        ("log_level", "loud"),
        ("max_body_bytes", 1),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"setting {name}: got ") as caught:
        load_settings(**{name: value})
    assert "\n" not in str(caught.value)


def test_a_config_file_that_is_missing_or_no_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACORN_CONFIG", "missing.toml")
    with pytest.raises(InputError, match="cannot read the configuration file"):
        load_settings()
    (tmp_path / "missing.toml").write_text("port = \n")
    with pytest.raises(InputError, match="is not TOML"):
        load_settings()


def test_every_setting_is_documented() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_cache_is_where_the_platform_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "acorn"
    assert Settings().store_url == f"sqlite:///{tmp_path}/acorn/features.sqlite"
    assert Settings(database_url="postgresql://x").store_url == "postgresql://x"


def test_the_cache_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert user_cache() == platformdirs.user_cache_path("acorn", appauthor=False, opinion=False)
    assert user_cache().name == "acorn"
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert user_cache() == tmp_path / "acorn"


def test_lists_are_written_with_commas_or_as_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().cors_origins == ()
    (tmp_path / "acorn.toml").write_text('cors_origins = ["https://a", "https://b"]\n')
    assert load_settings().cors_origins == ("https://a", "https://b")
    monkeypatch.setenv("ACORN_CORS_ORIGINS", "https://c, https://d,")
    assert load_settings().cors_origins == ("https://c", "https://d")
    assert load_settings(cors_origins=["https://e,https://f"]).cors_origins == (
        "https://e",
        "https://f",
    )


def served(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Run ``acorn serve``, but for the server."""
    seen: list[Settings] = []
    monkeypatch.setattr("training.commands.serving.serve.serve_until_stopped", seen.append)
    assert run([*arguments]) == 0
    (settings,) = seen
    return settings


def test_every_setting_is_an_option_of_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The option --plugin of all commands gives the last one.
    assert {*signature(serve).parameters, "plugins"} == set(Settings.model_fields)
    (tmp_path / "acorn.toml").write_text(
        'cors_origins = ["https://a", "https://b"]\nguard_metrics = true\n'
        "[serve]\ntrusted_proxies = ['192.0.2.1', '192.0.2.2']\n"
    )
    monkeypatch.setenv("ACORN_RATE_LIMIT", "5/second")
    settings = served("serve", "--log-format", "json", monkeypatch=monkeypatch)
    assert settings.cors_origins == ("https://a", "https://b")
    assert settings.trusted_proxies == ("192.0.2.1", "192.0.2.2")
    assert settings.guard_metrics
    assert (settings.rate_limit, settings.log_format) == ("5/second", "json")
    assert settings.api_keys == ()
    hashes = [hash_line(name, new_key()) for name in "abc"]
    monkeypatch.setenv("ACORN_API_KEYS", ",".join(hashes[:2]))
    options = ("--admin-keys", hashes[2], "--no-guard-metrics")
    settings = served("serve", *options, monkeypatch=monkeypatch)
    assert settings.api_keys == tuple(hashes[:2])
    assert settings.admin_keys == (hashes[2],)
    assert not settings.guard_metrics
