"""Commands that predict and serve, and look after bundles and keys."""
