"""Judge searches of nats_tss on true labels: ``python -m benchmarks.search_truth``.

A search chooses cells by predictions: by one objective, or by the predicted front, layer by layer.
Printed are the true accuracy of its first choices, and the share of the true front's hypervolume
that the chosen cells reach. Candidates are the equivalence classes with a label, one row each, with
the mean label of its cells. The released forests were trained on these labels. With ``--held-out``
forests are trained on four fifths of the classes, and the candidates are the other fifth.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acorn.forests import Bundle
from acorn.learning.labels import Labels
from acorn.learning.train import train_bundle
from acorn.nas.nsga2 import best_rows
from benchmarks.fronts import Floats, FrontShare, print_row
from benchmarks.held_out import split
from benchmarks.release import RELEASED, find_release

CLEAN = "clean"
FRONTS = (
    (CLEAN, "pgd_linf_1.0"),
    ("adv.clean", "adv.pgd_linf_8"),
)
TARGETS = sorted({name for front in FRONTS for name in front})
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
SIZES = (10, 25, 50, 100)


def values_of(bundle: Bundle, labels: Labels, targets: Sequence[str]) -> tuple[Floats, Floats]:
    """True and predicted values of the classes that have all labels and features."""
    once = labels.by_function()
    true = once.matrix(targets)
    rows = [
        row
        for row, id_ in enumerate(once.ids)
        if id_ in bundle.table and np.isfinite(true[row]).all()
    ]
    X = bundle.table_matrix([once.ids[row] for row in rows], [{}] * len(rows))
    predicted = bundle.predict(X, targets=list(targets))
    return true[rows], np.column_stack([predicted[name].value for name in targets])


def report_best(name: str, bundle: Bundle, labels: Labels) -> None:
    """Print the true accuracy of the first choices by predicted clean accuracy."""
    true, predicted = values_of(bundle, labels, [CLEAN])
    chosen = true[np.argsort(-predicted[:, 0], kind="stable"), 0]
    best = true.max()
    print(
        f"{name}: {len(true)} classes, best {best:.3f}; the first choice has {chosen[0]:.3f} "
        f"({best - chosen[0]:.3f} less), the best of ten {chosen[:10].max():.3f}",
        flush=True,
    )


def report_front(bundle: Bundle, labels: Labels, targets: Sequence[str]) -> None:
    """Print the shares of a true front."""
    true, predicted = values_of(bundle, labels, targets)
    share, kept = FrontShare(true), np.zeros(len(true))
    print(f"{', '.join(targets)}: {len(true)} classes; chosen cells, share of the hypervolume")
    print(f"{'':32s} " + " ".join(f"{n:7d}" for n in SIZES))
    print_row("random", share.at_random(SIZES))
    print_row("Acorn", share.along(best_rows(predicted, kept, SIZES[-1]), SIZES))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--held-out", action="store_true", help="train on four fifths")
    options = parser.parse_args()
    if options.held_out:
        train, test, features = split(options.shared)
        with tempfile.TemporaryDirectory() as folder:
            bundle = train_bundle(train, features, Path(folder) / "forest", targets=TARGETS)
            report_best("held-out classes on cifar10", bundle, test)
            for targets in FRONTS:
                report_front(bundle, test, targets)
        return
    for dataset in DATASETS:
        name = f"nats_tss-{dataset}"
        bundle = Bundle.load(RELEASED / name)
        report_best(name, bundle, find_release(name).read_labels(options.shared))
    name = "nats_tss-cifar10"
    bundle, labels = Bundle.load(RELEASED / name), find_release(name).read_labels(options.shared)
    for targets in FRONTS:
        report_front(bundle, labels, targets)


if __name__ == "__main__":
    main()
