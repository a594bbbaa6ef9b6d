"""GPU node pools: one module per kind behind the port in `port.py`, found by name in `registry.py`."""

from leeward.adapters.pools.port import Pool, Range
from leeward.adapters.pools.registry import PoolKinds, Registry, load

__all__ = ["Pool", "PoolKinds", "Range", "Registry", "load"]
