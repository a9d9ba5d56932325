"""The passes: each runs the network once and fills its part of the records."""
