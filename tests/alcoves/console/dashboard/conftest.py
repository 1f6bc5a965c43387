"""People who look at the dashboard."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from alcoves import health
from alcoves.accounts.models import User
from alcoves.accounts.roles import bring_up_to_date
from alcoves.alerts.rules import servers
from tests.conftest import client_of


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Readiness is asked anew, and nobody gives up on a busy machine: a part that is late is told in other words."""
    servers.kept_migrations.forget()
    health.readiness.asked_at = float("-inf")
    health.readiness.hanging.clear()
    monkeypatch.setattr(health, "LIMIT_SECONDS", 60.0)
    yield
    servers.kept_migrations.forget()


@pytest.fixture
def staff(db: None) -> Callable[..., User]:
    """A member of staff with these roles."""
    bring_up_to_date()

    def make(*roles: str, **about: Any) -> User:
        name = "-".join(roles) or "plain"
        user: User = User.objects.create_user(f"{name}@example.org", "pass-word-1", is_staff=True, **about)
        user.groups.set(Group.objects.filter(name__in=roles))
        return user

    return make


@pytest.fixture
def as_auditor(staff: Callable[..., User]) -> Client:
    return client_of(staff("auditor"))
