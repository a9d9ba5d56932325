"""From a request to its answer, without HTTP."""
