import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidKeyError
from storage.keys import MAX_KEY, MAX_SEGMENT, check
from tests.storage.conformance import BAD_KEYS

ALPHABET = "abcXYZ019._-/"


@pytest.mark.parametrize(
    "key", ["a", "a/b", "0190-a_b.c/x.tar.gz", "-", "_", "a..b", "x" * MAX_SEGMENT, "/".join(["y" * 127] * 4)]
)
def test_good_keys_come_back_as_they_are(key: str) -> None:
    assert check(key) == key


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        check(key)
    assert len(str(caught.value)) < 800
    assert "\x00" not in str(caught.value)
    assert not caught.value.retry


def test_the_limits_are_exact() -> None:
    assert check("/".join(["x" * 127] * 3 + ["x" * 128]))
    with pytest.raises(InvalidKeyError, match=str(MAX_KEY)):
        check("/".join(["x" * 127] * 3 + ["x" * 129]))
    with pytest.raises(InvalidKeyError, match=str(MAX_SEGMENT)):
        check("x" * (MAX_SEGMENT + 1))


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_what_passes_is_a_plain_relative_path(key: str) -> None:
    segments = key.split("/")
    good = bool(key) and all(segment and segment[0] != "." for segment in segments)
    try:
        check(key)
    except InvalidKeyError:
        assert not good
    else:
        assert good
