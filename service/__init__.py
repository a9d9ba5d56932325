"""From requests to answers: HTTP, worker processes, feature store, command line."""
