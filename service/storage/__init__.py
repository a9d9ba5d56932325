"""The database with computed features and jobs, and the cache of features."""
