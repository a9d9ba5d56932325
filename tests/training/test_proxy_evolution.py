"""Genetic programming of proxies: statistics, programs, fitness and breeding."""

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import kendalltau
from torch import nn

from acorn.datasets import get_dataset
from acorn.errors import InputError, MismatchError
from acorn.features.recipe import FeatureRecipe
from acorn.proxies._programs.layer_statistics import STATISTICS, layer_statistics
from acorn.proxies._programs.layer_table import LayerTable
from acorn.proxies._programs.program import Program
from acorn.spaces import get_space
from tests.proxies.small import measured
from training.commands.main import run
from training.proxy_evolution import widths
from training.proxy_evolution.fitness import Draw, Fitness, Floats, Task, stratified
from training.proxy_evolution.genetic_programming import ProgramSearch, evolve_programs
from training.proxy_evolution.network_statistics import measure_networks

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


def table_of(rows: dict[str, list[list[float]]]) -> LayerTable:
    """Statistics of networks, given layer by layer; those not given are random."""
    (lengths,) = {tuple(map(len, networks)) for networks in rows.values()}
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=sum(lengths)) for name in STATISTICS}
    columns |= {
        name: np.concatenate([np.array(layers, float) for layers in each])
        for name, each in rows.items()
    }
    return LayerTable(np.concatenate([[0], np.cumsum(lengths)[:-1]]), columns)


def statistics_of(
    network: nn.Module, images: torch.Tensor, columns: Collection[str] = STATISTICS, seed: int = 0
) -> dict[str, list[float]]:
    labels = torch.arange(len(images))
    with measured(network, images, DATASET.num_classes) as copied:
        found = layer_statistics(copied, images, labels, columns=columns, seed=seed)
    return {name: values.tolist() for name, values in found.items()}


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
    found = statistics_of(net, images)
    assert set(found) == {*STATISTICS}
    assert len(found["layer.size"]) == 3  # two convolutions and the head
    row = {name: values[1] for name, values in found.items()}
    weight, (out,) = convs[1].weight.detach(), outputs
    assert row["layer.size"] == weight.numel()
    assert row["layer.pixels"] == out[0, 0].numel()
    assert row["layer.macs"] == weight.numel() * out[0, 0].numel()
    assert row["weight.rms"] == pytest.approx(weight.square().mean().sqrt().item(), rel=1e-5)
    assert row["data.output.mean"] == pytest.approx(out.mean().item(), rel=1e-4)
    assert row["data.output.positive"] == pytest.approx((out > 0).float().mean().item())
    assert 1 <= row["data.output.rank"] <= 3
    assert 1 <= row["data.output.patterns"] <= 8
    assert row["noise.output.mean"] != row["perturbed.output.mean"] != row["data.output.mean"]
    assert 0.9 < row["perturbed.output.cosine"] < 1
    assert -1 <= row["step.weight_gradient.cosine"] <= 1
    # The gradient of a sum of logits in each of them is 1, and that of the cross-entropy sums to 0.
    assert found["noise.output_gradient.max"][2] == 1
    assert found["data.output_gradient.mean"][2] == pytest.approx(0, abs=1e-6)
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    assert statistics_of(net, images) == found
    assert statistics_of(net, images, seed=1) != found
    few = ["weight.max", "step.output.cosine"]
    assert statistics_of(net, images, few) == {name: found[name] for name in few}


def test_statistics_are_of_a_part_of_large_tensors() -> None:
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Conv2d(3, 300, 3), nn.ReLU(), nn.Conv2d(300, 64, 3), nn.Flatten())
    net = nn.Sequential(wide, nn.Linear(64 * 12 * 12, DATASET.num_classes))
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        exact = wide[0](images).std(correction=0).item()
    assert statistics_of(net, images)["data.output.std"][0] == pytest.approx(exact, rel=0.1)


