"""Recorded decisions: their format, what they tell, and what the same core would do if regions were lost. Pure."""
