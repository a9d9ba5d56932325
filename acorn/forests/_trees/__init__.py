"""Trees as flat arrays: prediction, path attributions and TreeSHAP."""
