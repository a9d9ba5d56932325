"""Train the released bundles again: ``python -m benchmarks.release [NAME ...]``.

Labels are read from the tables of the benchmarks, features from the table of the existing bundle or
from a folder of computed tables. All equivalence classes of a space have the columns of the space,
which are cheap to compute; proxies exist only for classes for which they were computed.

Bundles without labels rank. Their population is the feature table, which has structure features
only: 290 sampled architectures of DARTS, or for any network a reference population of networks of
several spaces.
"""

import argparse
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from acorn import __version__
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.features.recipe import FeatureRecipe
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.train import train_bundle, train_ranks
from acorn.spaces import UNIVERSAL, get_space
from training.labels.reading import read_labels

RELEASED = Path("models/released")
SHIPPED = re.compile(
    r"clean|(fgsm|pgd|apgd_ce|square)_linf_(0\.5|1\.0|2\.0|4\.0|8\.0)|corruption_\w+"
    r"|adv\.(clean|pgd_linf_3|pgd_linf_8|autoattack_linf_8)"
)
"""Targets of the released bundles, of those that have labels."""

TSS = (
    "nats_tss_clean.parquet",
    "nats_tss_robust_standard_training.parquet",
    "adv=nats_tss_robust_adversarial_training.parquet",
)


@dataclass(frozen=True, slots=True)
class Release:
    """A bundle: its labels, the batch size of its proxies, and its version.

    One of a single feature set ends with the name of the set and is a random forest.
    """

    space: str
    dataset: str
    labels: tuple[str, ...]
    batch_size: int = 16
    version: str = __version__
    feature_set: str | None = None

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return "-".join(filter(None, (self.space, self.dataset, self.feature_set)))

    @property
    def settings(self) -> ProxySettings:
        """Settings of its proxies."""
        return FeatureRecipe.create(self.dataset, (), batch_size=self.batch_size).settings

    def read_labels(self, shared: Path) -> Labels:
        """Read its labels from the benchmark tables in a folder."""
        found = []
        for name in self.labels:
            prefix, equals, file = name.rpartition("=")
            found.append(f"{prefix}{equals}{shared / 'benchmarks' / file}")
        return read_labels(found, space=self.space, dataset=self.dataset, companions=True)


RELEASES = (
    Release("nats_tss", "cifar10", TSS, batch_size=32),
    Release("nats_tss", "cifar10", TSS[:1], batch_size=32, feature_set="proxies"),
    Release("nats_tss", "cifar100", TSS),
    Release("nats_tss", "ImageNet16-120", TSS),
    Release("nats_sss", "cifar10", ("nats_sss_clean.parquet",)),
    Release("nats_sss", "cifar100", ("nats_sss_clean.parquet",)),
    Release("nats_sss", "ImageNet16-120", ("nats_sss_clean.parquet",)),
    Release("nasbench_macro", "cifar10", ("nasbench_macro_clean.parquet",)),
    Release("darts", "cifar10", ()),
    Release(UNIVERSAL, "cifar10", (), version="0.2.0"),
)


def find_release(name: str) -> Release:
    """Return the release with a bundle's name."""
    return next(each for each in RELEASES if each.name == name)


def own_columns(space: str, settings: ProxySettings) -> FeatureTable:
    """Return the columns of a space for all its equivalence classes."""
    owner = get_space(space)
    functions = sorted({owner.parse(arch).canonical for arch in owner.enumerate()})
    rows = (FeatureRow(f"{space}/{each}", owner.columns(each)) for each in functions)
    return FeatureTable.from_rows(rows, settings)


def features(release: Release, computed: Iterable[Path]) -> FeatureTable:
    """Assemble the feature table of a bundle."""
    settings = release.settings
    if release.labels:
        table = own_columns(release.space, settings)
    else:
        table = FeatureTable.from_rows([], settings)
    for path in computed:
        table = table.joined(FeatureTable.read(path))
    if not release.labels:  # what every network has
        graph = [name for name in table.feature_names if name.startswith("graph.")]
        table = table.select(graph)
    return table


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="bundles to train; all when none is named")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--features", type=Path, help="folder with tables NAME.parquet, or NAME/*")
    parser.add_argument("--out", type=Path, default=RELEASED, help="folder of the bundles")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for release in RELEASES:
        if options.names and release.name not in options.names:
            continue
        own = RELEASED / release.name / "features.parquet"
        if options.features is None:
            computed = [own]
        elif not release.labels:
            computed = sorted((options.features / release.name).glob("*.parquet"))
        else:
            computed = [options.features / f"{release.name}.parquet"]
        out = options.out / release.name
        table = features(release, [path for path in computed if path.exists()])
        if not release.labels:
            train_ranks(table, release.space, out, version=release.version)
            continue
        labels = release.read_labels(options.shared)
        targets = [target for target in labels.targets if SHIPPED.fullmatch(target)]
        alone = release.feature_set is not None
        train_bundle(
            labels,
            table,
            out,
            targets=targets,
            feature_set=release.feature_set,
            configuration=Configuration(algorithm="random_forest") if alone else None,
            version=release.version,
        )


if __name__ == "__main__":
    main()
