"""All settings of the server and of predictions at the command line, in one class.

The first source that has a value wins: command line option, environment variable
(``ACORN_PORT=9000``), TOML file (``port = 9000``), default. The TOML file is the one that
``ACORN_CONFIG`` names, else ``acorn.toml`` in the working directory if it exists.
"""

import os
import tomllib
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from acorn.errors import InputError, abbreviate
from acorn.forests.released import released_folder
from acorn.spaces.limits import LIMITS
from service.observability.logs import LogFormat

config_file: ContextVar[Path | None] = ContextVar("config_file", default=None)
"""The configuration file that an option of the present command names; None if none does."""

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Millions = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Backend = Literal["local", "ray"]
Device = Literal["auto", "cpu", "cuda"]
LogLevel = Literal["debug", "info", "warning", "error"]


def _split(value: object) -> object:
    """Split a text, or each text of a list, at its commas."""
    parts = [value] if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return [item for part in parts for text in part.split(",") if (item := text.strip())]
    return value


def _check_rates(value: str) -> str:
    if value:
        from limits import parse_many  # imported only if there are limits

        parse_many(value)
    return value


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
KeyHashes = Annotated[
    tuple[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:sha256=[0-9a-f]{64}$")], ...
    ],
    NoDecode,
    BeforeValidator(_split),
]
Rates = Annotated[str, AfterValidator(_check_rates)]
SECRET = {"api_keys", "admin_keys", "database_url"}
"""Settings whose values no error message shows, since they may hold secrets."""


def user_cache() -> Path:
    """Find Acorn's folder in the user's cache folder of this platform."""
    return user_cache_path("acorn", appauthor=False, opinion=False)


