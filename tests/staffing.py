"""Members of staff for tests of the console."""

from django.contrib.auth.models import Group
from django.test import Client

from alcoves.accounts.models import User
from alcoves.accounts.roles import bring_up_to_date


def member(role: str, email: str = "") -> User:
    bring_up_to_date()
    address = email or f"{role}@example.org"
    user: User = User.objects.create_user(address, "a-long-password", name=role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def client_of_role(role: str) -> Client:
    """Logged in."""
    client = Client()
    client.force_login(member(role))
    return client
