"""Who may reach what: permission is checked where the object is loaded, and nowhere else.

Non-members and people who guess ids get the same 404, so nobody learns what exists.
"""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework.request import Request

from media import passes
from media.api.describing import with_all
from media.errors import HeldError
from media.libraries import require_owner, require_write
from media.models import Derivative, File, Library, Membership


def find_library(
    request: Request, library_id: UUID, *, write: bool = False, owner: bool = False
) -> tuple[Library, Membership]:
    """The library and the caller's membership, in one query. 404, or 403 for a member whose role is too low."""
    mine = Membership.objects.filter(library_id=library_id, user=user_of(request))
    member = mine.select_related("library").first()
    if member is None:
        raise Http404("There is no such library, or you are not a member of it.")
    if owner:
        require_owner(member)
    elif write:
        require_write(member)
    return member.library, member


def user_of(request: Request) -> Any:
    """The caller, who is logged in: every view that asks has IsAuthenticated."""
    return request.user


def image_pass(request: Request, library: Library) -> str:
    """What makes the addresses of this library's pictures good for the caller; costs no query."""
    viewer = viewer_of(request)
    passes.note_epoch(library.pk, library.membership_epoch)
    return passes.sign(viewer, library.pk, library.membership_epoch)


def viewer_of(request: Request) -> str:
    """The access token or the session by which the caller was let in."""
    token: Any = request.auth
    if token is not None:
        return passes.viewer_of_token(token.digest)
    return passes.viewer_of_session(request.session.session_key or "")


def find_file(
    request: Request,
    library_id: UUID,
    file_id: UUID,
    *,
    write: bool = False,
    live: bool = False,
    held: bool = False,
) -> tuple[File, Membership]:
    """The file with its original and its derivatives. `live` leaves out the trash. Three queries.

    HeldError for what operators have set aside, unless the caller says that it shows nothing of it (`held`).
    """
    library, member = find_library(request, library_id, write=write)
    files = with_all(File.objects.filter(pk=file_id, library=library), probe=True)
    file: File | None = (files.live() if live else files).first()
    if file is None:
        raise Http404("There is no such file in this library" + (", or it is in the trash." if live else "."))
    if file.original.held_at is not None and not held:
        raise HeldError
    file.library = library
    return file, member


def find_derivative(file: File, deriver: str, variant: str = "") -> Derivative:
    """The derivative of a file that `find_file` has loaded; costs a query only for a variant that lists leave out."""
    rows: list[Derivative] = list(file.original.derivatives.all())
    for row in rows:
        if row.deriver == deriver and row.variant == variant:
            return row
    left_out = Derivative.objects.filter(original=file.original_id, deriver=deriver, variant=variant)
    found: Derivative | None = left_out.first() if variant else None
    if found is None:
        raise Http404(f"Nothing named {deriver} was planned for this file.")
    return found
