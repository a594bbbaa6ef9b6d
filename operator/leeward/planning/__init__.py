"""Buying capacity: the cheapest replicas that carry the demand, also without any region or failure domain.

Nothing here is used by the operator: what is bought is a decision of people, made before the bad hour.
"""