class Settings(BaseSettings):
    """Every setting, with its default."""

    model_config = SettingsConfigDict(env_prefix="ACORN_", env_ignore_empty=True, extra="ignore")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    backend: Backend = Field(
        "local",
        description="local: server and worker processes on this machine; ray: replicas and workers "
        "on a Ray cluster (needs the extra ray).",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=1_000,
        description="With ray: replicas of the server, each with separate workers.",
    )
    ray_address: str = Field(
        "",
        description="With ray: address of the cluster; by default RAY_ADDRESS, else a cluster that "
        "runs on this machine, else a new one.",
    )
    forests: Path = Field(
        default_factory=released_folder,
        description="Folder with one forest bundle in each subfolder; by default the released "
        "ones.",
    )
    var: Path = Field(
        default_factory=user_cache,
        description="Folder for the feature cache, and for the populations of plugin spaces; by "
        "default the user's cache folder.",
    )
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the feature cache; by default SQLite in the var folder.",
    )
    device: Device = Field(
        "auto", description="Device for proxies; auto uses CUDA if there is a device."
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Proxy worker processes; worker i uses CUDA device i modulo their number.",
    )
    threads: int = Field(
        1,
        ge=1,
        le=256,
        description="Threads of a worker; released tables were computed with 1.",
    )
    recycle_after: int = Field(
        1_000, ge=1, description="Networks after which a worker process is replaced by a new one."
    )
    recycle_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes of memory, or of a CUDA device, above which a worker process is "
        "replaced after its current network; by default unlimited.",
    )
    plugins: Texts = Field(
        (),
        description="Modules with architecture spaces of your own, separated by commas; installed "
        "packages with entry points of the group acorn.spaces need not be named.",
    )
    max_architectures: int = Field(10_000, ge=1, description="Architectures in a request.")
    max_explanations: int = Field(
        5_000, ge=1, description="Architectures times targets in a request with explanations."
    )
    max_body_bytes: int = Field(8 * 2**20, ge=1_024, description="Bytes of a request body.")
    max_params: Millions = Field(
        LIMITS.params / 1e6, description="Millions of parameters of a network that is computed."
    )
    max_flops: Millions = Field(
        LIMITS.flops / 1e6,
        description="Millions of multiply-accumulates for one image in a network that is computed.",
    )
    queue_size: int = Field(
        256, ge=1, description="Networks that may wait for a worker, over all requests."
    )
    waiting_seconds: Seconds = Field(
        120.0,
        description="Seconds that a network may wait for a worker; then its request gets 503.",
    )
    computing_seconds: Seconds = Field(
        120.0, description="Seconds that one network may be computed; then its request gets 504."
    )
    starting_seconds: Seconds = Field(
        120.0, description="Seconds that a worker process may take to start; then it is replaced."
    )
    drain_seconds: float = Field(
        1.0,
        ge=0,
        le=3_600,
        allow_inf_nan=False,
        description="Seconds after SIGTERM in which the server reports that it is not ready and "
        "still answers, so that a load balancer can react.",
    )
    max_job_architectures: int = Field(100_000, ge=1, description="Architectures in a job.")
    max_job_body_bytes: int = Field(
        64 * 2**20, ge=1_024, description="Bytes of the request body of a job."
    )
    max_active_jobs: int = Field(
        100, ge=1, description="Jobs that may wait or run, over all servers on the database."
    )
    job_retention_days: float = Field(
        30.0, gt=0, le=36_500, allow_inf_nan=False, description="Days that an ended job is kept."
    )
    job_lease_seconds: Seconds = Field(
        20.0,
        description="Seconds without a sign of life after which a server loses its parts of jobs.",
    )
    shutdown_seconds: Seconds = Field(
        30.0,
        description="Seconds after drain_seconds for accepted requests; the rest gets 503.",
    )
    log_level: LogLevel = Field("info", description="Lowest level that is logged.")
    log_format: LogFormat = Field(
        "auto",
        description="text, or json with one object a line; auto is text on a terminal, else json.",
    )
    api_keys: KeyHashes = Field(
        (),
        description="Keys of clients, each as NAME:sha256=HEX, separated by commas; "
        "acorn keys new makes one. Without keys, every client has access.",
    )
    admin_keys: KeyHashes = Field(
        (),
        description="Keys that also give access to /admin, in the same form; without keys it is "
        "closed.",
    )
    guard_metrics: bool = Field(False, description="Whether /metrics needs a key, too.")
    rate_limit: Rates = Field(
        "",
        description="Requests for each key, or client address without a key: "
        '"100/second;5000/hour". By default unlimited.',
    )
    cors_origins: Texts = Field(
        (), description="Origins of pages that may call the server, separated by commas; * is any."
    )
    trusted_proxies: Texts = Field(
        (),
        description="Addresses or networks of trusted proxies, separated by commas; * is any. "
        "Their X-Forwarded-For and X-Forwarded-Proto headers are used.",
    )
    otel: bool = Field(
        False,
        description="Whether to trace requests with OpenTelemetry; also on if the environment "
        "has an OTLP endpoint. Needs the extra otel.",
    )

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the feature cache."""
        return self.database_url or f"sqlite:///{(self.var / 'features.sqlite').absolute()}"

    @property
    def ranks(self) -> Path:
        """Folder of the bundles that rank plugin spaces among sampled members."""
        return self.var / "ranks"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: options of the caller, environment, TOML file."""
        shared = {k: v for k, v in read_config().items() if not isinstance(v, dict)}
        return init_settings, env_settings, InitSettingsSource(settings_cls, shared)


def read_config() -> dict[str, Any]:
    """Read the configuration file; its tables hold options of single commands.

    Returns
    -------
    dict
        Empty if there is no file.

    Raises
    ------
    InputError
        If a named file cannot be read, or the file is not TOML.
    """
    named = config_file.get() or os.environ.get("ACORN_CONFIG")
    path = Path(named or "acorn.toml")
    if not named and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the configuration file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from None


def load_settings(**options: object) -> Settings:
    """Gather the settings from all sources.

    Parameters
    ----------
    **options
        Settings by name; None counts as not given.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        Names the first invalid setting.
    """
    try:
        return Settings(**{k: v for k, v in options.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        got = (
            "a value that is not shown here"
            if first["loc"][0] in SECRET
            else abbreviate(first["input"])
        )
        raise InputError(f"setting {name}: got {got}; {first['msg']}") from None
