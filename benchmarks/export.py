"""Which networks of timm can be written as declared graphs.

``python -m benchmarks.export --names 150 --out export.json`` takes names in turn from each of
timm's modules, writes their graphs, and counts those for which :func:`acorn.export_graph` succeeds:
it compares parameters, FLOPs and structure features by itself. Needs the extra timm.
"""

import argparse
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch

import acorn
from acorn.errors import InputError
from acorn.optional import need

SIZE = 224
"""Height and width of the images, pixels; smaller if the network's own are."""


def chosen_names(count: int, *, seed: int) -> list[str]:
    """Draw names: one of each of timm's modules, then a second of each, and so on."""
    timm = need("timm", extra="timm")
    by_module: dict[str, list[str]] = defaultdict(list)
    for name in timm.list_models():
        by_module[timm.models._registry._model_to_module[name]].append(name)
    rng = random.Random(seed)
    lists = [rng.sample(names, len(names)) for _, names in sorted(by_module.items())]
    return [name for name in chain.from_iterable(zip_longest(*lists)) if name][:count]


def export(name: str) -> dict[str, Any]:
    """Write the graph of one network: as it is built by default, or for the size of its images."""
    timm = need("timm", extra="timm")
    start = time.perf_counter()
    usual = timm.get_pretrained_cfg(name).input_size[1]
    size = min(usual, SIZE)
    reason = ""
    for options, side in (({}, size), ({"img_size": size}, size), ({}, usual)):
        try:
            with torch.device("meta"):
                network = timm.create_model(name, **options)
            graph = acorn.export_graph(network, (3, side, side))["arch"]
        except TypeError:  # it has no such option
            continue
        except InputError as error:
            reason = str(error)
            if " fails on " in reason:  # of another size
                continue
            break
        seconds = time.perf_counter() - start
        return {"name": name, "size": side, "nodes": len(graph["nodes"]), "seconds": seconds}
    return {"name": name, "reason": reason, "seconds": time.perf_counter() - start}


def main(arguments: Sequence[str] | None = None) -> None:
    """Export a sample, and print the share and the reasons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for name in chosen_names(options.names, seed=options.seed):
        try:
            row = export(name)
        except Exception as error:  # timm's constructors raise errors of any class
            row = {"name": name, "reason": f"{type(error).__name__}: {error}"}
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1))
    exported = sum("nodes" in row for row in rows)
    print(f"{exported} of {len(rows)} networks ({exported / len(rows):.0%})")
    calls = (re.search(r"calls (\w+)", row["reason"]) for row in rows if "reason" in row)
    for call, n in Counter(found[1] if found else "other" for found in calls).most_common():
        print(f"{n:4d} {call}")


if __name__ == "__main__":
    main()
