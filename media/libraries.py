"""Making libraries and letting people in."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from media import live, passes
from media.errors import ConflictError, NotAllowedError
from media.models import Library, Membership
from media.models.library import Role


def create_library(owner: Any, name: str, **fields: Any) -> Library:
    """A library and its owner, in one transaction."""
    with transaction.atomic():
        library: Library = Library.objects.create(name=name, **{**new_switches(), **fields})
        Membership.objects.create(library=library, user=owner, role=Role.OWNER)
    return library


def new_switches() -> dict[str, bool]:
    """With which switches a library begins whose maker says nothing of them."""
    return {
        "faces": live.value("NEW_LIBRARY_FACES"),
        "objects_on": live.value("NEW_LIBRARY_OBJECTS"),
        "audio_events": live.value("NEW_LIBRARY_AUDIO_EVENTS"),
        "transcripts": live.value("NEW_LIBRARY_TRANSCRIPTS"),
        "semantic": live.value("NEW_LIBRARY_SEMANTIC"),
        "sharing": live.value("NEW_LIBRARY_SHARING"),
    }


def set_member(library: Library, user: Any, role: str) -> Membership:
    """Let somebody in, or change what they may do, which ends old links too. The owner stays the owner."""
    if role == Role.OWNER:
        raise ConflictError("A library has one owner already.")
    with transaction.atomic():
        member, created = Membership.objects.select_for_update().get_or_create(
            library=library, user=user, defaults={"role": role}
        )
        if not created and member.role == Role.OWNER:
            raise ConflictError("The owner's role cannot be changed.")
        if not created and member.role != role:
            member.role = role
            member.save(update_fields=["role", "updated_at"])
            turn_epoch(library)
    return member


def set_owner(library: Library, user: Any) -> None:
    """Hand the library over, or give it an owner where it has none. Who owned it before stays as an admin."""
    with transaction.atomic():
        members = Membership.objects.filter(library=library)
        before = members.select_for_update().filter(role=Role.OWNER).first()
        if before is not None and before.user_id == user.pk:
            return
        if before is not None:
            before.role = Role.ADMIN
            before.save(update_fields=["role", "updated_at"])
        Membership.objects.update_or_create(library=library, user=user, defaults={"role": Role.OWNER})
        turn_epoch(library)


def remove_member(library: Library, user_id: UUID) -> None:
    """Shut somebody out; links signed for the old circle of members stop working."""
    with transaction.atomic():
        member = Membership.objects.select_for_update().get(library=library, user_id=user_id)
        if member.role == Role.OWNER:
            raise ConflictError("The owner cannot be removed.")
        member.delete()
        turn_epoch(library)


def turn_epoch(library: Library) -> None:
    """What was signed for the members of before is worth nothing now. Inside of a transaction, which holds the row."""
    rows = Library.objects.filter(pk=library.pk)
    rows.update(membership_epoch=F("membership_epoch") + 1)
    epoch = rows.values_list("membership_epoch", flat=True).get()
    transaction.on_commit(partial(passes.turn, library.pk, epoch))


def require_write(member: Membership) -> None:
    """NotAllowedError for viewers."""
    if not member.may_write:
        raise NotAllowedError("You may look at this library but not change it. Ask its owner.")


def require_owner(member: Membership) -> None:
    """NotAllowedError for everybody but the owner."""
    if member.role != Role.OWNER:
        raise NotAllowedError("Only the owner of this library may do that.")
