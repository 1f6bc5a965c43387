"""One file as the image proxy needs it: with its original and the poster of a video, by one statement.

Written by hand: this stands between a person and every cold picture, and building it by the ORM takes longer than
the database takes to answer.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from media.models import Derivative, File, Original
from media.models.derivative import Status
from media.pictures import POSTER, Picture, find_picture

ORIGINAL: Final = ("id", "library_id", "kind", "mime", "key", "size", "sha256", "width", "height")

LOOK: Final = f"""
SELECT f.rotation, l.membership_epoch, d.outputs::text, d.facts::text, d.status,
    {", ".join(f"o.{name}" for name in ORIGINAL)}
FROM media_file f JOIN media_library l ON l.id = f.library_id JOIN media_original o ON o.id = f.original_id
LEFT JOIN media_derivative d ON d.original_id = o.id AND d.deriver = '{POSTER[0]}' AND d.variant = ''
WHERE f.id = %(file)s AND f.library_id = %(library)s
"""  # noqa: S608  Made of constants.
OF_A_MEMBER: Final = f"""{LOOK} AND EXISTS (
    SELECT FROM media_membership m WHERE m.library_id = f.library_id AND m.user_id = %(user)s)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: a file, also one in the trash, and the state of its poster if it has one."""

    epoch: int
    kind: str
    poster_status: str
    picture: Picture | None


def find_seen(library_id: UUID, file_id: UUID, user_id: Any = None) -> Seen | None:
    """With a user: only where they are a member of the library."""
    about = {"file": file_id, "library": library_id, "user": user_id}
    with connection.cursor() as cursor:
        cursor.execute(LOOK if user_id is None else OF_A_MEMBER, about)
        row = cursor.fetchone()
    if row is None:
        return None
    rotation, epoch, outputs, facts, status, *columns = row
    original = Original(**dict(zip(ORIGINAL, columns, strict=True)))
    file = File(id=file_id, library_id=library_id, original=original, rotation=rotation)
    made = Derivative(deriver=POSTER[0], outputs=json.loads(outputs or "[]"), facts=json.loads(facts or "{}"))
    return Seen(epoch, original.kind, status or Status.QUEUED, find_picture(file, [made]))
