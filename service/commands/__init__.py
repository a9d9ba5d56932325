"""The commands of ``acorn`` that serve, predict and look after forests."""
