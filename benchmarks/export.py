"""Which networks of timm can be written as declared graphs.

``python -m benchmarks.export --names 150 --out export.json`` takes names in turn from each of
timm's modules, writes their graphs, and counts those for which :func:`acorn.export_graph` succeeds:
it compares parameters, FLOPs and structure features by itself. Needs the extra timm.

With ``--onnx`` each network of up to 30 million parameters is exported by ``torch.onnx``, and the
file is read by :func:`acorn.from_onnx`. Parameters and structure features of the rebuilt network
are compared with those of the original. Needs the package onnx, too.
"""

import argparse
import json
import math
import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch

import acorn
from acorn.errors import InputError
from acorn.graph import count_params, structure_features, trace
from acorn.optional import need

MOST_PARAMS = 30e6
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


def from_file(name: str) -> dict[str, Any] | None:
    """Write an ONNX file of one network, and rebuild the network; None if it is too large."""
    timm = need("timm", extra="timm")
    start = time.perf_counter()
    network = timm.create_model(name).eval()
    if count_params(network) > MOST_PARAMS:
        return None
    shape = (3, *network.pretrained_cfg["input_size"][1:])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                network,
                (torch.zeros(1, *shape),),
                path,
                dynamo=False,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
                opset_version=18,
            )
        except Exception as error:  # errors of any class, some of which hold the whole network
            return {"name": name, "reason": f"torch.onnx: {type(error).__name__}"}
        try:
            rebuilt = acorn.build_network(acorn.from_onnx(path), dataset="imagenet1k")
        except InputError as error:
            return {"name": name, "reason": str(error).replace(str(path), "the file")}
    wanted, got = (structure_features(trace(net, shape)) for net in (network, rebuilt))
    differ = [
        key for key, value in wanted.items() if not math.isclose(got[key], value, rel_tol=1e-6)
    ]
    return {
        "name": name,
        "size": shape[1],
        "nodes": int(got["graph.nodes"]),
        "params": count_params(network) == count_params(rebuilt),
        "differ": differ,
        "seconds": time.perf_counter() - start,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Export a sample, and print the share and the reasons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--onnx", action="store_true", help="write and read ONNX files")
    options = parser.parse_args(arguments)
    rows = []
    for name in chosen_names(options.names, seed=options.seed):
        try:
            row = from_file(name) if options.onnx else export(name)
        except Exception as error:  # timm's constructors raise errors of any class
            row = {"name": name, "reason": f"{type(error).__name__}: {error}"}
        if row is None:
            continue
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1))
    exported = sum("nodes" in row for row in rows)
    print(f"{exported} of {len(rows)} networks ({exported / len(rows):.0%})")
    if options.onnx:
        equal = sum(row.get("params", False) and not row["differ"] for row in rows)
        print(f"{equal} with equal parameters and structure features")
    calls = (re.search(r"calls (\w+)", row["reason"]) for row in rows if "reason" in row)
    for call, n in Counter(found[1] if found else "other" for found in calls).most_common():
        print(f"{n:4d} {call}")


if __name__ == "__main__":
    main()