def test_statistics_of_windows() -> None:
    class Windows(nn.Module):
        """Gives a linear layer many more rows than images."""

        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.Linear(12, 12)
            self.head = nn.Linear(12, DATASET.num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            windows = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
            logits: torch.Tensor = self.head(self.inside(windows).view(len(x), -1, 12).mean(1))
            return logits

    found = statistics_of(Windows(), torch.randn(2, 3, 16, 16))
    assert all(np.isfinite(values).all() for values in found.values())


def test_statistics_are_kept(tmp_path: Path) -> None:
    recipe = FeatureRecipe.create("ImageNet16-120", (), batch_size=2)
    path = tmp_path / "s.parquet"
    calls: list[tuple[int, int]] = []

    def measure(archs: list[str]) -> LayerTable:
        return measure_networks(
            recipe, "graph", archs, path, workers=1, on_progress=lambda *now: calls.append(now)
        )

    measure(NETWORKS[:2])
    statistics = measure(NETWORKS[2::-1])
    assert calls == [(1, 2), (2, 2), (1, 1)]
    assert statistics.starts.tolist() == [0, 4, 7]
    assert Program("network.layers")(statistics).tolist() == [4, 3, 2]
    other = FeatureRecipe.create("ImageNet16-120", (), batch_size=2, seed=1)
    with pytest.raises(MismatchError, match="seed is 0, expected 1"):
        measure_networks(other, "graph", NETWORKS[:1], path)


def test_programs() -> None:
    statistics = table_of({"weight.rms": [[1, -2, 3], [0, 4]], "weight.mean": [[1, 1, 1], [2, 5]]})
    for document, expected in (
        (["reduce.sum", "weight.rms"], [2, 4]),
        (["reduce.mean", ["layers.abs", "weight.rms"]], [2, 2]),
        (["reduce.last", ["layers.multiply", "weight.rms", "weight.mean"]], [3, 20]),
        (
            ["reduce.sum", ["layers.divide", "weight.mean", "weight.rms"]],
            [1 - 1 / 2 + 1 / 3, 5 / 4],
        ),
        (["reduce.maximum", ["layers.change", "weight.rms"]], [5, 4]),
        (["reduce.maximum", ["layers.share", "weight.mean"]], [1 / 3, 5 / 7]),
        (["reduce.std", "weight.mean"], [0, 1.5]),
        (["reduce.last", ["layers.accumulated", "weight.rms"]], [2, 4]),
        (["reduce.maximum", ["layers.softmax", "weight.mean"]], [1 / 3, 1 / (1 + np.exp(-3))]),
        (["reduce.norm", ["layers.standardised", "weight.mean"]], [0, np.sqrt(2)]),
        (["reduce.weighted_mean", "weight.rms", "weight.mean"], [2 / 3, 20 / 7]),
        (["reduce.correlation", "weight.rms", "weight.mean"], [0, 1]),
        (["network.subtract", "network.layers", ["reduce.minimum", "weight.rms"]], [5, 2]),
    ):
        program = Program.parse(document)
        assert program(statistics).tolist() == pytest.approx(expected)
        assert Program.parse(json.loads(json.dumps(program.tree))) == program
    deep: object = "weight.rms"
    for _ in range(40):
        deep = ["layers.abs", deep]
    for bad in (
        "weight.rms", "os.system", ["reduce.sum"], ["reduce.sum", "network.layers"],
        ["__import__", "weight.rms"], ["reduce.sum", ["reduce.sum", "weight.rms"]], 3, None, [],
        ["reduce.sum", "weight.rms", "weight.rms"], {"reduce.sum": "weight.rms"},
        ["reduce.sum", deep], [["reduce.sum"], "weight.rms"],
    ):  # fmt: skip
        with pytest.raises(InputError):
            Program.parse(bad)


def test_a_program_is_total() -> None:
    holes = table_of({"weight.rms": [[np.nan, 1], [np.inf, 2]]})
    assert Program.parse(["reduce.sum", "weight.rms"])(holes).tolist() == [1, 2]
    grown: object = "weight.rms"
    for _ in range(12):
        grown = ["layers.exp", grown]
    assert np.isfinite(Program.parse(["reduce.sum", grown])(holes)).all()
    assert Program("network.weights").statistics == {"layer.size"}
    program = Program.parse(["reduce.cosine", "weight.rms", ["layers.log", "weight.mean"]])
    assert program.statistics == {"weight.rms", "weight.mean"}
    assert len(program) == 4
    circle: list[object] = ["layers.abs"]
    circle.append(circle)
    wide: object = "weight.rms"
    for _ in range(10):
        wide = ["layers.add", wide, wide]
    for endless in (circle, wide):
        with pytest.raises(InputError, match="more than 16 levels or 200 nodes"):
            Program.parse(["reduce.sum", endless])


def labelled(labels: Floats, *, scale: float = 1.0) -> Task:
    """Networks of one layer, whose size is the label."""
    layers = {"layer.size": [[scale * value] for value in labels]}
    return Task(f"graph/cifar10/{scale}", table_of(layers), labels)


def test_fitness_is_a_soft_minimum() -> None:
    labels = np.concatenate([np.linspace(1, 10, 5), np.linspace(90, 92, 75)])
    size = Program("network.weights")
    fitness = Fitness.of([labelled(labels)])
    assert {kind for _, kind in fitness.draws} == {"random", "stratified", "same size"}
    assert fitness(size) == pytest.approx(1)
    assert fitness(Program(("network.negative", "network.weights"))) == pytest.approx(-1)
    assert fitness(Program("network.layers")) == pytest.approx(0)
    both = Fitness.of([labelled(labels), labelled(labels, scale=-1)])
    taus = both.taus(size)
    assert len(taus) == 6
    assert sorted(taus.values()) == pytest.approx([-1] * 3 + [1] * 3)
    assert -1 < both(size) < -0.9
    missing = np.where(np.arange(80) % 2, labels, np.nan)
    assert Fitness.of([labelled(missing)])(size) == pytest.approx(1)
    even = stratified(labels, 8, np.random.default_rng(0))
    assert len(set(even)) == 8
    assert (labels[even] < 50).sum() >= 4  # of which a plain draw would have half a one


def test_networks_are_ranked_within_groups() -> None:
    task = labelled(np.array([1.0, 2.0, 3.0, 11.0, 10.0, 9.0]))
    labels = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    fitness = Fitness.of([Task("w", task.networks, labels, np.repeat([0, 1], 3))])
    assert fitness.taus(Program("network.weights")) == {("w", "within groups"): pytest.approx(0)}


def test_wider_networks_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widths, "CELLS", 2)
    task = widths.width_task("ImageNet16-120", batch_size=2)
    assert len(task.labels) == 2 * len(widths.WIDTHS)
    assert Fitness.of([task])(Program("network.weights")) == pytest.approx(1)
    assert Fitness.of([task])(Program("network.layers")) == pytest.approx(0)


