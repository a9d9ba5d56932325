"""Measure a search among real networks: ``python -m benchmarks.real_network_search``.

Objectives are accuracy on ImageNet without pretraining, and images a second on an RTX 3090, whose
logarithm counts. Candidates are all networks, each at its image sizes, with both labels. Acorn
predicts both values by forests that were not fitted to the family of a network, as in
``benchmarks.real_networks``, and chooses by its predicted front: layer by layer of the networks
that no other one dominates, those with the most room around them first. Printed is the share of the
true front's hypervolume that the chosen networks reach.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from acorn.conditions import IMAGE_SIZE
from acorn.forests import Bundle
from acorn.learning.model_selection import cross_validate, final_folds
from acorn.learning.training_data import TrainingData
from acorn.nas.nsga2 import best_rows
from acorn.spaces import recognise_ids
from benchmarks.crossed import configuration_of
from benchmarks.fronts import FrontShare, print_row
from benchmarks.real_networks import NAME, labels_of
from benchmarks.release import RELEASED

ACCURACY, SPEED = "clean", "throughput.rtx3090_amp"
SIZES = (5, 10, 20, 40)

Network = tuple[str, float]
"""Id and image size."""


def both_values(
    data: TrainingData, target: str
) -> tuple[dict[Network, float], dict[Network, float]]:
    """Label and out-of-fold prediction of each network without pretraining."""
    bundle = Bundle.load(RELEASED / NAME)
    configuration = configuration_of(bundle, data.scale_name)
    folds = int(final_folds(data).max()) + 1
    predicted = data.scale.to_label(cross_validate(data, configuration, folds).value)
    labels = data.scale.to_label(data.Y)
    column = [*data.targets].index(target)
    sizes = data.X[:, data.names.index("condition.image_size")]
    is_plain = data.X[:, data.names.index("condition.pretraining.none")] == 1
    rows: dict[Network, list[int]] = defaultdict(list)
    for row in np.flatnonzero(np.isfinite(labels[:, column]) & is_plain).tolist():
        rows[data.ids[row], float(sizes[row])].append(row)
    return (
        {network: float(labels[found, column].mean()) for network, found in rows.items()},
        {network: float(predicted[found, column].mean()) for network, found in rows.items()},
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    options = parser.parse_args()
    bundle = Bundle.load(RELEASED / NAME)
    recognise_ids(bundle.table.ids)
    data = TrainingData.of(labels_of(options.shared), bundle.table, bundle.targets)
    parts = {target: part for part in data.by_scale() for target in part.targets}
    accuracy, accuracy_predicted = both_values(parts[ACCURACY], ACCURACY)
    speed, speed_predicted = both_values(parts[SPEED], SPEED)
    networks = sorted(accuracy.keys() & speed.keys())
    true = np.array([[accuracy[each], np.log(speed[each])] for each in networks])
    predicted = np.array(
        [[accuracy_predicted[each], np.log(speed_predicted[each])] for each in networks]
    )
    params = []
    for id_, size in networks:
        row = bundle.table.row(bundle.row_id(id_, {IMAGE_SIZE: int(size)}))
        if row is None or row.cost is None:
            raise RuntimeError(f"{id_} has no parameters in the table")
        params.append(row.cost.params)
    by_size = np.argsort(params)
    share, kept = FrontShare(true), np.zeros(len(networks))
    spread = [by_size[np.linspace(0, len(networks) - 1, n).round().astype(int)] for n in SIZES]
    print(
        f"{len(networks)} networks at an image size, of {len({id_ for id_, _ in networks})} names"
    )
    print(f"{'chosen networks':32s} " + " ".join(f"{n:7d}" for n in SIZES))
    print_row("random", share.at_random(SIZES))
    print_row("largest first", share.along(by_size[::-1], SIZES))
    print_row("smallest first", share.along(by_size, SIZES))
    print_row("spread evenly over parameters", [share.of(rows) for rows in spread])
    order = best_rows(predicted, kept, SIZES[-1])
    print_row("Acorn, families hidden", share.along(order, SIZES))
    print_row("true values, in the same order", share.along(best_rows(true, kept, 40), SIZES))


if __name__ == "__main__":
    main()
