"""Measure the gain of shared passes: ``python -m benchmarks.passes``.

With ``--page`` it does not measure, but writes the tables of ``docs/passes.md`` from the registry.

The thirteen proxies of NAS-Bench-Suite-Zero, and all proxies, with the engine: (a) relative to one
forward and backward of the same network and batch, and (b) compared with the same proxies one by
one. One by one, the thirteen are plain PyTorch (:mod:`benchmarks.one_by_one`); the others are the
engine with a single proxy on a new copy. The latter takes longer than a separate pass for proxies
that read only a part of their pass (near and swap need no backward), and less time than plain
PyTorch for the others. (c) Peak memory (:mod:`benchmarks.memory`).

Times are processor seconds of one thread. All variants are measured in turn, so that changes of the
machine's speed affect all of them.
"""

import argparse
import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional

from acorn.batches import Batch, embedded_batch
from acorn.datasets import get_dataset
from acorn.proxies import list_proxies, run, select
from acorn.proxies._engine.pass_registry import PASSES
from acorn.proxies._engine.proxy_registry import Proxy
from acorn.spaces import get_space
from benchmarks import memory, one_by_one

THIRTEEN = [*one_by_one.THIRTEEN]
OTHERS = [name for name in list_proxies() if name not in one_by_one.THIRTEEN]
READING = "(reading)"
"""What the engine does after its passes: the proxies' own sums."""

PAGE = Path(__file__).resolve().parents[1] / "docs" / "passes.md"

Row = dict[str, float]


def seconds(action: Callable[..., object], *arguments: object) -> float:
    """Measure the processor seconds of one call."""
    start = time.process_time()
    action(*arguments)
    return time.process_time() - start


def training_step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Run one forward and backward of the cross-entropy."""
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()


def measure(
    network: nn.Module, batch: Batch, num_classes: int, repeats: int
) -> tuple[Row, dict[str, float]]:
    """Return median processor seconds of each variant, and the share of each pass in them."""
    images, labels = batch.images, batch.labels
    trained = copy.deepcopy(network).train()
    spent: dict[str, list[float]] = defaultdict(list)
    passes: dict[str, list[float]] = defaultdict(list)

    def engine(names: Iterable[str], on: nn.Module = network) -> dict[str, float]:
        return run(on, images, labels, num_classes=num_classes, proxies=names).seconds

    def whole() -> None:
        start = time.perf_counter()
        clocked = engine("all")
        took = time.perf_counter() - start
        for name, wall_clock in clocked.items():
            passes[name].append(wall_clock / took)
        passes[READING].append(1 - sum(clocked.values()) / took)

    def others() -> None:
        for name in OTHERS:
            engine([name], copy.deepcopy(network))

    ways: dict[str, Callable[[], object]] = {
        "thirteen": lambda: engine(THIRTEEN),
        "thirteen one by one": lambda: one_by_one.compute(network, images, labels),
        "whole": whole,
        "others one by one": others,
    }
    training_step(trained, images, labels)  # warms caches and the allocator
    whole()
    passes.clear()
    for _ in range(repeats):
        for name, way in ways.items():
            spent["step"].append(seconds(training_step, trained, images, labels))
            spent[name].append(seconds(way))
    row = {name: median(values) for name, values in spent.items()}
    row["whole one by one"] = row["thirteen one by one"] + row["others one by one"]
    return row, {name: median(shares) for name, shares in passes.items()}


def proxy_table(proxies: Iterable[Proxy]) -> str:
    """Return the Markdown table of proxies: name, passes, first line of the documentation."""
    order = [*PASSES.values()]
    rows = sorted(
        ([order.index(pass_) for pass_ in proxy.reads], proxy.name, proxy) for proxy in proxies
    )
    lines = ["| proxy | reads | value |", "|---|---|---|"]
    for _, name, proxy in rows:
        passes = ", ".join(pass_.name for pass_ in proxy.reads)
        unstable = " (unstable)" if proxy.unstable else ""
        lines.append(f"| `{name}`{unstable} | {passes} | {_cell(proxy.summary)} |")
    return "\n".join(lines)


def pass_table() -> str:
    """Return the Markdown table of passes: name, predecessor, cost, and computation."""
    lines = [
        "| pass | after | cost | what it does | records | shows |",
        "|---|---|--:|---|---|---|",
    ]
    for pass_ in PASSES.values():
        after = pass_.after.name if pass_.after else ""
        named = [", ".join(f"`{name}`" for name in names) for names in (pass_.fills, pass_.shows)]
        cells = [f"`{pass_.name}`", after, f"{pass_.cost:g}", _cell(pass_.summary), *named]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """Replace both tables between their markers in the text of the page."""
    for name, table in (("proxies", proxy_table(select())), ("passes", pass_table())):
        begin = f"<!-- {name}: written by python -m benchmarks.passes --page -->\n\n"
        end = f"\n\n<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    return text


def _cell(text: str) -> str:
    """Escape the bars of norms and absolute values."""
    return text.replace("|", "\\|")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--page", action="store_true", help="write the tables of docs/passes.md")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
        return

    torch.set_num_threads(1)
    torch.manual_seed(0)
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=options.batch_size)
    specs = [space.example, *space.sample(options.cells - 1, seed=1)]
    print(
        f"batch of {len(batch.images)}, one thread, torch {torch.__version__}; one by one: "
        f"{len(THIRTEEN)} proxies in plain PyTorch, {len(OTHERS)} by the engine, each alone"
    )
    rows, shares = [], []
    for arch in (space.parse(spec).canonical for spec in specs):
        network = space.build(arch, dataset)
        row, share = measure(network, batch, dataset.num_classes, options.repeats)
        rows.append(row)
        shares.append(share)
        print(f"{arch}\n  forward+backward {row['step']:.3f} s")
        for what in ("thirteen", "whole"):
            shared, single = row[what], row[f"{what} one by one"]
            print(
                f"  {what:8s}  engine {shared:6.3f} s   one by one {single:6.3f} s"
                f"   (a) {shared / row['step']:5.2f}   (b) {single / shared:.2f}"
            )
    _print_passes(rows, shares)
    memory.report(min(options.cells, memory.CELLS), options.batch_size)
    for what, count in (("thirteen", len(THIRTEEN)), ("whole", len(THIRTEEN) + len(OTHERS))):
        a = median(row[what] / row["step"] for row in rows)
        b = median(row[f"{what} one by one"] / row[what] for row in rows)
        print(f"(a) engine / forward+backward, {count} proxies: {a:.2f}")
        print(f"(b) one by one / engine, {count} proxies:       {b:.2f}")


def _print_passes(rows: list[Row], shares: list[dict[str, float]]) -> None:
    print("time of all proxies by pass: share, and forwards+backwards")
    for name in shares[0]:
        share = median(each[name] for each in shares)
        pairs = zip(rows, shares, strict=True)
        steps = median(each[name] * row["whole"] / row["step"] for row, each in pairs)
        print(f"  {name:12s} {share:6.1%} {steps:6.2f}")


if __name__ == "__main__":
    main()
