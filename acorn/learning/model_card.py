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
_MIXED = (
    "The forests are fitted to smoothed labels: a Gaussian process with effects of groups and of "
    "optional conditions estimates what the features tell, without the noise of training runs. For "
    "an architecture of the training data the forests do not repeat its label."
)
FEW_LABELS = "few labels"
"""Stage of the only candidate of a bundle that is fitted to few labels."""

_FEW = (
    "The forests are fitted to what few labels tell about the architectures of the feature table: "
    "the mean of Gaussian processes and trees on the normal scores of their features, with a prior "
    "that accuracy rises with size. For an architecture of the training data the forests do not "
    "repeat its label."
)
_MEMORY = {
    "smooth": _SMOOTH,
    "blend": _SMOOTH + " The prediction is their mean with a forest on the original labels.",
}
_BOOSTED = " Gradient boosting on the original labels has part of the weight."
SCORES = ("kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")
RELATIVE = "median_relative_error"


_INTERVALS = (
    "The floor of each interval and the quantile of its normalised residuals come from the same "
    "cross-validation, separately for each third of the predicted range if there are enough rows. "
    "Coverage holds on average over architectures like those of the training data, not for each "
    "single one."
)
_FEW_INTERVALS = (
    "Intervals are those of the posterior, as quantiles of Student's t, widened or narrowed by the "
    "errors of predictions of each label without itself. Coverage holds on average over "
    "architectures like those of the training data, not for each single one."
)


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
    if manifest.ranks:
        return _rank_card(manifest, ranking)
    few = all(candidate.stage == FEW_LABELS for candidate in manifest.candidates)
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
        f"{manifest.functions} architectures"
        + (
            ", each with a row for each of its labels. Folds of cross-validation do not separate "
            "the rows of an architecture, nor those of a group of the labels."
            if manifest.conditions
            else ", one row each: equivalent architectures, which compute the same function, count "
            "once, with their mean label."
        ),
        *_conditions(manifest),
        _table(
            ("file", "prefix", "rows", "SHA-256"),
            ((s.file, s.prefix, s.rows, s.sha256[:16]) for s in manifest.labels),
        ),
        _FEW if few else _fitted_to(manifest.parameters),
        "## Scores",
        f"Cross-validation with one row for each {_row(manifest)}: predictions by "
        "forests that were not fitted to the architecture. Coverage and width are of intervals at "
        "90%.",
        _table(
            ("target", "n", "Kendall tau", "Spearman rho", "R²", "MAE", "coverage", "width"),
            (
                (f"`{target}`", s["n"], *(_number(s[name]) for name in SCORES))
                for target, s in manifest.scores.items()
            ),
        ),
        *_relative_errors(manifest),
        "## Intervals",
        _FEW_INTERVALS if few else _INTERVALS,
        "## Model selection",
        "Mean tau over targets in cross-validation. Chosen: "
        + ", ".join(f"{name} `{value}`" for name, value in manifest.parameters.items())
        + ".",
        _table(
            ("stage", *manifest.candidates[0].parameters, "tau"),
            (
                (candidate.stage, *candidate.parameters.values(), _number(candidate.kendall_tau))
                for candidate in manifest.candidates
            ),
        ),
        "## Feature importances",
        "Drop of R² when a feature is shuffled together with those collinear to it.",
        *_features(manifest, ranking),
    ]
    return "\n\n".join(parts) + "\n"


def _rank_card(manifest: Manifest, ranking: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Write the card of a bundle that ranks without labels."""
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"Ranks architectures of the space `{manifest.space}` on {manifest.dataset} by expected "
        f"accuracy, without a label: {len(manifest.features)} features. "
        f"Made {manifest.created:%Y-%m-%d}.",
        "## Use",
        "For a first choice of architectures before any is trained. Values are percentiles (0 to "
        "100) among the architectures of the feature table, not accuracies: the bundle had no "
        "labels. Ten labels rank better, see `acorn train` and `acorn.AccuracyPredictor`. An "
        "architecture that is not `in_domain` is unlike those of the table.",
        "## Ranks",
        "The normal scores of the features within the table are added up. That accuracy rises "
        "with them is an assumption, which holds on the spaces with labels. A percentile follows "
        "from the sum by the normal distribution; it may be some points off the share of the "
        "table that has a smaller sum.",
        "## Intervals",
        "Normal, with one standard deviation for all architectures, which is the error on spaces "
        "with labels.",
        "## Feature importances",
        "Share in the variance of the sum, as if features were independent.",
        *_features(manifest, ranking),
    ]
    return "\n\n".join(parts) + "\n"


def _features(manifest: Manifest, ranking: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    return [
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


def _fitted_to(parameters: Mapping[str, object]) -> str:
    """Describe the labels that forests are fitted to; scales may have parameters of their own."""
    texts = []
    for name, composition in parameters.items():
        scale, _, parameter = name.rpartition(".")
        if parameter == "composition":
            prefix = name.removesuffix(parameter)
            text = _MEMORY.get(str(composition), _REPEATS)
            if parameters.get(f"{prefix}isotropic"):
                text = text.replace(_SMOOTH, _MIXED)
            if parameters.get(f"{prefix}boosted"):
                text += _BOOSTED
            texts.append((scale, text))
    distinct = dict.fromkeys(text for _, text in texts)
    if len(distinct) < 2:
        return next(iter(distinct), _REPEATS)
    return " ".join(f"Targets on a {scale} scale: {text}" for scale, text in texts)


def _row(manifest: Manifest) -> str:
    return "label" if manifest.conditions else "class of equivalent architectures"


def _conditions(manifest: Manifest) -> list[str]:
    """What predictions depend on besides the architecture."""
    if not manifest.conditions:
        return []
    return [
        "Conditions are inputs besides the features of the architecture:",
        _table(
            ("condition", "kind", "default", "allowed"),
            (
                (f"`{known.name}`", known.kind, known.default, known.expected)
                for known in manifest.conditions
            ),
        ),
    ]


def _quantities(names: Sequence[str]) -> str:
    """What the targets are, with their units."""
    targets = map(Target.of, names)
    return ", and ".join(
        dict.fromkeys(
            f"{'test accuracies' if target.unit == PERCENT else target.kind}, in {target.unit}"
            for target in targets
        )
    )


def _relative_errors(manifest: Manifest) -> list[str]:
    """Median relative errors of the targets on a log scale."""
    errors = {target: s[RELATIVE] for target, s in manifest.scores.items() if RELATIVE in s}
    rows = [
        (f"`{target}`", "-" if error is None else f"{error:.1%}")
        for target, error in errors.items()
    ]
    return [_table(("target", "median relative error"), rows)] if rows else []


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _number(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4g}"
