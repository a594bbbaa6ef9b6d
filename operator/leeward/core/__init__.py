"""The decision core: pure functions of (spec, snapshot, memory, now). Standard library only."""
