"""Writes ``MODEL_CARD.md``, which describes the use, data, scores and limits of a bundle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acorn.forests import Manifest
from acorn.targets import PERCENT, Target

SHOWN_FEATURES = 5
_REPEATS = "For an architecture of the training data the forests mostly repeat its label."
_SMOOTH = (
    "The forests are fitted to smoothed labels: a Gaussian process over all architectures, all "
    "targets and the labels on other datasets estimates the score of each architecture without "
    "the noise of its training runs. For an architecture of the training data the forests do not "
    "repeat its label. Targets with nine equal labels in ten have trees on the original labels."
)
_MEMORY = {
    "smooth": _SMOOTH,
    "blend": _SMOOTH + " The prediction is their mean with a forest on the original labels.",
}
SCORES = ("kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")


def model_card(manifest: Manifest, ranking: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Write the card of a bundle.

    Parameters
    ----------
    manifest : Manifest
        Manifest of the bundle.
    ranking : mapping of str to sequence of mapping
        Rows of ``importances.json`` for each target, largest first.

    Returns
    -------
    str
        Markdown.

    References
    ----------
    Mitchell et al., Model cards for model reporting, 2019.
    """
    trees = sum(forest.trees for forest in manifest.forests)
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"Predicts {_quantities(manifest.targets)}, of architectures of the space "
        f"`{manifest.space}` on {manifest.dataset}: {len(manifest.targets)} targets, "
        f"{len(manifest.forests)} forests, {trees} trees, {len(manifest.features)} features. "
        f"Made {manifest.created:%Y-%m-%d}.",
        "## Use",
        "For ranking architectures before training them. Targets without a prefix are of networks "
        "trained in the standard way; those with the prefix `adv.` are of adversarially trained "
        "ones. The two are different tasks. Values hold for the training recipe of the label "
        "source; another recipe shifts them. An architecture that is not `in_domain` is unlike "
        "the training data: do not rely on its prediction.",
        "## Training data",
        f"{manifest.functions} architectures, one row each: equivalent architectures, which "
        "compute the same function, count once, with their mean label.",
        _table(
            ("file", "prefix", "rows", "SHA-256"),
            ((s.file, s.prefix, s.rows, s.sha256[:16]) for s in manifest.labels),
        ),
        _MEMORY.get(str(manifest.parameters.get("composition")), _REPEATS),
        "## Scores",
        "Cross-validation with one row for each class of equivalent architectures: predictions by "
        "forests that were not fitted to the architecture. Coverage and width are of intervals at "
        "90%.",
        _table(
            ("target", "n", "Kendall tau", "Spearman rho", "R²", "MAE", "coverage", "width"),
            (
                (f"`{target}`", s["n"], *(_number(s[name]) for name in SCORES))
                for target, s in manifest.scores.items()
            ),
        ),
        "## Intervals",
        "The floor of each interval and the quantile of its normalised residuals come from the "
        "same cross-validation, separately for each third of the predicted range if there are "
        "enough rows. Coverage holds on average over architectures like those of the training "
        "data, not for each single one.",
        "## Model selection",
        "Mean tau over targets in cross-validation. Chosen: "
        + ", ".join(f"{name} `{value}`" for name, value in manifest.parameters.items())
        + ".",
        _table(
            ("stage", *manifest.candidates[0].parameters, "tau"),
            (
                (each.stage, *each.parameters.values(), _number(each.kendall_tau))
                for each in manifest.candidates
            ),
        ),
        "## Feature importances",
        "Drop of R² when a feature is shuffled together with those collinear to it.",
        _table(
            ("target", "features"),
            (
                (
                    f"`{target}`",
                    ", ".join(
                        f"`{r['feature']}` {r['importance']:.3f}" for r in rows[:SHOWN_FEATURES]
                    ),
                )
                for target, rows in ranking.items()
            ),
        ),
        "## Features",
        "Computed under: "
        + ", ".join(f"{name} `{value}`" for name, value in manifest.settings.items())
        + ". Features of other settings are refused.",
    ]
    return "\n\n".join(parts) + "\n"


def _quantities(names: Sequence[str]) -> str:
    """What the targets are, with their units."""
    targets = map(Target.of, names)
    return ", and ".join(
        dict.fromkeys(
            f"{'test accuracies' if target.unit == PERCENT else target.kind}, in {target.unit}"
            for target in targets
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _number(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4g}"
