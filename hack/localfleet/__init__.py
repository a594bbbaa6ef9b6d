"""The local fleet: a handful of regions on one machine, real control planes and simulated model servers."""
