"""A fleet of kind clusters, for users who have Docker: one cluster per region, its pods run by a real kubelet.

`lines` holds every command line and configuration as values, `backend` runs them. Docker is not to be had where this
project is checked, so only `lines` and the messages about what is missing are covered by tests.
"""
