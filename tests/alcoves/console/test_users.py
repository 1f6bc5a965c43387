"""Users and roles: a role in two clicks, and nobody gives what they do not have."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.accounts.roles import bring_up_to_date
from media import audit
from media.models import AuditEntry
from media.models.audit import Via

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles() -> None:
    bring_up_to_date()


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root() -> Client:
    return logged_in(User.objects.create_superuser("root@example.org", "root-password"))


@pytest.fixture
def clerk() -> Client:
    """May change users and groups, and look at files; no superuser."""
    user = User.objects.create_user("clerk@example.org", "clerk-password", is_staff=True)
    wanted = ["view_user", "add_user", "change_user", "delete_user", "view_file"]
    wanted += ["view_group", "add_group", "change_group", "delete_group"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    return logged_in(user)


def change(client: Client, user: User, **given: Any) -> Any:
    form = {"email": user.email, "name": user.name, "is_active": "on", "_save": "Save", **given}
    form |= {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    return client.post(reverse("admin:accounts_user_change", args=(user.pk,)), form)


def test_a_role_is_given_and_written_down(root: Client, alice: User) -> None:
    role = Group.objects.get(name="librarian")
    assert change(root, alice, is_staff="on", groups=[role.pk]).status_code == 302
    alice.refresh_from_db()
    assert alice.is_staff
    assert list(alice.groups.all()) == [role]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.target_id) == (
        "admin.change",
        "root@example.org",
        str(alice.pk),
    )
    assert "password" not in str(entry.detail)


def test_nobody_makes_a_superuser_but_one(clerk: Client, alice: User) -> None:
    change(clerk, alice, is_superuser="on", is_staff="on")
    alice.refresh_from_db()
    assert not alice.is_superuser
    assert alice.is_staff


def test_a_superuser_is_not_touched_by_others(clerk: Client) -> None:
    boss = User.objects.create_superuser("boss@example.org", "boss-password")
    assert change(clerk, boss, name="Pwned").status_code == 403
    address = reverse("admin:auth_user_password_change", args=(boss.pk,))
    given = {"password1": "another-word-7", "password2": "another-word-7", "usable_password": "true"}
    assert clerk.get(address).status_code == 403
    assert clerk.post(address, given).status_code == 403
    assert (
        clerk.post(reverse("admin:accounts_user_delete", args=(boss.pk,)), {"post": "yes"}).status_code == 403
    )
    picked = {"action": "delete_selected", "_selected_action": [str(boss.pk)], "post": "yes"}
    assert clerk.post(reverse("admin:accounts_user_changelist"), picked).status_code == 403
    boss.refresh_from_db()
    assert boss.check_password("boss-password")
    assert boss.name == ""


@pytest.mark.parametrize("is_active", [True, False])
def test_whoever_has_more_rights_is_not_touched(clerk: Client, alice: User, is_active: bool) -> None:
    """A new password for an operator would be an operator's rights, though neither is a superuser."""
    alice.groups.set([Group.objects.get(name="operator")])
    alice.is_staff, alice.is_active = True, is_active
    alice.set_password("her-own-word-7")
    alice.save()
    assert change(clerk, alice, name="Pwned").status_code == 403
    given = {"password1": "another-word-7", "password2": "another-word-7", "usable_password": "true"}
    address = reverse("admin:auth_user_password_change", args=(alice.pk,))
    assert clerk.post(address, given).status_code == 403
    gone = clerk.post(reverse("admin:accounts_user_delete", args=(alice.pk,)), {"post": "yes"})
    assert gone.status_code == 403
    picked = {"action": "delete_selected", "_selected_action": [str(alice.pk)], "post": "yes"}
    assert clerk.post(reverse("admin:accounts_user_changelist"), picked).status_code == 403
    alice.refresh_from_db()
    assert alice.check_password("her-own-word-7")
    assert alice.name != "Pwned"


def test_the_password_of_others_is_changed_and_not_written_down(clerk: Client, alice: User) -> None:
    address = reverse("admin:auth_user_password_change", args=(alice.pk,))
    given = {"password1": "another-word-7", "password2": "another-word-7", "usable_password": "true"}
    assert clerk.get(address).status_code == 200
    assert clerk.post(address, given).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("another-word-7")
    entry = AuditEntry.objects.get()
    assert "another-word-7" not in f"{entry.text}{entry.detail}"


def test_rights_beyond_ones_own_are_refused(clerk: Client, alice: User) -> None:
    beyond = Permission.objects.get(codename="change_settings")
    answer = change(clerk, alice, is_staff="on", groups=[Group.objects.get(name="operator").pk])
    assert b"You cannot give what you do not have" in answer.content
    answer = change(clerk, alice, is_staff="on", user_permissions=[beyond.pk])
    assert b"You cannot give what you do not have" in answer.content
    assert not alice.groups.exists()
    own = Permission.objects.get(codename="view_file")
    assert change(clerk, alice, is_staff="on", user_permissions=[own.pk]).status_code == 302
    assert list(alice.user_permissions.all()) == [own]


def test_groups_beyond_ones_own_rights_are_not_edited(clerk: Client, root: Client) -> None:
    beyond = Permission.objects.get(codename="change_settings")
    strong = Group.objects.create(name="strong")
    strong.permissions.add(beyond)
    there = reverse("admin:auth_group_change", args=(strong.pk,))
    assert clerk.post(there, {"name": "weak", "permissions": []}).status_code == 403
    assert (
        clerk.post(reverse("admin:auth_group_delete", args=(strong.pk,)), {"post": "yes"}).status_code == 403
    )
    answer = clerk.post(reverse("admin:auth_group_add"), {"name": "new", "permissions": [beyond.pk]})
    assert b"You cannot give what you do not have" in answer.content
    own = Permission.objects.get(codename="view_file")
    assert (
        clerk.post(reverse("admin:auth_group_add"), {"name": "lookers", "permissions": [own.pk]}).status_code
        == 302
    )
    assert root.post(there, {"name": "stronger", "permissions": [beyond.pk]}).status_code == 302
    ours = Group.objects.get(name="auditor")
    assert root.post(reverse("admin:auth_group_change", args=(ours.pk,)), {"name": "x"}).status_code == 403


def test_the_audit_log_is_never_changed(alice: User) -> None:
    entry = audit.note("test.act", by=audit.Actor(Via.CONSOLE, alice), text="Something was done.")
    for statement in ("UPDATE media_auditentry SET text = 'nothing'", "DELETE FROM media_auditentry"):
        with (
            pytest.raises(DatabaseError, match="never changed"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    alice.delete()
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name, entry.text) == (None, "alice@example.org", "Something was done.")
    assert audit.prune(timezone.now()) == 1
    audit.note("test.act", by=audit.SYSTEM, text="Again.")
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        AuditEntry.objects.all().delete()


def test_the_audit_log_is_searched_and_filtered(root: Client, alice: User) -> None:
    audit.note("test.one", by=audit.Actor(Via.API, alice), text="<b>First</b> was done.", target=alice)
    audit.note("test.two", by=audit.COMMAND, text="Second was done.")
    there = reverse("admin:media_auditentry_changelist")
    for query in (f"?q={alice.pk}", "?q=alice@example.org", "?action=test.one", "?via=api"):
        text = root.get(there + query).content.decode()
        assert "First" in text, query
        assert "<b>First" not in text
        assert "Second" not in text, query
    assert "Second" in root.get(there + "?since=hour").content.decode()
    assert (
        root.get(reverse("admin:media_auditentry_change", args=(AuditEntry.objects.all()[0].pk,))).status_code
        == 200
    )
