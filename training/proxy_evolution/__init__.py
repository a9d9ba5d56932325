"""Proxy evolution: genetic programming of proxies from the statistics of layers."""
