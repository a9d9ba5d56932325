"""Files to deploy the server, and a test that builds and runs its image."""
