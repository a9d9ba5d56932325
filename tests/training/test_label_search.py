"""Searching and labelling in turn."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from acorn.errors import InputError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from training.commands.main import run
from training.nas.label_search import (
    FIRST,
    LabelSearch,
    MeasurementError,
    read_values,
    run_command,
)

SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
PROGRAM = """
import json, sys
*_, arch = sys.argv
with open("calls.txt", "a") as calls:
    calls.write(arch + "\\n")
widths = [int(width) for width in arch.split(":")]
print("epoch 1")
if widths[0] == 64:
    sys.exit("no memory")
print(json.dumps({"clean": 60 + sum(widths) / 16, "other": None}))
"""


def population(n: int) -> FeatureTable:
    """Networks whose accuracy depends on their size and, less, on their depth."""
    rng = np.random.default_rng(0)
    rows = [
        FeatureRow(
            f"nats_sss/{number}",
            {"graph.log_params": float(size), "graph.path_mean": float(depth), "graph.joins": 1.0},
        )
        for number, (size, depth) in enumerate(rng.random((n, 2)))
    ]
    return FeatureTable.from_rows(rows, SETTINGS)


def truth(table: FeatureTable) -> dict[str, float]:
    X = table.matrix(["graph.log_params", "graph.path_mean"]).astype(float)
    labels = 90 - 40 * (X[:, 0] - 0.6) ** 2 - 10 * (X[:, 1] - 0.2) ** 2
    return dict(zip([id_.partition("/")[2] for id_ in table.ids], labels.tolist(), strict=True))


@pytest.mark.parametrize("sign", [1, -1])
def test_it_finds_the_best_even_if_the_prior_misleads(sign: int) -> None:
    table = population(300)
    X = table.matrix(["graph.log_params", "graph.path_mean"]).astype(float)
    values = 50 + sign * (40 * X[:, 0] + 5 * np.sin(6 * X[:, 1]))
    labels = dict(zip([id_.partition("/")[2] for id_ in table.ids], values.tolist(), strict=True))
    search = LabelSearch(table, "nats_sss", ["clean"])
    search.run(lambda arch: {"clean": labels[arch]}, 25)
    assert len(search.labels) == 25
    assert search.front()["clean"][0] == values.max()


def test_half_of_the_first_labels_are_good_by_the_prior() -> None:
    table = population(300)
    X = table.matrix(["graph.log_params"])[:, 0].tolist()
    size = dict(zip([id_.partition("/")[2] for id_ in table.ids], X, strict=True))
    others = []
    for seed in range(5):
        search = LabelSearch(table, "nats_sss", ["clean"], seed)
        search.run(lambda _: {"clean": 50.0}, FIRST)
        first = [size[arch] for arch in search.labels]
        assert min(first[::2]) > 0.6
        others += first[1::2]
    assert min(others) < 0.6
    anything = LabelSearch(table, "nats_sss", ["latency.gpu"])
    anything.run(lambda _: {"latency.gpu": 1.0}, FIRST)
    assert min(size[arch] for arch in anything.labels) < 0.6


def test_equal_labels_do_not_stop_a_search() -> None:
    search = LabelSearch(population(20), "nats_sss", ["clean"])
    search.run(lambda _: {"clean": 10.0}, 12)
    assert len(search.labels) == 12


def test_several_objectives_give_a_front() -> None:
    table = population(100)
    labels = truth(table)

    def measure(arch: str) -> Mapping[str, float]:
        return {"clean": labels[arch], "throughput.gpu": 1000 - 9 * labels[arch]}

    search = LabelSearch(table, "nats_sss", ["clean", "throughput.gpu"])
    search.run(measure, 12)
    front = search.front()
    assert len(front) == 12  # what is better by one objective is worse by the other
    assert front["clean"].to_list() == sorted(front["clean"], reverse=True)


def test_failures_cost_a_label_and_are_not_repeated() -> None:
    table = population(10)
    reasons = []

    def measure(arch: str) -> Mapping[str, float]:
        if arch == "3":
            raise MeasurementError("out of memory")
        return {"clean": 50.0 + int(arch)}

    search = LabelSearch(table, "nats_sss", ["clean"], labels={"0": {"clean": 50.0}})
    search.run(measure, 100, on_label=lambda arch, _, reason: reasons.append((arch, reason)))
    assert len(search.labels) == 10
    assert [pair for pair in reasons if pair[1]] == [("3", "out of memory")]
    assert search.labels["3"] is None
    assert search.front()["arch"].to_list() == ["9"]
    assert search.suggest() is None


@pytest.mark.parametrize(
    ("line", "value"),
    [("93.1", 93.1), ('{"clean": 93.1, "more": [1]}', 93.1), ("0", 0.0), ("100", 100.0)],
)
def test_last_lines_that_are_read(line: str, value: float) -> None:
    assert read_values(line, ["clean"]) == {"clean": value}


@pytest.mark.parametrize(
    "line", ["", "ok", "101", "-1", "NaN", "true", "null", "[93]", "{}", '{"clean": "93"}', "{"]
)
def test_last_lines_that_are_refused(line: str) -> None:
    with pytest.raises(MeasurementError, match=r"expected a number from 0 to 100 for clean"):
        read_values(line, ["clean"])


def test_a_number_is_not_enough_for_two_objectives() -> None:
    with pytest.raises(MeasurementError, match="for clean"):
        read_values("93", ["clean", "pgd_linf_1.0"])


def test_commands_run_without_a_shell(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys; print(sys.argv[1].count(\";\"))' '{{arch}}'"
    hostile = f"; touch {tmp_path}/made"
    assert run_command(command, ["clean"])(hostile) == {"clean": 1}
    assert not [*tmp_path.iterdir()]
    for wrong in ("train.sh", "train.sh 'a", ""):
        with pytest.raises(InputError, match="--command"):
            run_command(wrong, ["clean"])
    with pytest.raises(MeasurementError, match="cannot run /no/such/program"):
        run_command("/no/such/program {arch}", ["clean"])("a")
    with pytest.raises(MeasurementError, match="ended with 1"):
        run_command("false {arch}", ["clean"])("a")


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(PROGRAM)
    archs = ["8:8:8:8:8", "16:8:8:8:8", "32:8:8:8:8", "32:32:8:8:8", "64:8:8:8:8", "32:32:32:8:8"]
    Path("archs.txt").write_text("\n".join(archs))
    command = f"{sys.executable} train.py {{arch}}"

    def search(budget: int) -> int:
        return run(
            [
                *("search", "--space", "nats_sss", "--dataset", "cifar10", "--objectives", "clean"),
                *("--archs", "archs.txt", "--label-budget", str(budget), "--command", command),
                *("--labels", "labels.csv", "--workers", "1", "--out", "best.csv"),
            ]
        )

    assert search(3) == 0
    assert len(Path("calls.txt").read_text().splitlines()) == 3
    assert search(20) == 0  # continues, and ends when all are labelled
    calls = Path("calls.txt").read_text().splitlines()
    assert sorted(calls) == sorted(archs)
    labels = pl.read_csv("labels.csv")
    assert labels.columns == ["arch", "cifar10.clean"]
    assert labels.filter(pl.col("cifar10.clean").is_null())["arch"].to_list() == ["64:8:8:8:8"]
    front = pl.read_csv("best.csv")
    assert front.rows() == [("32:32:32:8:8", 67.0)]
    Path("labels.csv").write_text("arch,cifar10.clean\n8:8:8:8:8,good\n")
    assert search(20) == 2
    assert run(["search", "--space", "nats_sss", "--label-budget", "3", "--out", "x.csv"]) == 2
    assert run(["search", "--out", "x.csv"]) == 2