def test_tau_of_pairs_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    labels, values = rng.integers(0, 6, (2, 60)).astype(np.float64)
    drawn = rng.permutation(60)[:40]
    expected = kendalltau(labels[drawn], values[drawn]).statistic
    assert Draw(drawn, labels[drawn]).tau(values) == pytest.approx(expected, abs=1e-6)
    assert Draw(drawn, labels[drawn]).tau(np.ones(60)) == 0


@pytest.mark.slow
def test_breeding_finds_what_is_there() -> None:
    rng = np.random.default_rng(1)
    layers = [rng.lognormal(size=rng.integers(2, 6)).tolist() for _ in range(60)]
    names = ("weight.l1", "weight.rms", "weight.max", "weight.std")
    truth = np.array([sum(each) for each in layers])
    tables = [table_of(dict.fromkeys(names, part)) for part in (layers, layers[::-1])]
    task, other = Task("a", tables[0], truth), Task("b", tables[1], truth[::-1])
    fitness = Fitness.of([task])
    settings = ProgramSearch(population=40, generations=6, islands=2)
    found = evolve_programs(fitness, settings)
    costs = [settings.complexity * len(program) - value for program, value in found]
    assert costs == sorted(costs)
    drawn = evolve_programs(fitness, ProgramSearch(4, 1, seed=9))
    assert found[0][1] > max(0.5, drawn[0][1])
    assert evolve_programs(fitness, settings) == found

    first = Program.parse(["reduce.sum", "weight.rms"])
    generations: list[tuple[int, int]] = []
    stopped = evolve_programs(
        fitness,
        ProgramSearch(population=8, generations=50, patience=2),
        check=Fitness.of([other]),
        first=[first],
        on_progress=lambda *now: generations.append(now),
    )
    assert stopped[0] == (first, 1.0)  # nothing is better, so evolution ends
    assert len(generations) < 10


@pytest.mark.slow
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = pl.DataFrame(
        {"arch": NETWORKS, "ImageNet16-120.clean": [10.0 + n for n in range(len(NETWORKS))]}
    )
    table = tmp_path / "l.parquet"
    labels.write_parquet(table)
    out = tmp_path / "p.json"
    common = ["evolve", "--batch-size", "2", "--workers", "1", "--json"]
    one = ["--space", "graph", "--dataset", "ImageNet16-120", "--labels", str(table)]
    small = ["--population", "8", "--generations", "2", "--networks", "22"]
    assert run([*common, *one, *small, "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    printed = json.loads(capsys.readouterr().out)
    assert printed["programs"] == written["programs"]
    best = written["programs"][0]
    assert set(best["tau"]) == {"evolve", "held_out"}
    name = "graph/ImageNet16-120/clean"
    assert set(best["tau"]["held_out"][name]) == {"random", "stratified", "same size"}
    assert written["simple"]["tau"]["evolve"][name]["random"] > 0.5  # width says much here
    assert len(written["train"]) == 12  # and 10 held out, of the 22 of all 24

    source = f"graph/ImageNet16-120={table}"
    folder = ["--statistics", str(tmp_path / "p.statistics")]
    score = [*common, *folder, "--score", str(out), "--task", source]
    assert run(score) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["tasks"] == [name]
    assert [each["text"] for each in scored["programs"]] == [
        each["text"] for each in written["programs"]
    ]

    sides = ["--stop-on", source, "--choose-on", source, "--held-out", "0", "--islands", "2"]
    transfer = tmp_path / "t.json"
    assert run([*common, *folder, *small, *sides, "--task", source, "--out", str(transfer)]) == 0
    chosen = json.loads(transfer.read_text())
    assert set(chosen["programs"][0]["tau"]) == {"evolve", "stop", "choose"}
    assert len(chosen["train"]) == 22

    capsys.readouterr()
    out.write_text(json.dumps(written | {"programs": [{"program": ["exec", "1"]}]}))
    for arguments, message in (
        (score, "in a program; expected"),
        ([*common, *one], "expected either --out"),
        ([*common, *one, "--out", str(out), "--networks", "9"], "expected at least 10"),
        ([*common, "--out", str(out)], "got no networks"),
        ([*common, "--out", str(out), "--space", "graph"], "expected all, or --task"),
        ([*common, "--out", str(out), "--task", "graph"], "expected SPACE/DATASET=LABELS"),
    ):
        assert run(arguments) == 2, arguments
        assert message in capsys.readouterr().err
