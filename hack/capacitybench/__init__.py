"""Figures of sizing: GPU-hours of a week, and the time that the solver of `leeward plan-capacity` takes."""
