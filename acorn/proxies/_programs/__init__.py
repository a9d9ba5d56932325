"""Programs over layer statistics: what evolved proxies are made of."""
