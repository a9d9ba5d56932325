"""``MODEL_CARD.md``: what a person should know before trusting a bundle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acorn.forests import Manifest
from acorn.targets import PERCENT, Target

SHOWN_FEATURES = 5
_REPEATS = "For a function of the training data the forests mostly repeat its label."
_SMOOTH = (
    "The forests are grown on smooth labels: what a Gaussian process over all functions, all "
    "targets and the labels on other datasets says of each function without the luck of its "
    "training runs. For a function of the training data they do not repeat its label. Targets "
    "with nine equal labels in ten are left to trees on the labels as they are."
)
_MEMORY = {
    "smooth": _SMOOTH,
    "blend": _SMOOTH + " Their mean with a forest on the labels as they are is what is predicted.",
}
SCORES = ("kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")


def model_card(manifest: Manifest, ranking: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Write the card of a bundle.

    Parameters
    ----------
    manifest
        What the bundle says of itself.
    ranking
        Importances for each target, largest first.

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
        "all that the forests learned from: do not rely on its prediction.",
        "## Training data",
        f"{manifest.functions} functions, one row each: architectures that compute the same "
        "function (twins) count once, with their mean label.",
        _table(
            ("file", "prefix", "rows", "SHA-256"),
            ((s.file, s.prefix, s.rows, s.sha256[:16]) for s in manifest.labels),
        ),
        _MEMORY.get(str(manifest.parameters.get("composition")), _REPEATS),
        "## Scores",
        "Cross-validation by function, one row a function: what the forests say of functions that "
        "they did not see. Coverage and width are of intervals at 90%.",
        _table(
            ("target", "n", "Kendall tau", "Spearman rho", "R²", "MAE", "coverage", "width"),
            (
                (f"`{target}`", s["n"], *(_number(s[name]) for name in SCORES))
                for target, s in manifest.scores.items()
            ),
        ),
        "## Intervals",
        "The floor of each interval and the quantile of its normalised residuals come from the "
        "same cross-validation, apart for each third of the predicted range where there are rows "
        "enough. Coverage holds on average over architectures like those of the training data, "
        "not for each single one.",
        "## What was tried",
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
        "## What matters",
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
