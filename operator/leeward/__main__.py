"""`python -m leeward` is `leeward`."""

from leeward.cli import main

if __name__ == "__main__":
    main(prog_name="leeward")
