"""The model repository: verified bundles, and their replacement at run time."""
