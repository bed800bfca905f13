"""Real services as local processes on loopback addresses, for tests and developers. Python's standard library only."""
