"""What a right answer is: a pure function that the server and the load client share.

A real model's words cannot be checked by a client. These can: the words follow from model and prompt, a
longer answer begins with the shorter one, so a client can check whatever number of words it received, also
of a cut stream.
"""

from __future__ import annotations

import hashlib

REPEAT_PREFIX = "Repeat exactly:"

_STARTS = ("ba", "co", "di", "fe", "gu", "ha", "ji", "ko", "lu", "me", "ni", "po", "ru", "sa", "te", "vo")
_ENDS = (
    "lan",
    "mer",
    "nok",
    "pil",
    "rus",
    "sat",
    "tev",
    "vim",
    "wod",
    "bar",
    "cel",
    "dun",
    "fig",
    "gor",
    "hes",
    "kin",
)
# 256 words: one byte of the digest is one word.
WORDS = tuple(start + end for start in _STARTS for end in _ENDS)


def expected_answer(model: str, prompt: str, tokens: int) -> list[str]:
    """The right answer's first `tokens` words; one word is one token.

    `Repeat exactly: XYZ` is answered with XYZ and may be shorter than `tokens`, any other prompt with exactly
    `tokens` words derived from a hash of model and prompt.
    """
    if prompt.startswith(REPEAT_PREFIX):
        return prompt.removeprefix(REPEAT_PREFIX).split()[: max(tokens, 0)]
    # SHAKE's output of n bytes begins with its output of fewer bytes: this is what makes prefixes checkable.
    digest = hashlib.shake_128(f"{model}\n{prompt}".encode()).digest(max(tokens, 0))
    return [WORDS[byte] for byte in digest]


def wrong_answer(model: str, prompt: str, tokens: int) -> list[str]:
    """Fluent, well-formed and wrong: the words that belong to another prompt."""
    return expected_answer(model, f"another question than: {prompt}", tokens)


def is_right(model: str, prompt: str, words: list[str]) -> bool:
    """Whether `words` are the right answer or its beginning."""
    return words == expected_answer(model, prompt, len(words))
