"""The library of these tests has faces switched on."""

import pytest

from media.models import Library


@pytest.fixture
def library(library: Library) -> Library:
    library.faces = True
    library.save(update_fields=["faces"])
    return library
