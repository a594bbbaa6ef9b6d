"""The seeds of a range whose storms break a rule, a line each; run on whatever core is on the path."""

import sys

from leeward.storm.campaign import run_one

if __name__ == "__main__":
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        result = run_one(seed)
        if result.failed:
            print(f"seed {seed}, {result.error or result.violations[0].rule}")
