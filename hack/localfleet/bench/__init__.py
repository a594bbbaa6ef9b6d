"""The benchmark: the same faults on the same fleet with plain fixed weights, with the whole data-plane layout and fixed
weights, and with Leeward; all in one run, so that the comparison holds when the machine's speed does not.
"""
