"""Figures of the decision core: how long a tick takes, how fast storms run, and what storms say of the rules."""
