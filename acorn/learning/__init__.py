"""From labels and features to a bundle: splits, model selection, fitting, importances."""
