"""Adapters: the outside behind the ports, unaware of each other."""
