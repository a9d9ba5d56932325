"""Run each pass that the wanted proxies read, once, and compute the proxies from their records."""

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from acorn.errors import InputError
from acorn.proxies._engine.observers import Observer, overriding, show
from acorn.proxies._engine.pass_registry import PASSES, Measurement, Pass
from acorn.proxies._engine.proxy_registry import Proxy, Value, select
from acorn.proxies._engine.records import Records
from acorn.proxies._math.channel_correlation import ChannelCorrelations
from acorn.proxies._math.layout import laid_out
from acorn.proxies._network.environment import measuring, seed_all
from acorn.proxies._network.initialisation import Initialisation, policy_of
from acorn.proxies._network.measured import MeasuredNetwork, said

ACTIVATION_METHODS = (
    "on_activation",
    "on_second_activation",
    "on_operation",
    "on_input_gradient",
)
"""Methods by which an observer sees activations."""


@dataclass(slots=True)
class ProxyValues:
    """Proxy values of one network.

    Attributes
    ----------
    values : dict of str to float or None
        Value of each proxy; None if it has none.
    reasons : dict of str to str
        Why, for each None.
    errors : dict of str to float
        Standard error of each value that is a mean over draws.
    seconds : dict of str to float
        Wall-clock seconds of each pass that ran.
    notes : dict of str to str
        By proxy: what its value was computed on, if that is not the usual input.

    Examples
    --------
    >>> result = ProxyValues({"params": 0.2, "zen": None}, {"zen": "no feature map"})
    >>> result.values["params"]
    0.2
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    errors: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def run(
    network: nn.Module,
    images: Float[Tensor, "batch channels height width"],
    labels: Int[Tensor, " batch"],
    *,
    num_classes: int,
    proxies: str | Iterable[str] = "all",
    seed: int = 0,
    initialisation: str = Initialisation.AS_GIVEN,
) -> ProxyValues:
    """Compute proxies of an untrained network on a batch.

    All computation uses a copy of the network. :func:`acorn.compute_proxies` is the same for users:
    it checks its arguments, generates images and picks the device.

    Parameters
    ----------
    network : nn.Module
        An image classifier that maps the images to logits ``(batch, num_classes)``.
    images : Tensor (batch, channels, height, width)
        Normalised float images, on the device that computes.
    labels : Tensor (batch,)
        Class of each image, int64, on the same device.
    num_classes : int
        Width of the logits.
    proxies : str or iterable of str, default="all"
        Names of proxies, or of the sets ``"all"`` and ``"classic"``.
    seed : int, default=0
        Seeds every pass, so that no value depends on which other passes ran.
    initialisation : {"as_given", "canonical"}, default="as_given"
        The weights that are measured; see
        :func:`acorn.proxies._network.initialisation.initialise`.

    Returns
    -------
    ProxyValues
        A value for each proxy, or None and a reason.

    Raises
    ------
    UnknownProxyError
        If a name is not registered.
    InputError
        If the initialisation is unknown, or the network cannot be measured; see
        :func:`acorn.graph.replica.replicate` and
        :meth:`acorn.proxies._network.measured.MeasuredNetwork.survey`.
    torch.OutOfMemoryError
        If the batch does not fit. A smaller batch would give other values, so nothing is retried.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    >>> images, labels = torch.randn(4, 3, 8, 8), torch.arange(4)
    >>> run(network, images, labels, num_classes=10, proxies=["params"]).values
    {'params': 0.00193}
    """
    wanted = select(proxies)
    policy = policy_of(initialisation)
    observers = {
        proxy.name: proxy.definition() for proxy in wanted if isinstance(proxy.definition, type)
    }
    watchers: dict[Pass, list[Observer]] = {pass_: [] for pass_ in PASSES.values()}
    needed: set[Pass] = set()
    for proxy in wanted:
        for pass_ in proxy.reads:
            if proxy.name in observers:
                watchers[pass_].append(observers[proxy.name])
            step: Pass | None = pass_
            while step is not None:
                needed.add(step)
                step = step.after
    with torch.inference_mode(mode=False), torch.enable_grad():
        images, labels = (x.clone() if x.is_inference() else x for x in (images, labels))
        images = laid_out(images)
        measured = MeasuredNetwork(network, images.device)
        correlations = ChannelCorrelations(measured.operations.keep)
        for observer in observers.values():
            observer.join(seed, measured.operations.keep, correlations)
        measurement = Measurement(
            measured, images, Records(labels, num_classes), needed, watchers, seed, policy
        )
        tensors = (*measured.module.parameters(), *measured.module.buffers())
        with measuring(measured.functions, tensors):
            _run_passes_after(None, measurement)
            with torch.no_grad():
                result = _read(wanted, observers, measurement)
    if measured.functions.opaque:
        _withdraw(result, observers, measured.functions.opaque)
    for proxy in wanted:
        notes = [measurement.notes[pass_] for pass_ in proxy.reads if pass_ in measurement.notes]
        if notes and result.values[proxy.name] is not None:
            result.notes[proxy.name] = "; ".join(notes)
    return result


def run_pass(pass_: Pass, measurement: Measurement) -> None:
    """Run one pass; ``benchmarks.operations`` counts what is asked of the device in here."""
    pass_.run(measurement)


def _run_passes_after(before: Pass | None, measurement: Measurement) -> None:
    """Run the needed passes that continue a pass, and then those that continue them.

    A pass that fails costs only its own readers, and those of the passes that continue it.
    """
    for pass_ in PASSES.values():
        if pass_.after is not before or pass_ not in measurement.needed:
            continue
        if before in measurement.failures:
            measurement.failures[pass_] = measurement.failures[before]
        else:
            seed_all(measurement.seed)  # so that no value depends on which other passes ran
            start = time.perf_counter()
            try:
                run_pass(pass_, measurement)
            except (torch.OutOfMemoryError, InputError):
                raise
            except Exception as error:  # any network may fail in any way
                measurement.failures[pass_] = f"{pass_.name} pass: {said(error)}"
            measurement.seconds[pass_.name] = time.perf_counter() - start
        _run_passes_after(pass_, measurement)
        measurement.kept.pop(pass_, None)


def _withdraw(result: ProxyValues, observers: dict[str, Observer], opaque: Iterable[str]) -> None:
    """Remove values that depend on activations of which some could not be watched."""
    names = ", ".join(sorted(opaque))
    for name, observer in observers.items():
        if any(overriding([observer], method) for method in ACTIVATION_METHODS):
            result.values[name] = None
            result.errors.pop(name, None)
            result.reasons[name] = (
                f"the network runs functions of its own that may be activations ({names}), which "
                "cannot be watched"
            )


def _read(
    wanted: Sequence[Proxy], observers: dict[str, Observer], measurement: Measurement
) -> ProxyValues:
    """Compute all proxies from the records, with one transfer from the device."""
    records, failures = measurement.records, measurement.failures
    device = records.labels.device
    read: dict[str, Tensor | float] = {}
    reasons: dict[str, str] = {}
    for proxy in wanted:
        failed = [failures[pass_] for pass_ in proxy.reads if pass_ in failures]
        if failed:
            reasons[proxy.name] = failed[0]
        elif proxy.name in observers:
            show([observers[proxy.name]], "finish", records)
    for proxy in wanted:
        if proxy.name in reasons:
            continue
        observer = observers.get(proxy.name)
        try:
            value = observer.read if observer else cast(Value, proxy.definition)
            read[proxy.name] = value(records)
        except torch.OutOfMemoryError:
            raise
        except (ArithmeticError, RuntimeError, ValueError) as error:
            reasons[proxy.name] = said(error)
    tensors = {name: value for name, value in read.items() if isinstance(value, Tensor)}
    numbers = iter(
        torch.cat([value.to(device).flatten() for value in tensors.values()]).double().tolist()
        if tensors
        else []
    )
    result = ProxyValues(
        {proxy.name: None for proxy in wanted}, reasons, seconds=measurement.seconds
    )
    for proxy in wanted:
        if proxy.name in tensors:
            draws = [*islice(numbers, tensors[proxy.name].numel())]
            observer = observers.get(proxy.name)
            _enter(result, proxy, draws if observer is None else observer.conclude(draws))
        elif proxy.name in read:
            _enter(result, proxy, [float(read[proxy.name])])
    return result


def _enter(result: ProxyValues, proxy: Proxy, draws: list[float]) -> None:
    """Enter one proxy's value: a number, or the mean of several and its standard error."""
    name = proxy.name
    wrong = [number for number in draws if not math.isfinite(number)]
    if wrong:
        where = f" in {len(wrong)} of {len(draws)} draws" if len(draws) > 1 else ""
        meaning = proxy.nulls.get(str(wrong[0]))
        result.reasons[name] = f"{meaning or f'not finite ({wrong[0]})'}{where}"
        return
    result.values[name] = statistics.fmean(draws)
    if len(draws) > 1:
        result.errors[name] = statistics.stdev(draws) / math.sqrt(len(draws))
