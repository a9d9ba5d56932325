"""Count what one network asks of a device: ``python -m benchmarks.operations``.

Nothing is timed, so no GPU is needed: a GPU waits for launches and for reads long before it is
busy. Counted are the operations that PyTorch dispatches, without those that only give another view
of memory; decompositions, each of which makes the host wait; convolutions in double precision, in
which most GPUs are 32 to 64 times slower; and reads of values by the host.

The network is the example cell of nats_tss for CIFAR-10 at a batch of 32; ``--space`` takes the
example of another space. ``--networks`` counts the examples of four spaces instead, and resnet18
if torchvision is installed, each on small images: counts do not depend on their size.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.proxies import list_proxies, run, select
from acorn.proxies._engine import engine
from acorn.proxies._engine.pass_registry import Measurement, Pass
from acorn.spaces import get_space
from benchmarks.passes import training_step

VIEWS = frozenset(
    ("_reshape_alias", "_unsafe_view", "alias", "as_strided", "detach", "diagonal", "expand",
     "lift_fresh", "permute", "select", "slice", "split", "split_with_sizes", "squeeze", "t",
     "transpose", "unbind", "unfold", "unsqueeze", "view")
)  # fmt: skip
"""Operations that move nothing in memory."""

DECOMPOSITIONS = frozenset(
    ("_linalg_det", "_linalg_eigh", "_linalg_slogdet", "_linalg_svd", "linalg_cholesky_ex",
     "linalg_eig", "linalg_lu_factor_ex", "linalg_qr")
)  # fmt: skip
READS = frozenset(("_local_scalar_dense", "nonzero", "is_nonzero", "equal"))
CONVOLUTIONS = frozenset(("convolution", "convolution_backward"))

SPACES = ("nats_tss", "nats_sss", "nasbench_macro", "darts")
"""Whose example networks are compared."""

SIDE = 16
"""Pixels a side of their images."""

COPYING, READING = "(copying)", "(reading)"
"""What the engine does before and after its passes."""


@dataclass(slots=True)
class Counts:
    """What was asked of a device.

    Attributes
    ----------
    operations : int
        Without views.
    decompositions : int
        Of matrices, or of stacks of matrices.
    doubles : int
        Convolutions in double precision, forward and backward.
    reads : int
        By which the host waits for a value.
    kinds : Counter
        Operations by name.
    """

    operations: int = 0
    decompositions: int = 0
    doubles: int = 0
    reads: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.operations + other.operations,
            self.decompositions + other.decompositions,
            self.doubles + other.doubles,
            self.reads + other.reads,
            self.kinds + other.kinds,
        )


class OperationCounter(TorchDispatchMode):
    """Counts the operations inside, by what :attr:`place` is at the time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place = COPYING
        self.counts: dict[str, Counts] = defaultdict(Counts)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count one operation."""
        name = func.overloadpacket.__name__
        counts = self.counts[self.place]
        if name not in VIEWS:
            counts.operations += 1
            counts.kinds[name] += 1
        counts.decompositions += name in DECOMPOSITIONS
        counts.doubles += name in CONVOLUTIONS and args[0].dtype is torch.float64
        counts.reads += name in READS
        return func(*args, **(kwargs or {}))


def count(
    network: nn.Module, images: Tensor, labels: Tensor, num_classes: int, proxies: Iterable[str]
) -> Mapping[str, Counts]:
    """Count by pass what the engine asks of a device for these proxies.

    Returns
    -------
    mapping of str to Counts
        By name of a pass; :data:`COPYING` and :data:`READING` stand for what is outside of them.
    """
    counter = OperationCounter()

    def placed(pass_: Pass, measurement: Measurement) -> None:
        counter.place = pass_.name
        try:
            pass_.run(measurement)
        finally:
            counter.place = READING

    before, engine.run_pass = engine.run_pass, placed
    try:
        with counter:
            run(network, images, labels, num_classes=num_classes, proxies=proxies)
    finally:
        engine.run_pass = before
    # The vector is turned into a list by one call, which dispatches nothing on a CPU.
    counter.counts[READING].reads += 1
    return counter.counts


def count_step(network: nn.Module, images: Tensor, labels: Tensor) -> Counts:
    """Count what one forward and backward of the cross-entropy asks."""
    with OperationCounter() as counter:
        training_step(network, images, labels)
    return counter.counts[COPYING]


def total(counts: Mapping[str, Counts]) -> Counts:
    """Add counts up."""
    return sum(counts.values(), Counts())


def example(space: str, batch: int) -> tuple[nn.Module, Tensor, Tensor, int]:
    """Build a space's example network for CIFAR-10, and a batch for it."""
    dataset = get_dataset("cifar10")
    found = get_space(space)
    torch.manual_seed(0)
    network = found.build(found.parse(found.example).canonical, dataset)
    images = embedded_batch(dataset, size=batch)
    return network, images.images, images.labels, dataset.num_classes


def networks(batch: int) -> Iterator[tuple[str, nn.Module, Tensor, Tensor, int]]:
    """Build one network of each kind, with images of :data:`SIDE` pixels a side.

    Yields
    ------
    tuple of str, torch.nn.Module, Tensor, Tensor, int
        Name, network, images, labels, number of classes.
    """
    for space in SPACES:
        network, images, labels, classes = example(space, batch)
        yield space, network, images[:, :, :SIDE, :SIDE], labels, classes
    if find_spec("torchvision") is not None:
        models = import_module("torchvision.models")
        torch.manual_seed(0)
        _, images, labels, classes = example(SPACES[0], batch)
        yield "resnet18", models.resnet18(num_classes=classes), images, labels, classes


def _print_networks(batch: int) -> None:
    """Print a table by network: for the classic proxies and for all."""
    print("| network | step | proxies | operations | decompositions | double | reads |")
    print("|---|---|---|---|---|---|---|")
    for name, network, images, labels, classes in networks(batch):
        step = count_step(network, images, labels).operations
        for proxies in ("classic", "all"):
            asked = total(count(network, images, labels, classes, proxies))
            print(_row(f"{name} | {step:,} | {proxies}", asked), flush=True)


def _row(name: str, counts: Counts) -> str:
    return (
        f"| {name} | {counts.operations:,} | {counts.decompositions} | {counts.doubles} | "
        f"{counts.reads} |"
    )


def main() -> None:
    """Print the tables by pass and by proxy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--space", default="nats_tss", help="whose example network is counted")
    parser.add_argument("--batch", type=int, default=32, help="images")
    parser.add_argument("--networks", action="store_true", help="count networks of four spaces")
    arguments = parser.parse_args()
    if arguments.networks:
        _print_networks(arguments.batch)
        return
    network, images, labels, classes = example(arguments.space, arguments.batch)
    step = count_step(network, images, labels)
    heads = "operations | decompositions | convolutions in double precision | reads |"
    print(f"One forward and backward: {step.operations:,} operations.\n")
    for names in ("classic", "all"):
        counts = count(network, images, labels, classes, names)
        print(f"| pass, for {len(select(names))} proxies | {heads}\n|---|---|---|---|---|")
        for name, part in sorted(counts.items(), key=lambda item: -item[1].operations):
            print(_row(name, part))
        print(_row("together", total(counts)) + "\n")
    print(f"| proxy, alone | {heads}\n|---|---|---|---|---|")
    for name in list_proxies():
        print(_row(name, total(count(network, images, labels, classes, [name]))))


if __name__ == "__main__":
    main()
