"""Commands of a person's orders: what is wrong with a line is told before any cluster is asked."""

import pytest
from recorded import leeward

WHY = ("--reason", "why")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("evacuate", "us-east1"), "Missing option '--reason'"),
        (("evacuate", "us-east1", *WHY, "--for", "2"), "'2' is no length of time: write hours, minutes and seconds"),
        (("evacuate", "us-east1", *WHY, "--for", "0s"), "'0s' is no length of time"),
        (("evacuate", "us-east1", *WHY, "--model-label", "tier"), "write KEY=VALUE"),
        (("pin", "m", "a=70,b=20", *WHY, "--for", "1h"), "the weights sum to 90: they have to sum to 100"),
        (("pin", "m", "a=70,a=30", *WHY, "--for", "1h"), "write each region once"),
        (("pin", "m", "a:100", *WHY, "--for", "1h"), "write each region once"),
        (("pin", "m", "a=100", *WHY), "Missing option '--for'"),
    ],
)
def test_a_wrong_line_is_refused_with_the_fix(line: tuple[str, ...], sentence: str) -> None:
    result = leeward(*line)
    assert result.exit_code == 2
    assert sentence in result.stderr


@pytest.mark.parametrize("name", ["evacuate", "restore", "freeze", "thaw", "pin", "unpin"])
def test_help_has_examples_and_exit_codes(name: str) -> None:
    text = leeward(name, "--help").stdout
    assert f"leeward {name}" in text and "Exit codes: 0" in text
