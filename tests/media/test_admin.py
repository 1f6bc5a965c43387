"""The operators' console: every page opens with data, actions do what they say, nothing lets truth be edited away."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import AccessToken, User
from media import audit, controls, workers
from media.admin import paging
from media.folders import create_folder
from media.models import (
    Attempt,
    Bulk,
    CachedImage,
    Control,
    Derivative,
    File,
    Folder,
    Library,
    Membership,
    Moment,
    MomentShare,
    Original,
    Stack,
    SweepHold,
    Switching,
    Tag,
    UnnamedBlob,
    Upload,
    WorkerReport,
    uuid7,
)
from media.models.audit import AuditEntry
from tests.alcoves.console.test_queues import report
from tests.ingesting import take_in
from tests.media.api.conftest import PICTURE, PNG, finish

LOOK_ONLY = {
    Attempt,
    AuditEntry,
    Folder,
    MomentShare,
    Switching,
    Moment,
    Tag,
    Stack,
    Original,
    Derivative,
    Upload,
    UnnamedBlob,
    CachedImage,
    Bulk,
    Control,
    SweepHold,
    WorkerReport,
}
OURS = [model for model in admin.site._registry if model._meta.app_label in {"media", "accounts"}]


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


@pytest.fixture
def file(library: Library, alice: User) -> File:
    file = take_in(library, PNG, "<b>picture</b>.png").file
    finish(file, "preview", {"thumb.webp": (PICTURE, "image/webp")})
    finish(file, "poster", {})
    AccessToken.issue(alice, "phone")
    create_folder(library, "Holiday")
    CachedImage.objects.create(original=file.original, key="derived/a", size=10, used_at=timezone.now())
    UnnamedBlob.objects.register(["some/blob"], due=timedelta(hours=1))
    Stack.objects.create(library=library, kind="burst", mark="b", primary=file, count=1)
    moment = Moment.objects.create(file=file, name="Goal", start=1, end=2, created_by=alice)
    moment.tags.add(Tag.objects.create(library=library, name="<b>sport</b>", color="#EF4444"))
    MomentShare.objects.create(moment=moment, created_by=alice)
    Switching.objects.create(library=library, switch="faces", on=True)
    audit.note("test.act", by=audit.SYSTEM, text="<b>picture</b> was tested.", target=file)
    steered(alice)
    later = timezone.now() + timedelta(days=1)
    Upload.objects.create(
        library=library, user=alice, kind="tus", name="big.mov", length=10, expires_at=later
    )
    Attempt.objects.create(
        original=file.original,
        derivative_id=file.original.derivatives.values_list("pk", flat=True)[0],
        deriver="preview",
        queue="thumbnail",
        version=1,
        number=1,
        finished_at=timezone.now(),
        outcome="failed",
        error_code="damaged_file",
        error_message="<b>picture</b>.png is damaged.",
        error_detail="<b>picture</b>.png: no header",
    )
    return file


def steered(actor: User) -> None:
    workers.write(report("all@<b>picture</b>"))
    controls.pause("heavy", by=audit.COMMAND, reason="<b>picture</b>")
    SweepHold.objects.create(store="files", reason="<b>picture</b>", until=timezone.now())
    Bulk.objects.create(act="reprocess", selection={"deriver": "echo"}, actor=actor, via="api", until=uuid7())


def page(model: type[models.Model], kind: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_pages_open_with_data(model: type[models.Model], root: Client, file: File) -> None:
    row = model._default_manager.first()
    assert row is not None
    for url in (page(model, "changelist"), page(model, "changelist") + "?q=a", page(model, "change", row.pk)):
        answer = root.get(url)
        assert answer.status_code == 200, url
        assert b"<b>picture" not in answer.content
    add = root.get(page(model, "add")).status_code
    assert add == (200 if model in {Library, User} else 403)


@pytest.mark.parametrize("model", sorted(LOOK_ONLY, key=str), ids=lambda model: model.__name__)
def test_what_only_the_engine_writes_is_not_edited(
    model: type[models.Model], root: Client, file: File
) -> None:
    row = model._default_manager.first()
    assert row is not None
    assert root.post(page(model, "change", row.pk), {"name": "x"}).status_code == 403
    assert root.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", [File, Derivative, Original], ids=lambda model: model.__name__)
def test_lists_cost_the_same_whatever_their_length(
    model: type[models.Model], root: Client, library: Library, file: File
) -> None:
    root.get(page(model, "changelist"))
    with CaptureQueriesContext(connection) as few:
        root.get(page(model, "changelist"))
    for number in range(12):
        one = take_in(library, PNG + bytes([number]), f"{number}.png").file
        finish(one, "preview", {"thumb.webp": (PICTURE, "image/webp")})
    with CaptureQueriesContext(connection) as many:
        root.get(page(model, "changelist"))
    assert [one["sql"][:60] for one in many] == [one["sql"][:60] for one in few]


def test_big_tables_are_estimated(root: Client, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 1)
    monkeypatch.setattr(paging, "estimate", lambda model: 1_234_567)
    everything = paging.EstimatingPaginator(Derivative.objects.order_by("id"), 50)
    assert everything.count == 1_234_567
    for status, count in (("ready", 1), ("failed", 0)):
        some = Derivative.objects.filter(status=status).order_by("id")
        assert paging.EstimatingPaginator(some, 50).count == count


SEARCHED_BY_KEY = [
    model
    for model, site in admin.site._registry.items()
    if isinstance(site, paging.BigTable) and any(name.startswith("=") for name in site.search_fields)
]


def asked_for(model: type[models.Model], term: str) -> Any:
    site: Any = admin.site._registry[model]
    return site.get_search_results(RequestFactory().get("/"), model._default_manager.order_by("-id"), term)[0]


def test_every_big_list_finds_ids() -> None:
    """But those whose rows are known by their name or key alone."""
    big = {model for model, site in admin.site._registry.items() if isinstance(site, paging.BigTable)}
    by_name = {model.__name__ for model in big - set(SEARCHED_BY_KEY)}
    assert by_name == {"Library", "Download", "SearchModel", "AccessLog"}


@pytest.mark.parametrize("model", SEARCHED_BY_KEY, ids=lambda model: model.__name__)
def test_ids_are_looked_up_by_an_index(model: type[models.Model], library: Library) -> None:
    site: Any = admin.site._registry[model]
    key = str(uuid4())
    for name in site.search_fields:
        if name.startswith("=") and not name.endswith("sha256"):
            found = model._default_manager.filter(paging.by_key(model, name[1:], key))
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
            plan = found.explain() if found.query.where and not found.query.is_empty() else ""
            assert "Seq Scan" not in plan, name
            assert "upper" not in plan.lower(), name


def test_rows_are_found_by_their_keys(file: File) -> None:
    original, row = file.original, Derivative.objects.get(deriver="preview")
    both = set(original.derivatives.all())
    assert set(asked_for(Derivative, str(row.pk))) == {row}
    assert set(asked_for(Derivative, f" {str(original.pk).upper()} ")) == both
    assert original.sha256
    assert set(asked_for(Derivative, original.sha256.upper())) == both
    assert set(asked_for(Original, original.sha256)) == set(asked_for(Original, str(file.pk))) == {original}
    assert set(asked_for(File, str(original.pk))) == set(asked_for(File, str(file.pk))) == {file}
    assert set(asked_for(Moment, str(file.pk))) == set(Moment.objects.all())
    assert not asked_for(Derivative, "no key").exists()
    assert not asked_for(Derivative, str(uuid4())).exists()


def test_a_digest_is_looked_up_by_its_index(library: Library, file: File) -> None:
    about = {"library": library, "size": 1, "mime": "image/png", "kind": "image"}
    Original.objects.bulk_create(
        Original(sha256=f"{number:064x}", key=f"many/{number}", **about) for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_original")
    told = Original.objects.filter(paging.by_key(Original, "sha256", str(file.original.sha256))).explain()
    assert "Index Cond: " in told
    assert "sha256" in told.partition("Index Cond: ")[2].partition("\n")[0]


def test_names_that_look_like_keys_are_found(library: Library, file: File) -> None:
    """Phones give such names."""
    name = str(uuid4())
    File.objects.filter(pk=file.pk).update(name=f"{name}.heic")
    assert set(asked_for(File, name)) == {file}
    assert set(asked_for(File, f'"{name[:8]}" HEIC')) == {file}
    assert not asked_for(File, f"{name[:8]} jpg").exists()


def test_reprocess_and_cancel_with_counts(root: Client, file: File) -> None:
    keys = [str(key) for key in Derivative.objects.values_list("pk", flat=True)]
    data = {"action": "reprocess", "_selected_action": keys}
    answer = root.post(page(Derivative, "changelist"), data, follow=True)
    assert f"{len(keys)} jobs are queued again." in answer.content.decode()
    assert set(Derivative.objects.values_list("status", "requested_version")) == {("queued", 2)}
    asked = root.post(page(Derivative, "changelist"), {**data, "action": "cancel"})
    assert f"Stop {len(keys)} jobs?" in asked.content.decode()
    assert set(Derivative.objects.values_list("status", flat=True)) == {"queued"}
    sure = {**data, "action": "cancel", "sure": "yes"}
    answer = root.post(page(Derivative, "changelist"), sure, follow=True)
    assert f"{len(keys)} jobs are stopped." in answer.content.decode()
    assert set(Derivative.objects.values_list("error_code", flat=True)) == {"cancelled"}


def test_staff_who_may_only_look_cannot_reprocess(file: File, client: Client) -> None:
    looker = User.objects.create_user("looker@example.org", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_derivative"))
    client.force_login(looker)
    row = Derivative.objects.get(deriver="preview")
    client.post(page(Derivative, "changelist"), {"action": "reprocess", "_selected_action": [str(row.pk)]})
    row.refresh_from_db()
    assert row.requested_version == 1
    assert client.get(page(Derivative, "change", row.pk)).status_code == 200
    assert client.get(page(File, "changelist")).status_code == 403


def test_trash_restore_purge(root: Client, file: File) -> None:
    def act(action: str) -> str:
        data = {"action": action, "_selected_action": [str(file.pk)], "sure": "yes"}
        return root.post(page(File, "changelist"), data, follow=True).content.decode()

    assert "0 files are gone for good" in act("purge")
    assert "1 file is in the trash now" in act("to_trash")
    assert "1 file is back" in act("restore")
    act("to_trash")
    assert "1 file is gone for good" in act("purge")
    assert not Original.objects.exists()


def test_a_library_with_files_is_not_deleted(root: Client, file: File, library: Library) -> None:
    assert root.post(page(Library, "delete", library.pk), {"post": "yes"}).status_code == 403
    empty = Library.objects.create(name="Empty")
    assert root.post(page(Library, "delete", empty.pk), {"post": "yes"}).status_code == 302
    assert list(Library.objects.all()) == [library]


def test_pictures_are_for_staff_who_may_look(root: Client, file: File, alice: User) -> None:
    row = Derivative.objects.get(deriver="preview")
    url = reverse("admin:media_derivative_picture", args=(row.pk, "thumb.webp"))
    assert url in root.get(page(File, "changelist")).content.decode()
    answer = root.get(url)
    assert (answer.status_code, answer.getvalue()) == (200, PICTURE)
    assert root.get(url.replace("thumb", "other")).status_code == 404
    root.force_login(alice)
    assert root.get(url).status_code == 302
    root.force_login(User.objects.create_user("clerk@example.org", is_staff=True))
    assert root.get(url).status_code == 403


def test_a_user_is_made_by_address(root: Client) -> None:
    form = {
        "email": "New.Person@Example.org",
        "name": "New",
        "usable_password": "true",
        "password1": "a-long-password-9",
        "password2": "a-long-password-9",
    }
    assert root.post(page(User, "add"), form).status_code == 302
    made = User.objects.get(email="new.person@example.org")
    assert made.check_password("a-long-password-9")
    twice = root.post(page(User, "add"), {**form, "email": "NEW.person@example.org"})
    assert twice.status_code == 200
    assert b"already exists" in twice.content


def members_form(library: Library, *changes: dict[str, object]) -> dict[str, object]:
    """The page's form as it stands, with a change for each member in the order they came; more are new ones."""
    members: list[Membership | None] = list(Membership.objects.filter(library=library).order_by("created_at"))
    before = len(members)
    members += [None] * (len(changes) - before)
    form: dict[str, object] = {
        "name": library.name,
        "memberships-TOTAL_FORMS": len(members),
        "memberships-INITIAL_FORMS": before,
    }
    for number, member in enumerate(members):
        row = {"id": member.pk, "user": member.user_id, "role": member.role} if member else {}
        row |= {"library": library.pk, **(changes[number] if number < len(changes) else {})}
        form |= {f"memberships-{number}-{name}": str(value) for name, value in row.items()}
    return form


