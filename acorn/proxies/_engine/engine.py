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

from acorn.errors import InputError
from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import REQUIRES, Observer, Pass, Proxy, Value, select
from acorn.proxies._network.environment import measuring, seed_all
from acorn.proxies._network.initialisation import Initialisation, initialise, policy_of
from acorn.proxies._network.measured import MeasuredNetwork, said
from acorn.proxies._passes.curvature import curvature_pass
from acorn.proxies._passes.fisher_eigen import fisher_eigen_pass
from acorn.proxies._passes.halves import HalvesGraph
from acorn.proxies._passes.loss import LossGraph
from acorn.proxies._passes.noise import noise_pass
from acorn.proxies._passes.random_images import RandomGraph
from acorn.proxies._passes.sample import SMALLEST_SIDE, Samples
from acorn.proxies._passes.static import graph_pass, static_pass, survey_pass
from acorn.proxies._passes.synflow import synflow_pass
from acorn.proxies._passes.twin import twin_pass
from acorn.proxies._passes.watch import overriding

ACTIVATION_METHODS = (
    "on_activation",
    "on_second_activation",
    "on_operation",
    "on_input_gradient",
)
"""Methods by which an observer sees activations."""


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
    notes
        What a value was computed on, where it is not the usual.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    errors: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def run(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    proxies: str | Iterable[str] = "all",
    seed: int = 0,
    initialisation: str = Initialisation.AS_GIVEN,
) -> ProxyValues:
    """Compute proxies of an untrained network; all is done to a copy of it.

    Parameters
    ----------
    network
        An image classifier that maps ``(batch, 3, h, w)`` to logits.
    images
        Normalised images ``(batch, 3, h, w)``, on the device that computes.
    labels
        Classes ``(batch,)``.
    num_classes
        Width of the logits.
    proxies
        Names of proxies or of sets: ``"all"``, ``"classic"``.
    seed
        Seeds the noise of the passes that draw some.
    initialisation
        ``"as_given"``, or ``"canonical"``: see
        :func:`acorn.proxies._network.initialisation.initialise`.

    Raises
    ------
    UnknownProxyError
        For a name that is not registered.
    InputError
        For another initialisation, and for a network that cannot be measured: see
        :func:`acorn.graph.replica.replicate` and
        :meth:`acorn.proxies._network.measured.MeasuredNetwork.survey`.
    torch.OutOfMemoryError
        A smaller batch would give other values, so nothing is retried.
    """
    wanted = select(proxies)
    canonical = policy_of(initialisation) is Initialisation.CANONICAL
    observers = {
        proxy.name: proxy.definition() for proxy in wanted if isinstance(proxy.definition, type)
    }
    watchers: dict[Pass, list[Observer]] = {pass_: [] for pass_ in Pass}
    for proxy in wanted:
        if proxy.name in observers:
            observers[proxy.name].seed = seed
            for pass_ in proxy.reads:
                watchers[pass_].append(observers[proxy.name])
    with torch.inference_mode(mode=False), torch.enable_grad():
        images, labels = (x.clone() if x.is_inference() else x for x in (images, labels))
        images = laid_out(images)
        measured = MeasuredNetwork(network, images.device)
        tensors = (*measured.module.parameters(), *measured.module.buffers())
        with measuring(measured.functions, tensors):
            records = Records(labels, num_classes)
            needed = {pass_ for proxy in wanted for pass_ in proxy.reads}
            steps = _steps(measured, images, records, needed, watchers)
            if canonical:
                steps[Pass.SURVEY] = _initialised(steps[Pass.SURVEY], measured, seed)
            failures, seconds = _run_passes(steps, needed, seed)
            with torch.no_grad():
                result = _read(wanted, observers, records, failures, seconds)
    if measured.functions.opaque:
        _withdraw(result, observers, measured.functions.opaque)
    _note_size(result, records)
    return result


def laid_out(images: Tensor) -> Tensor:
    """Put channels last on a CPU: kernels are a third faster so, and values are the same."""
    if images.device.type == "cpu":
        return images.contiguous(memory_format=torch.channels_last)
    return images


