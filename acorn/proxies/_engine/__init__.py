"""The engine: registry, passes run once for all their readers, records."""
