"""Leeward keeps AI models serving when a region does not: geographic failover for LLMs on Kubernetes."""
