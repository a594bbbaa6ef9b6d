"""The storm: a seeded world on a virtual clock that drives the real core, and checks what it does.

    seeds ─▶ scenario ─▶ world ─▶ gauges ─▶ sight ─▶ pilot (the real decide) ─▶ clusters ─▶ world …
                                                        └─▶ checker, at every step; liveness, once faults end

Only `sight` and `pilot` know the core. The world, the checker and the baselines have arithmetic of their own: a
mistake of the core must not be able to hide behind the same mistake in what checks it.
"""
