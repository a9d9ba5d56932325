"""The network that proxies are measured on: a copy whose operations can be observed."""
