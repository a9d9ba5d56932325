"""NAS-Bench-Macro: one of three blocks in each of eight layers."""
