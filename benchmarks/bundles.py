"""Print the cross-validated scores of all released bundles: ``python -m benchmarks.bundles``."""

from acorn.forests import Bundle
from benchmarks.held_out import TARGETS
from benchmarks.release import RELEASED


def main() -> None:
    """Print the scores of the manifests."""
    head = f"{'tau':>6s} {'MAE':>6s} {'cover':>6s} {'width':>6s}"
    print(f"{'bundle':24s} {'target':26s} {'n':>6s} {head}")
    for folder in sorted(RELEASED.iterdir()):
        bundle = Bundle.load(folder)
        if bundle.manifest.ranks:
            continue
        for target in (t for t in TARGETS if t in bundle.targets):
            score = bundle.manifest.scores[target]
            print(
                f"{bundle.name:24s} {target:26s} {score['n']:6d} {score['kendall_tau']:6.3f} "
                f"{score['mae']:6.2f} {score['coverage']:6.3f} {score['median_width']:6.2f}"
            )
        shares = [score["coverage"] for score in bundle.manifest.scores.values()]
        covered = [share for share in shares if share is not None]
        shown = f"coverage {min(covered):.3f} to {max(covered):.3f}"
        print(f"{bundle.name:24s} all {len(covered)} targets: {shown}")


if __name__ == "__main__":
    main()
