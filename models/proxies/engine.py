"""Run the union of the passes that the wanted proxies read, once each, and read the proxies off."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn

from models.proxies.own_weights import with_own_weights
from models.proxies.passes.curvature import curvature_pass
from models.proxies.passes.fisher_eigen import fisher_eigen_pass
from models.proxies.passes.halves import HalvesGraph
from models.proxies.passes.layers import layer_weights
from models.proxies.passes.loss import LossGraph
from models.proxies.passes.noise import noise_pass
from models.proxies.passes.random_images import RandomGraph
from models.proxies.passes.sample import redrawn_pass, sample_pass
from models.proxies.passes.static import graph_pass, static_pass
from models.proxies.passes.synflow import synflow_pass
from models.proxies.passes.twin import twin_pass
from models.proxies.records import Records
from models.proxies.registry import REQUIRES, Observer, Pass, Proxy, Value, select
from models.proxies.state import preserved


@dataclass(slots=True)
class ProxyValues:
    """A network's proxy vector.

    Attributes
    ----------
    values
        Value of each proxy; None where it could not be had.
    reasons
        Why, for each None.
    errors
        Standard error of each value that is a mean over draws.
    seconds
        Wall-clock seconds of each pass.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    errors: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    proxies: str | Iterable[str] = "all",
    seed: int = 0,
) -> ProxyValues:
    """Compute proxies of a network as it is; it is left as it was, also after an error.

    Parameters
    ----------
    network
        An image classifier that maps ``(batch, 3, h, w)`` to logits, on the images' device.
    images
        Normalised images ``(batch, 3, h, w)``.
    labels
        Classes ``(batch,)``.
    num_classes
        Width of the logits.
    proxies
        Names of proxies or of sets: ``"all"``, ``"classic"``.
    seed
        Seeds the noise of the passes that draw some.

    Raises
    ------
    UnknownProxyError
        For a name that is not registered.
    InputError
        For weights that a hook computes, or that have no shape yet.
    torch.OutOfMemoryError
        A smaller batch would give other values, so nothing is retried.
    """
    wanted = select(proxies)
    network = with_own_weights(network)
    observers = {
        proxy.name: proxy.definition() for proxy in wanted if isinstance(proxy.definition, type)
    }
    watchers: dict[Pass, list[Observer]] = {pass_: [] for pass_ in Pass}
    for proxy in wanted:
        if proxy.name in observers:
            observers[proxy.name].seed = seed
            for pass_ in proxy.reads:
                watchers[pass_].append(observers[proxy.name])
    if images.device.type == "cpu":  # its kernels are a third faster so; the values are the same
        images = images.contiguous(memory_format=torch.channels_last)
    with preserved(network), torch.enable_grad():
        records = Records([*layer_weights(network).values()], labels, num_classes)
        needed = {pass_ for proxy in wanted for pass_ in proxy.reads}
        steps = _steps(network, images, records, needed, watchers)
        failures, seconds = _run_passes(steps, needed, seed)
        with torch.no_grad():
            return _read(wanted, observers, records, failures, seconds)


