"""Would the tests notice if a rule of the core were broken? Each break is tried on a copy, one at a time."""
