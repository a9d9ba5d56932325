"""Feature tables of many architectures, in parallel and resumable."""