def roles(library: Library) -> dict[str, str]:
    return dict(Membership.objects.filter(library=library).values_list("user__name", "role"))


def test_members_are_changed_in_the_library(root: Client, library: Library, charlie: User) -> None:
    form = members_form(library, {}, {"role": "admin"}, {"user": charlie.pk, "role": "viewer"})
    assert root.post(page(Library, "change", library.pk), form).status_code == 302
    assert roles(library) == {"Alice": "owner", "Bob": "admin", "Charlie": "viewer"}


@pytest.mark.parametrize(
    "changes", [[{"role": "viewer"}], [{"DELETE": "on"}], [{}, {"role": "owner"}]], ids=str
)
def test_a_library_keeps_exactly_one_owner(
    root: Client, library: Library, changes: list[dict[str, object]]
) -> None:
    answer = root.post(page(Library, "change", library.pk), members_form(library, *changes))
    assert answer.status_code == 200
    assert "A library has exactly one owner." in answer.content.decode()
    assert roles(library) == {"Alice": "owner", "Bob": "viewer"}


def test_who_is_shut_out_by_the_console_loses_old_links_too(root: Client, library: Library) -> None:
    before = library.membership_epoch
    form = members_form(library, {}, {"DELETE": "on"})
    assert root.post(page(Library, "change", library.pk), form).status_code == 302
    assert roles(library) == {"Alice": "owner"}
    library.refresh_from_db()
    assert library.membership_epoch == before + 1


