"""One Hypothesis profile: machines differ in speed, and the inputs here are large on purpose."""

from hypothesis import HealthCheck, settings

settings.register_profile("leeward", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("leeward")
