"""Chaos: faults at random on a fleet with a replica in each region, under load, and a checker that believes nobody.

`schedule.py` draws the rounds from a seed, `acts.py` knows how each fault is made and undone, `play.py` plays them.
`audit.py` reads what the API servers themselves logged of every write, `check.py` says which promise that broke, and
`report.py` tells it. Two programs help: `proxy.py`, an API server's front door that can misbehave, and `skewed.py`,
a replica whose clock can be stepped.
"""
