"""Run the union of the passes that the wanted proxies read, once each, and read the proxies off."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from models.proxies.passes.layers import layer_weights
from models.proxies.passes.loss import LossGraph
from models.proxies.passes.noise import noise_pass
from models.proxies.passes.synflow import synflow_pass
from models.proxies.records import Records
from models.proxies.registry import Observer, Pass, Proxy, Value, select
from models.proxies.state import preserved
from models.trace import count_flops, count_params


@dataclass(slots=True)
class ProxyValues:
    """A network's proxy vector.

    Attributes
    ----------
    values
        Value of each proxy; None where it could not be had.
    reasons
        Why, for each None.
    seconds
        Wall-clock seconds of each pass.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
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
        Names, or ``"all"``.
    seed
        Seeds the noise of the passes that draw some.

    Raises
    ------
    UnknownProxyError
        For a name that is not registered.
    torch.OutOfMemoryError
        A smaller batch would give other values, so nothing is retried.
    """
    wanted = select(proxies)
    needed = {pass_ for proxy in wanted for pass_ in proxy.reads}
    observers = {
        proxy.name: proxy.definition() for proxy in wanted if isinstance(proxy.definition, type)
    }
    if images.device.type == "cpu":  # its kernels are a third faster so; the values are the same
        images = images.contiguous(memory_format=torch.channels_last)
    with preserved(network), torch.enable_grad():
        records = Records([*layer_weights(network).values()], labels, num_classes)
        failures, seconds = _run_passes(
            network, images, records, needed, [*observers.values()], seed
        )
        with torch.no_grad():
            return _read(wanted, observers, records, failures, seconds)


def _run_passes(
    network: nn.Module,
    images: Tensor,
    records: Records,
    needed: set[Pass],
    observers: Sequence[Observer],
    seed: int,
) -> tuple[dict[Pass, str], dict[str, float]]:
    """Run the needed passes; a pass that fails takes only its own readers with it."""
    graph = LossGraph(network, images, records, observers)

    def static() -> None:
        records.params = count_params(network) / 1e6
        records.flops = count_flops(network, tuple(images.shape[1:])) / 1e6

    def loss() -> None:
        graph.loss(keep_graph=Pass.JACOBIAN in needed, differentiable=Pass.HESSIAN in needed)

    steps: dict[Pass, Callable[[], None]] = {
        Pass.STATIC: static,
        Pass.LOSS: loss,
        Pass.JACOBIAN: graph.jacobian,
        Pass.HESSIAN: graph.hessian,
        Pass.SYNFLOW: lambda: synflow_pass(network, images, records),
        Pass.NOISE: lambda: noise_pass(network, images, records),
    }
    if needed & {Pass.JACOBIAN, Pass.HESSIAN}:
        needed = needed | {Pass.LOSS}
    failures: dict[Pass, str] = {}
    seconds: dict[str, float] = {}
    for pass_, step in steps.items():
        if pass_ not in needed:
            continue
        if pass_ in (Pass.JACOBIAN, Pass.HESSIAN) and Pass.LOSS in failures:
            failures[pass_] = failures[Pass.LOSS]
            continue
        torch.manual_seed(seed)  # so that no value hangs on which other passes ran
        start = time.perf_counter()
        try:
            step()
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
    scalars: dict[str, Tensor] = {}
    reasons: dict[str, str] = {}
    for proxy in wanted:
        failed = [failures[pass_] for pass_ in proxy.reads if pass_ in failures]
        if failed:
            reasons[proxy.name] = failed[0]
            continue
        observer = observers.get(proxy.name)
        read = observer.value if observer else cast(Value, proxy.definition)
        try:
            scalars[proxy.name] = torch.as_tensor(read(records), dtype=torch.float64, device=device)
        except (ArithmeticError, RuntimeError, ValueError) as error:
            reasons[proxy.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    numbers = torch.stack([*scalars.values()]).tolist() if scalars else []
    values: dict[str, float | None] = dict.fromkeys((proxy.name for proxy in wanted), None)
    for name, number in zip(scalars, numbers, strict=True):
        if number - number == 0:
            values[name] = number
        else:
            reasons[name] = f"not finite ({number})"
    return ProxyValues(values, reasons, seconds)