def _steps(
    network: nn.Module,
    images: Tensor,
    records: Records,
    needed: set[Pass],
    watchers: dict[Pass, list[Observer]],
) -> dict[Pass, Callable[[], None]]:
    """Say how to run each pass, in the order of :class:`Pass`."""
    loss = LossGraph(network, images, records, watchers[Pass.LOSS])
    halves = HalvesGraph(network, images, records, watchers[Pass.HALVES], watchers[Pass.LOGITS])
    random = RandomGraph(network, images, records, watchers[Pass.RANDOM])

    def run_loss() -> None:
        loss.loss(keep_graph=Pass.JACOBIAN in needed, differentiable=Pass.HESSIAN in needed)

    return {
        Pass.STATIC: lambda: static_pass(network, records),
        Pass.GRAPH: lambda: graph_pass(network, images, records),
        Pass.LOSS: run_loss,
        Pass.JACOBIAN: loss.jacobian,
        Pass.HESSIAN: loss.hessian,
        Pass.HALVES: lambda: halves.halves(keep_graph=Pass.LOGITS in needed),
        Pass.LOGITS: halves.logits,
        Pass.CURVATURE: lambda: curvature_pass(network, images, records),
        Pass.SYNFLOW: lambda: synflow_pass(network, images, records),
        Pass.TWIN: lambda: twin_pass(network, images, records),
        Pass.NOISE: lambda: noise_pass(network, images, records),
        Pass.RANDOM: lambda: random.random(keep_graph=Pass.BLOCKS in needed),
        Pass.BLOCKS: random.blocks,
        Pass.SAMPLE: lambda: sample_pass(network, images, watchers[Pass.SAMPLE]),
        Pass.REDRAWN: lambda: redrawn_pass(network, images, watchers[Pass.REDRAWN]),
        Pass.FISHER_EIGEN: lambda: fisher_eigen_pass(network, images, records),
    }


def _run_passes(
    steps: dict[Pass, Callable[[], None]], needed: set[Pass], seed: int
) -> tuple[dict[Pass, str], dict[str, float]]:
    """Run the needed passes; a pass that fails takes only its own readers with it."""
    needed = needed | {REQUIRES[pass_] for pass_ in needed if pass_ in REQUIRES}
    failures: dict[Pass, str] = {}
    seconds: dict[str, float] = {}
    for pass_ in Pass:
        if pass_ not in needed:
            continue
        if REQUIRES.get(pass_) in failures:
            failures[pass_] = failures[REQUIRES[pass_]]
            continue
        torch.manual_seed(seed)  # so that no value hangs on which other passes ran
        start = time.perf_counter()
        try:
            steps[pass_]()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any network may fail in any way
            failures[pass_] = f"{pass_} pass: {type(error).__name__}: {error}".splitlines()[0]
        seconds[pass_.value] = time.perf_counter() - start
    return failures, seconds


def _read(
    wanted: Sequence[Proxy],
    observers: dict[str, Observer],
    records: Records,
    failures: dict[Pass, str],
    seconds: dict[str, float],
) -> ProxyValues:
    """Read all proxies, with one transfer from the device."""
    device = records.labels.device
    drawn: dict[str, Tensor] = {}
    reasons: dict[str, str] = {}
    for proxy in wanted:
        failed = [failures[pass_] for pass_ in proxy.reads if pass_ in failures]
        if failed:
            reasons[proxy.name] = failed[0]
            continue
        observer = observers.get(proxy.name)
        read = observer.read if observer else cast(Value, proxy.definition)
        try:
            drawn[proxy.name] = torch.as_tensor(read(records), dtype=torch.float64, device=device)
        except torch.OutOfMemoryError:
            raise
        except (ArithmeticError, RuntimeError, ValueError) as error:
            reasons[proxy.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    numbers = iter(
        torch.cat([draws.flatten() for draws in drawn.values()]).tolist() if drawn else []
    )
    result = ProxyValues({proxy.name: None for proxy in wanted}, reasons, seconds=seconds)
    for name, draws in drawn.items():
        _enter(result, name, [*islice(numbers, draws.numel())])
    return result


def _enter(result: ProxyValues, name: str, draws: list[float]) -> None:
    """Enter one proxy's value: a number, or the mean of several and its standard error."""
    wrong = [number for number in draws if not math.isfinite(number)]
    if wrong:
        where = f" in {len(wrong)} of {len(draws)} draws" if len(draws) > 1 else ""
        result.reasons[name] = f"not finite ({wrong[0]}){where}"
        return
    result.values[name] = statistics.fmean(draws)
    if len(draws) > 1:
        result.errors[name] = statistics.stdev(draws) / math.sqrt(len(draws))
