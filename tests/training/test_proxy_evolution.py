"""Genetic programming of proxies: statistics, programs, fitness and breeding."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from acorn.datasets import get_dataset
from acorn.errors import InputError, MismatchError
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from training.commands.main import run
from training.proxy_evolution.fitness import WORST, Fitness, stratified
from training.proxy_evolution.genetic_programming import ProgramSearch, evolve_programs
from training.proxy_evolution.layer_statistics import STATISTICS, layer_statistics
from training.proxy_evolution.network_statistics import NetworkStatistics, measure_networks
from training.proxy_evolution.program import Program

DATASET = get_dataset("ImageNet16-120")
SPACE = get_space("graph")


def network(width: int, depth: int) -> str:
    nodes, last = [], "input"
    for layer in range(depth):
        conv = {"name": f"conv{layer}", "op": "conv", "inputs": [last], "out_channels": width}
        nodes += [conv | {"kernel": 3, "stride": 2 if layer == 0 else 1, "padding": 1}]
        nodes += [{"name": f"relu{layer}", "op": "relu", "inputs": [f"conv{layer}"]}]
        last = f"relu{layer}"
    graph = json.loads(SPACE.example)
    graph["nodes"] = [*nodes, *graph["nodes"][3:]]
    graph["nodes"][len(nodes)]["inputs"] = [last]
    return SPACE.parse(graph).canonical


NETWORKS = [network(width, depth) for width in range(2, 10) for depth in (1, 2, 3)]


def statistics_of(rows: dict[str, list[list[float]]]) -> NetworkStatistics:
    """Statistics of networks, given layer by layer; those not given are random."""
    (lengths,) = {tuple(map(len, networks)) for networks in rows.values()}
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=sum(lengths)) for name in STATISTICS}
    columns |= {
        name: np.concatenate([np.array(layers, float) for layers in each])
        for name, each in rows.items()
    }
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return NetworkStatistics([*map(str, range(len(lengths)))], starts, columns)


def test_statistics_of_a_network() -> None:
    torch.manual_seed(0)
    net = SPACE.build(network(4, 2), DATASET)
    net.eval()
    images = torch.randn(3, 3, 16, 16)
    outputs: list[torch.Tensor] = []
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    hook = convs[1].register_forward_hook(lambda _m, _i, out: outputs.append(out.detach()))
    net(images)
    hook.remove()
    frame = layer_statistics(net, images)
    assert frame.columns == list(STATISTICS)
    assert len(frame) == 3  # two convolutions and the head
    row = frame.row(1, named=True)
    assert row["weight.size"] == convs[1].weight.numel()
    assert row["weight.l2"] == pytest.approx(convs[1].weight.norm().item())
    assert row["data.output.mean"] == pytest.approx(outputs[0].mean().item(), rel=1e-4)
    assert row["data.output.positive"] == pytest.approx((outputs[0] > 0).float().mean().item())
    assert 1 <= row["data.output.rank"] <= 3
    assert row["noise.output.mean"] != row["perturbed.output.mean"] != row["data.output.mean"]
    head = frame.row(2, named=True)  # the gradient of a sum of logits in each of them is 1
    assert head["data.output_gradient.mean"] == head["noise.output_gradient.max"] == 1
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    assert layer_statistics(net, images).equals(frame)
    assert not layer_statistics(net, images, seed=1).equals(frame)


def test_statistics_are_kept(tmp_path: Path) -> None:
    recipe = FeatureRecipe.create("ImageNet16-120", (), batch_size=2)
    path = tmp_path / "s.parquet"
    calls: list[tuple[int, int]] = []

    def measure(archs: list[str]) -> NetworkStatistics:
        return measure_networks(
            recipe, "graph", archs, path, workers=1, on_progress=lambda *now: calls.append(now)
        )

    measure(NETWORKS[:2])
    statistics = measure(NETWORKS[2::-1])
    assert calls == [(1, 2), (2, 2), (1, 1)]
    assert statistics.archs == NETWORKS[2::-1]
    assert statistics.starts.tolist() == [0, 4, 7]
    assert Program("network.layers")(statistics).tolist() == [4, 3, 2]
    other = FeatureRecipe.create("ImageNet16-120", (), batch_size=2, seed=1)
    with pytest.raises(MismatchError, match="seed is 0, expected 1"):
        measure_networks(other, "graph", NETWORKS[:1], path)


def test_programs() -> None:
    statistics = statistics_of(
        {"weight.l2": [[1, -2, 3], [0, 4]], "weight.mean": [[1, 1, 1], [2, 5]]}
    )
    for document, expected in (
        (["reduce.sum", "weight.l2"], [2, 4]),
        (["reduce.mean", ["layers.abs", "weight.l2"]], [2, 2]),
        (["reduce.last", ["layers.multiply", "weight.l2", "weight.mean"]], [3, 20]),
        (["reduce.sum", ["layers.divide", "weight.mean", "weight.l2"]], [1 - 1 / 2 + 1 / 3, 5 / 4]),
        (["reduce.maximum", ["layers.change", "weight.l2"]], [5, 4]),
        (["reduce.maximum", ["layers.share", "weight.mean"]], [1 / 3, 5 / 7]),
        (["reduce.std", "weight.mean"], [0, 1.5]),
        (["network.subtract", "network.layers", ["reduce.minimum", "weight.l2"]], [5, 2]),
    ):
        program = Program.parse(document)
        assert program(statistics).tolist() == pytest.approx(expected)
        assert Program.parse(json.loads(json.dumps(program.tree))) == program
    deep: object = "weight.l2"
    for _ in range(40):
        deep = ["layers.abs", deep]
    for bad in (
        "weight.l2", "os.system", ["reduce.sum"], ["reduce.sum", "network.layers"],
        ["__import__", "weight.l2"], ["reduce.sum", ["reduce.sum", "weight.l2"]], 3, None, [],
        ["reduce.sum", "weight.l2", "weight.l2"], {"reduce.sum": "weight.l2"},
        ["reduce.sum", deep], [["reduce.sum"], "weight.l2"],
    ):  # fmt: skip
        with pytest.raises(InputError):
            Program.parse(bad)


def test_fitness_is_the_worst_draw() -> None:
    labels = np.concatenate([np.linspace(0, 10, 5), np.linspace(90, 92, 75)])
    rows = np.arange(80)
    fitness = Fitness.of(labels[:, None], rows, draws=2, seed=0)
    assert len(fitness.tasks) == 4
    assert fitness(labels) == 1
    assert fitness(-labels) == -1
    assert fitness(np.full(80, 3.0)) == WORST
    assert fitness(np.where(rows == 7, np.nan, labels)) == WORST
    noisy = labels + np.random.default_rng(0).normal(size=80)
    both = Fitness.of(np.column_stack([labels, noisy]), rows, draws=2, seed=0)
    assert both(labels) < 1
    even = stratified(labels, 8, np.random.default_rng(0))
    assert len(set(even)) == 8
    assert (labels[even] < 50).sum() >= 4  # of which a plain draw would have half a one


@pytest.mark.slow
def test_breeding_finds_what_is_there() -> None:
    rng = np.random.default_rng(1)
    layers = [rng.lognormal(size=rng.integers(2, 6)).tolist() for _ in range(60)]
    statistics = statistics_of(
        dict.fromkeys(("weight.l1", "weight.l2", "weight.max", "weight.std"), layers)
    )
    truth = np.array([sum(each) for each in layers])
    fitness = Fitness.of(truth[:, None], np.arange(60), draws=1, seed=0)
    settings = ProgramSearch(population=60, generations=6, seed=0)
    found = evolve_programs(lambda program: fitness(program(statistics)), settings)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert len({program for program, _ in found}) == 5
    drawn = evolve_programs(
        lambda program: fitness(program(statistics)), ProgramSearch(4, 1, seed=9)
    )
    assert scores[0] > max(0.5, drawn[0][1])
    assert evolve_programs(lambda program: fitness(program(statistics)), settings) == found


@pytest.mark.slow
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = pl.DataFrame(
        {"arch": NETWORKS, "ImageNet16-120.clean": [10.0 + n for n in range(len(NETWORKS))]}
    )
    table = tmp_path / "l.parquet"
    labels.write_parquet(table)
    out = tmp_path / "p.json"
    common = ["evolve", "--space", "graph", "--dataset", "ImageNet16-120", "--batch-size", "2"]
    common += ["--workers", "1", "--json"]
    small = ["--population", "8", "--generations", "2", "--networks", "22"]
    assert run([*common, *small, "--labels", str(table), "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    printed = json.loads(capsys.readouterr().out)
    assert printed["programs"] == written["programs"]
    best = written["programs"][0]
    assert set(best["tau"]) == {"train", "held_out"}
    assert best["fitness"] <= best["tau"]["train"]["clean"] + 0.5
    assert written["simple"]["fitness"] > 0.5  # width or depth alone says much here
    assert len(written["train"]) == 12  # and 10 held out, of the 22 of all 24

    arguments = [*common, "--labels", str(table), "--score", str(out)]
    assert run([*arguments, "--statistics", str(tmp_path / "p.statistics.parquet")]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["networks"] == 24 - len(written["train"])
    assert [each["text"] for each in scored["programs"]] == [
        each["text"] for each in written["programs"]
    ]

    out.write_text(json.dumps(written | {"programs": [{"program": ["exec", "1"]}]}))
    assert run(arguments) == 2
    assert "in a program; expected" in capsys.readouterr().err
    assert run([*common, "--labels", str(table)]) == 2
    assert "expected either --out" in capsys.readouterr().err
    assert run([*common, "--labels", str(table), "--out", str(out), "--networks", "9"]) == 2
    assert "expected at least 10 of each" in capsys.readouterr().err
