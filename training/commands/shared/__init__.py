"""Modules that several commands share: options, output, progress, completion, examples."""
