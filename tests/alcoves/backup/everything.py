"""A row of every kind, and all rows of all tables as they stand in the database."""

from datetime import timedelta

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from alcoves.accounts.models import AccessToken, User
from media import audit, shares
from media.audit import Actor
from media.folders import create_folder
from media.models import File, Library, Moment, MomentShare, Stack, Switching, Tag
from media.models.audit import Via
from ml.models import FaceRejection, MergeProposal, Person, PictureEmbedding
from tests.ml.people.making import make_face
from tests.ml.search.things import derived, holds, put, says, sounds_of

Rows = dict[str, set[str]]


def furnish(library: Library, owner: User) -> MomentShare:
    """Folders, trash, stacks, moments with tags, faces, transcripts, roles, tokens, entries. The share of a moment."""
    folder = create_folder(library, "Summer")
    inner = create_folder(library, "Sea", folder.pk)
    file = put(library, "beach.mp4", folder=inner, kind="video", duration=60)
    gone = put(library, "blurred.jpg", folder=folder)
    File.objects.filter(pk=gone.pk).update(trashed_at=timezone.now())
    Stack.objects.create(library=library, kind="burst", mark="a", primary=file, count=1)
    understand(library, file)
    owner.groups.set(Group.objects.filter(name="librarian"))
    AccessToken.issue(owner, "a script")
    Switching.objects.create(library=library, switch="faces", on=True)
    audit.note("test.act", by=Actor(Via.CONSOLE, owner), text="Did something.", target=file, more="detail")
    Library.objects.filter(pk=library.pk).update(sharing=True)
    moment = Moment.objects.create(file=file, name="The wave", start=1, end=2, created_by=owner)
    moment.tags.add(Tag.objects.create(library=library, name="water", color="#EF4444"))
    moment = Moment.objects.select_related("file__library").get(pk=moment.pk)
    return shares.create_share(moment, owner, expires_at=timezone.now() + timedelta(days=9))


def understand(library: Library, file: File) -> None:
    holds(file, "boat")
    sounds_of(file, "waves", 10.0)
    says(file, "en", "look at that", "what a wave")
    vector = [0.5] * 8
    about = {"library": library, "original_id": file.original_id, "derivative": derived(file, "embedding")}
    PictureEmbedding.objects.create(model="m", embedding=vector, **about)
    one, two = sorted(
        (Person.objects.create(library=library, name=name) for name in ("Ann", "Ben")), key=lambda row: row.pk
    )
    face = make_face(library, person=one, file=file)
    FaceRejection.objects.create(face=face, person=two)
    MergeProposal.objects.create(library=library, first=one, second=two, distance=0.1)


def tables() -> list[str]:
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    )


def rows() -> Rows:
    """Every column of every row, those that the database makes itself too."""
    found: Rows = {}
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            found[table] = {line for (line,) in cursor.fetchall()}
    return found
