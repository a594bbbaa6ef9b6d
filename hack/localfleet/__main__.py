"""`python -m localfleet` is `hack/fleet`."""

from localfleet.cli import run

if __name__ == "__main__":
    run()
