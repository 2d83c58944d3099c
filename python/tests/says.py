"""Checks of messages by the pieces that matter, so that their prose can be edited freely."""

import re
from contextlib import contextmanager

import lowrank
import pytest


def says(text, piece):
    """Whether `text` holds `piece`: a number counts only where no digit or letter goes on with it."""
    before = r"(?<![\w])" if piece[0].isalnum() else ""
    after = r"(?!\w|\.\d)" if piece[-1].isdigit() else ""
    return re.search(before + re.escape(piece) + after, text) is not None


def assert_says(text, *pieces):
    for piece in pieces:
        assert says(text, piece), f"{piece!r} is missing in: {text}"


@contextmanager
def refused(*pieces):
    """An `InvalidInput` whose message says every piece."""
    with pytest.raises(lowrank.InvalidInput) as error:
        yield error
    assert_says(str(error.value), *pieces)


def test_numbers_and_words_are_found_whole():
    text = "rank: found 10; allowed: 1 to 0.5"
    assert all(says(text, piece) for piece in ("rank", "10", "1", "0.5", "allow"))
    assert not any(says(text, piece) for piece in ("0", "5", "ank", "found 1"))
