"""Storage engines: what the store asks of one (protocol) and the engines there are."""
