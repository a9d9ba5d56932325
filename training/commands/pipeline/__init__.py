"""Commands that make features, labels and forests."""
