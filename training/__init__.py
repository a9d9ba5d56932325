"""From labels to forest bundles: features, splits, fitting, evaluation."""
