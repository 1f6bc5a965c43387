"""One file as the image proxy needs it: with its original and the poster that stands for it, by one statement.

Written by hand: this stands between a person and every cold picture, and building it by the ORM takes longer than
the database takes to answer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from alcoves import prepared
from media.models import Derivative, File, Original
from media.pictures import POSTER, Picture, find_picture

ORIGINAL: Final = ("id", "library_id", "kind", "mime", "key", "size", "sha256", "width", "height", "held_at")

LOOK: Final = f"""
SELECT f.rotation, {", ".join(f"o.{name}" for name in ORIGINAL)},
    (SELECT l.membership_epoch FROM media_library l WHERE l.id = f.library_id AND %(user)s::uuid IS NOT NULL),
    (SELECT json_build_array(d.variant, d.status, d.outputs, d.facts) FROM media_derivative d
        WHERE o.kind IN ('video', 'audio') AND d.original_id = o.id AND d.deriver = '{POSTER[0]}'
            AND (d.variant = '' OR d.variant = f.poster_variant AND d.outputs <> '[]'::jsonb)
        ORDER BY d.variant DESC LIMIT 1)::text, f.poster_variant
FROM media_file f JOIN media_original o ON o.id = f.original_id
WHERE f.id = %(file)s AND f.library_id = %(library)s
"""  # noqa: S608  Made of constants.
OF_A_MEMBER: Final = f"""{LOOK} AND EXISTS (
    SELECT FROM media_membership m WHERE m.library_id = f.library_id AND m.user_id = %(user)s)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: a file, also one in the trash, and the state of its poster if it has one."""

    epoch: int
    """Of the library; 0 where no user was asked for."""
    kind: str
    poster_status: str | None
    """None where none was planned, or none yet."""
    picture: Picture | None
    held: bool = False
    """Set aside by the operators: then there is no picture."""


def find_seen(library_id: UUID, file_id: UUID, user_id: Any = None) -> Seen | None:
    """With a user: only where they are a member of the library."""
    about = {"file": file_id, "library": library_id, "user": user_id}
    row = find_row(LOOK if user_id is None else OF_A_MEMBER, about)
    if row is None:
        return None
    rotation, *columns, epoch, poster, chosen = row
    variant, status, outputs, facts = json.loads(poster) if poster else ("", None, [], {})
    original = Original(**dict(zip(ORIGINAL, columns, strict=True)))
    file = File(
        id=file_id, library_id=library_id, original=original, rotation=rotation, poster_variant=chosen
    )
    made = Derivative(deriver=POSTER[0], variant=variant, outputs=outputs, facts=facts)
    held = original.held_at is not None
    return Seen(epoch or 0, original.kind, status, find_picture(file, [made]), held=held)


def find_row(statement: str, about: Mapping[str, Any]) -> Sequence[Any] | None:
    """To plan it takes ten times as long as to find the row."""
    with prepared.cursor() as cursor:
        cursor.execute(statement, about)
        row: Sequence[Any] | None = cursor.fetchone()
        return row
