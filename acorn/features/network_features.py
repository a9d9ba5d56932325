"""Features of networks that are given as modules, specifications or rows, each computed once."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import joblib
import torch
from torch import nn

from acorn.batches import Batch
from acorn.datasets import Dataset
from acorn.errors import InputError, InvalidArchitectureError, UnknownDatasetError, abbreviate
from acorn.features.code_version import code_version
from acorn.features.feature_table import NETWORK, FeatureRow
from acorn.features.proxy_settings import ENGINE_VERSION
from acorn.graph import structure_features, trace, trace_shapes
from acorn.progress import progress
from acorn.proxies import compute_proxies
from acorn.spaces import Architecture, Space, get_space
from acorn.spaces.building import build_seeded, build_without_weights

SPEC = frozenset({"space", "arch"})

_PLAIN = (int, float, str, bool, bytes, type(None), torch.dtype, torch.Size)
_INNER = frozenset(nn.Module().__dict__)  # parameters and modules are in the fingerprint anyway


@dataclass(frozen=True)
class NetworkFeatures:
    """Computes the features of networks, and remembers them by content.

    Attributes
    ----------
    dataset : Dataset
        Gives the shape of the images, and the classes.
    proxies : tuple of str
        Names of the proxies to compute beside the structure features.
    seed : int
        Seeds the weights of specifications, and what proxies draw.
    batch : Batch, optional
        Images and labels of the proxies; by default :func:`~acorn.proxies.compute_proxies` makes
        them.
    cache : Path, optional
        File of features that are already known.
    n_jobs : int, default=1
        Number of processes; -1 is one for each core.
    """

    dataset: Dataset
    proxies: tuple[str, ...]
    seed: int
    batch: Batch | None = None
    cache: Path | None = None
    n_jobs: int = 1

    def rows(self, networks: Sequence[object]) -> list[FeatureRow]:
        """Look up or compute the features of networks.

        Parameters
        ----------
        networks : sequence of torch.nn.Module or mapping
            Modules, which are not changed; specifications ``{"space": ..., "arch": ...}``; or rows
            of features by name.

        Returns
        -------
        list of FeatureRow
            One for each network. Equivalent architectures have the same id.

        Raises
        ------
        InputError
            For anything else; the message has the number of the network.
        """
        items = [_read(number, network, self.dataset) for number, network in enumerate(networks)]
        keys = [self._key(item) for item in items]
        with closing(_Store(self.cache)) as store:
            known = store.read(key for key in keys if key is not None)
            todo: dict[str, int] = {}
            for place, key in enumerate(keys):
                if key is None or key not in known:
                    todo.setdefault(key or f"place {place}", place)
            computed = {}
            if todo:
                items_to_compute = [items[place] for place in todo.values()]
                results = zip(todo, self._computed(items_to_compute), strict=True)
                with progress("features") as on_progress:
                    for done, (key, row) in enumerate(results, start=1):
                        computed[key] = row
                        if not key.startswith("place"):
                            store.write(key, row)
                        on_progress(done, len(todo))
        return [
            known[key] if key is not None and key in known else computed[key or f"place {place}"]
            for place, key in enumerate(keys)
        ]

    def _computed(self, items: Sequence["_Item"]) -> Iterator[FeatureRow]:
        if self.n_jobs == 1 or len(items) == 1:
            yield from map(self._compute, items)
            return
        parallel = joblib.Parallel(n_jobs=self.n_jobs, return_as="generator")
        yield from parallel(joblib.delayed(_compute_alone)(self, item) for item in items)

    def _compute(self, item: "_Item") -> FeatureRow:
        """Features of one network."""
        if isinstance(item, FeatureRow):
            return item
        if isinstance(item, Architecture):
            space = get_space(item.space)
            values, reasons = self._of_architecture(space, item.canonical)
            return FeatureRow(item.id, values | space.columns(item.canonical), reasons)
        values, reasons = self._of_module(item, trace_shapes(item, self.dataset.input_shape))
        return FeatureRow(f"{NETWORK}/{digest(sorted(values.items()))}", values, reasons)

    def _of_architecture(
        self, space: Space, canonical: str
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        if not self.proxies:
            module = build_without_weights(space, canonical, self.dataset, seed=self.seed)
            return {**structure_features(trace(module, self.dataset.input_shape))}, {}
        module = build_seeded(space, canonical, self.dataset, seed=self.seed)
        return self._of_module(module, trace(module, self.dataset.input_shape))

    def _of_module(
        self, module: nn.Module, graph: Any
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        values: dict[str, float | None] = {**structure_features(graph)}
        if not self.proxies:
            return values, {}
        vector = compute_proxies(
            module,
            self.dataset.input_shape,
            self.dataset.num_classes,
            images=None if self.batch is None else self.batch.images,
            labels=None if self.batch is None else self.batch.labels,
            proxies=self.proxies,
            seed=self.seed,
        )
        return values | vector.values, vector.reasons

    def _key(self, item: "_Item") -> str | None:
        """Key of a network in the cache; None if its content is not known from outside."""
        if isinstance(item, FeatureRow):
            return None
        content = item.id if isinstance(item, Architecture) else fingerprint(item)
        if content is None or (self.proxies and not isinstance(item, Architecture)):
            return None  # the proxies of a module depend on its weights
        batch = None if self.batch is None else self.batch.digest
        settings = (
            self.dataset.input_shape,
            self.dataset.num_classes,
            self.proxies,
            self.seed,
            batch,
        )
        space = item.space if isinstance(item, Architecture) else None
        return digest([ENGINE_VERSION, code_version(space), content, settings])


_Item = Architecture | FeatureRow | nn.Module


def _compute_alone(features: NetworkFeatures, item: _Item) -> FeatureRow:
    """Compute in a process of one thread."""
    torch.set_num_threads(1)
    return features._compute(item)


def _read(number: int, network: object, dataset: Dataset) -> _Item:
    """Recognise a module, a specification or a row of features."""
    if isinstance(network, nn.Module):
        return network
    if not isinstance(network, Mapping):
        raise InputError(
            f"network {number}: got {abbreviate(network)}; expected a torch.nn.Module, a "
            "specification with space and arch, or a mapping of features"
        )
    try:
        if SPEC & network.keys():
            if network.keys() != SPEC:
                raise InvalidArchitectureError(
                    f"got {abbreviate(network)}; expected a mapping of space and arch"
                )
            space = get_space(network["space"])
            if dataset.is_registered and dataset.name not in space.datasets:
                raise UnknownDatasetError(dataset.name, space.datasets)
            return space.parse(network["arch"])
        return _row(network)
    except InputError as error:
        raise InvalidArchitectureError(f"network {number}: {error}") from error


def _row(network: Mapping[Any, object]) -> FeatureRow:
    values: dict[str, float | None] = {}
    for name, value in network.items():
        if not isinstance(name, str) or isinstance(value, str | bool):
            raise InputError(f"got the feature {name!r}: {abbreviate(value)}; expected a number")
        try:
            values[name] = None if value is None else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            got = abbreviate(value)
            raise InputError(f"got the feature {name!r}: {got}; expected a number") from None
    if not values:
        raise InputError("got no features; expected a mapping of features")
    return FeatureRow(f"{NETWORK}/{digest(sorted(values.items()))}", values)


def fingerprint(module: nn.Module) -> str | None:
    """Hash what the layer graph of a module follows from: classes, settings and shapes.

    The code that is hashed is that of the methods of its classes; functions outside of them are not
    followed.

    Parameters
    ----------
    module : torch.nn.Module
        Any module; its weights do not matter.

    Returns
    -------
    str or None
        Equal for modules of one structure. None if it has an attribute or a hook that cannot be
        hashed.
    """
    parts: list[object] = []
    for name, part in module.named_modules(remove_duplicate=False):
        cls = type(part)
        if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
            return None
        own = {key: value for key, value in vars(part).items() if key not in _INNER}
        try:
            settings = _plain(own)
        except TypeError:
            return None
        parts.append((name, f"{cls.__module__}.{cls.__qualname__}", settings, _code_of(cls)))
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    parts += [(name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in named]
    return digest(parts)


def _plain(value: object) -> object:
    """Convert nested containers of plain values to lists; raise TypeError for anything else."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(inner)] for key, inner in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(_plain, value)))
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_plain, value)]
    if isinstance(value, FunctionType) and value.__closure__ is None:
        return [value.__module__, value.__qualname__, *_code(value.__code__)]
    if isinstance(value, type):
        return [value.__module__, value.__qualname__]
    raise TypeError(type(value).__name__)