def test_a_row_given_to_somebody_else_shuts_the_first_out(
    root: Client, library: Library, charlie: User
) -> None:
    form = members_form(library, {}, {"user": charlie.pk})
    assert root.post(page(Library, "change", library.pk), form).status_code == 302
    assert roles(library) == {"Alice": "owner", "Charlie": "viewer"}
    assert Library.objects.get(pk=library.pk).membership_epoch > library.membership_epoch


def test_a_library_is_handed_over(root: Client, library: Library) -> None:
    form = members_form(library, {"role": "viewer"}, {"role": "owner"})
    assert root.post(page(Library, "change", library.pk), form).status_code == 302
    assert roles(library) == {"Alice": "viewer", "Bob": "owner"}
    assert Library.objects.get(pk=library.pk).membership_epoch > library.membership_epoch


def test_a_new_library_needs_its_owner(root: Client, charlie: User) -> None:
    blank = {"name": "New", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    assert b"exactly one owner" in root.post(page(Library, "add"), blank).content
    owner = {"memberships-TOTAL_FORMS": 1, "memberships-0-user": charlie.pk, "memberships-0-role": "owner"}
    assert root.post(page(Library, "add"), {**blank, **owner}).status_code == 302
    assert roles(Library.objects.get()) == {"Charlie": "owner"}


def test_staff_who_may_only_add_members_change_none(client: Client, library: Library, charlie: User) -> None:
    clerk = User.objects.create_user("clerk@example.org", is_staff=True)
    may = ("change_library", "view_membership", "add_membership")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(clerk)
    form = members_form(library, {"role": "viewer"}, {"role": "admin"}, {"user": charlie.pk})
    form["memberships-2-role"] = "viewer"
    assert client.post(page(Library, "change", library.pk), form).status_code == 302
    assert roles(library) == {"Alice": "owner", "Bob": "viewer", "Charlie": "viewer"}


def test_somebody_named_twice_is_refused(root: Client, library: Library, bob: User) -> None:
    form = members_form(library, {}, {}, {"user": bob.pk, "role": "admin"})
    answer = root.post(page(Library, "change", library.pk), form)
    assert (answer.status_code, b"duplicate" in answer.content) == (200, True)
    assert roles(library) == {"Alice": "owner", "Bob": "viewer"}


def test_the_admin_has_no_second_login_page(client: Client, db: None) -> None:
    answer = client.get("/admin/login/?next=/admin/media/")
    assert answer["Location"] == "/login?next=%2Fadmin%2Fmedia%2F"