def _initialised(
    survey: Callable[[], None], network: MeasuredNetwork, seed: int
) -> Callable[[], None]:
    """Initialise the network once the survey has shown what it is made of."""

    def run_both() -> None:
        survey()
        initialise(network, seed)

    return run_both


def _withdraw(result: ProxyValues, observers: dict[str, Observer], opaque: Iterable[str]) -> None:
    """Leave out values that are made of activations of which some could not be watched."""
    names = ", ".join(sorted(opaque))
    for name, observer in observers.items():
        if any(overriding([observer], method) for method in ACTIVATION_METHODS):
            result.values[name] = None
            result.errors.pop(name, None)
            result.reasons[name] = (
                f"the network runs functions of its own that may be activations ({names}), which "
                "cannot be watched"
            )


def _note_size(result: ProxyValues, records: Records) -> None:
    """Say on which size of image a proxy was computed that asks for a larger one."""
    size = getattr(records, "sample_size", None)
    if size is not None and min(size) < SMALLEST_SIDE:
        for proxy in select(result.values):
            if Pass.SAMPLE in proxy.reads and result.values[proxy.name] is not None:
                result.notes[proxy.name] = (
                    f"on an image of {size[0]} x {size[1]} pixels: the network does not take "
                    f"{SMALLEST_SIDE} x {SMALLEST_SIDE}"
                )


def _steps(
    network: MeasuredNetwork,
    images: Tensor,
    records: Records,
    needed: set[Pass],
    watchers: dict[Pass, list[Observer]],
) -> dict[Pass, Callable[[], None]]:
    """Say how to run each pass, in the order of :class:`Pass`."""
    loss = LossGraph(network, images, records, watchers[Pass.LOSS])
    halves = HalvesGraph(network, images, records, watchers[Pass.HALVES], watchers[Pass.LOGITS])
    random = RandomGraph(network, images, records, watchers[Pass.RANDOM])
    samples = Samples(network, images, records)

    def run_loss() -> None:
        loss.loss(keep_graph=Pass.JACOBIAN in needed, differentiable=Pass.HESSIAN in needed)

    return {
        Pass.STATIC: lambda: static_pass(network, records),
        Pass.SURVEY: lambda: survey_pass(network, images, records, record=Pass.GRAPH in needed),
        Pass.GRAPH: lambda: graph_pass(network, records),
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
        Pass.SAMPLE: lambda: samples.sample(watchers[Pass.SAMPLE]),
        Pass.REDRAWN: lambda: samples.redrawn(watchers[Pass.REDRAWN]),
        Pass.FISHER_EIGEN: lambda: fisher_eigen_pass(network, images, records),
    }


def _run_passes(
    steps: dict[Pass, Callable[[], None]], needed: set[Pass], seed: int
) -> tuple[dict[Pass, str], dict[str, float]]:
    """Run the needed passes; a pass that fails takes only its own readers with it."""
    needed = needed | {REQUIRES[pass_] for pass_ in needed if pass_ in REQUIRES}
    if needed - {Pass.STATIC}:
        needed.add(Pass.SURVEY)
    failures: dict[Pass, str] = {}
    seconds: dict[str, float] = {}
    for pass_ in Pass:
        if pass_ not in needed:
            continue
        if REQUIRES.get(pass_) in failures:
            failures[pass_] = failures[REQUIRES[pass_]]
            continue
        seed_all(seed)  # so that no value hangs on which other passes ran
        start = time.perf_counter()
        try:
            steps[pass_]()
        except (torch.OutOfMemoryError, InputError):
            raise
        except Exception as error:  # any network may fail in any way
            failures[pass_] = f"{pass_} pass: {said(error)}"
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
            reasons[proxy.name] = said(error)
    numbers = iter(
        torch.cat([draws.flatten() for draws in drawn.values()]).tolist() if drawn else []
    )
    result = ProxyValues({proxy.name: None for proxy in wanted}, reasons, seconds=seconds)
    for proxy in wanted:
        if proxy.name in drawn:
            _enter(result, proxy, [*islice(numbers, drawn[proxy.name].numel())])
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