def _code_of(cls: type) -> list[object]:
    """Code of the methods that a module inherits from classes outside torch."""
    classes = [
        base for base in cls.__mro__ if not base.__module__.startswith(("torch.", "builtins"))
    ]
    return [
        [base.__qualname__, name, *_code(member.__code__)]
        for base in classes
        for name, member in sorted(vars(base).items())
        if isinstance(member, FunctionType)
    ]


def _code(code: CodeType) -> list[object]:
    inner = [_code(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return [code.co_code.hex(), inner, list(code.co_names)]


def digest(content: object) -> str:
    """Hash plain content.

    Parameters
    ----------
    content : object
        Nested lists of plain values.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:32]


class _Store:
    """Features by key, in a file that several processes may use; without a file there are none."""

    def __init__(self, path: Path | None) -> None:
        self._database = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row)")
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"got the cache {path}, which cannot be used: {error}") from error

    def read(self, keys: Iterable[str]) -> dict[str, FeatureRow]:
        if self._database is None:
            return {}
        known = {}
        for key in dict.fromkeys(keys):
            cursor = self._database.execute("SELECT row FROM rows WHERE key = ?", (key,))
            if (record := cursor.fetchone()) is not None:
                id_, values, reasons = json.loads(record[0])
                known[key] = FeatureRow(id_, values, reasons)
        return known

    def write(self, key: str, row: FeatureRow) -> None:
        if self._database is not None:
            record = json.dumps([row.id, dict(row.values), row.reasons])
            self._database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (key, record))

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
