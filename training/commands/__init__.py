"""The command line ``acorn``: all commands, over the library, the pipeline and the server."""
