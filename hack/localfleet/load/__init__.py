"""An open-loop load of users: what they sent, and what became of each request.

Arrivals follow a seeded Poisson schedule and never wait for answers. Each user holds the addresses of
several entries and goes to another only when it cannot connect, as real clients do; whatever happens later
is what that user saw.

Clocks: a record's `t` is wall time, so that it can be laid beside what others logged; all durations are
measured with the monotonic clock.
"""

from .generator import Load, LoadSettings
from .records import Record

__all__ = ["Load", "LoadSettings", "Record"]
