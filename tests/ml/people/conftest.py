"""Clients that act as somebody."""

import pytest
from django.test import Client

from alcoves.accounts.models import User
from tests.conftest import client_of


@pytest.fixture
def as_alice(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return client_of(bob)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    return client_of(charlie)
