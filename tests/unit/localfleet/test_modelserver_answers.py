"""Answers are a function of the prompt that a client can check."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.modelserver.answers import WORDS, expected_answer, is_right, wrong_answer


def test_vocabulary_has_one_word_for_each_byte() -> None:
    assert len(set(WORDS)) == 256


@settings(deadline=None)  # a busy machine is not a wrong result
@given(st.text(), st.integers(0, 300), st.integers(0, 300))
def test_a_longer_answer_begins_with_the_shorter_one(prompt: str, one: int, other: int) -> None:
    short, long = sorted((one, other))
    assert expected_answer("m", prompt, long)[:short] == expected_answer("m", prompt, short)


@settings(deadline=None)  # a busy machine is not a wrong result
@given(st.text(), st.integers(4, 200))
def test_a_right_answer_is_recognised_and_a_wrong_one_is_not(prompt: str, tokens: int) -> None:
    assert is_right("m", prompt, expected_answer("m", prompt, tokens))
    assert not is_right("m", prompt, wrong_answer("m", prompt, tokens))


def test_the_answer_depends_on_the_model() -> None:
    assert expected_answer("a", "hello", 20) != expected_answer("b", "hello", 20)


def test_a_request_to_repeat_is_repeated() -> None:
    assert expected_answer("m", "Repeat exactly: zebra-17", 4) == ["zebra-17"]
    assert expected_answer("m", "Repeat exactly: a b c", 2) == ["a", "b"]
    assert wrong_answer("m", "Repeat exactly: zebra-17", 1) != ["zebra-17"]
