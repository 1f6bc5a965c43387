"""What a set tells of, all read through one snapshot: blobs, settings, keys, migrations."""

import json
import os
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings

from alcoves import env
from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup.database import Snapshot
from alcoves.backup.models import ALL
from alcoves.backup.sets import Entry
from alcoves.settings import live as table
from media import live
from media.models import Derivative, File, Library, Original
from media.models.blob import FILES
from media.models.derivative import GIVEN

NOT_TOLD: Final = frozenset({"DATABASE_URL", "REDIS_URL"})
"""They carry passwords, and belong to the machine."""
NOT_KEYS: Final = frozenset({"ALCOVES_BACKUP_PASSPHRASE"})
ORIGINAL, OUTPUT, GIVEN_OUTPUT, AVATAR = "original", "output", "given", "avatar"


def table_of(model: Any) -> str:
    return f'"{model._meta.db_table}"'


def blobs(of: Snapshot, which: str) -> Iterator[Entry]:
    """Every original, what people have brought along, avatars; where all is wanted, what was made as well."""
    yield from originals(of)
    yield from outputs(of, everything=which == ALL)
    query = (
        f"SELECT avatar_key, avatar_size, avatar_sha256, email FROM {table_of(User)} WHERE avatar_key <> ''"  # noqa: S608
    )
    for key, size, sha256, name in of.rows(query):
        yield Entry(AVATARS, key, -1 if size is None else size, sha256, AVATAR, name)


def originals(of: Snapshot) -> Iterator[Entry]:
    query = f"""
        SELECT o.key, o.size, o.sha256, l.name,
          (SELECT f.name FROM {table_of(File)} f WHERE f.original_id = o.id ORDER BY f.id LIMIT 1)
        FROM {table_of(Original)} o JOIN {table_of(Library)} l ON l.id = o.library_id"""  # noqa: S608  Our names.
    for key, size, sha256, library, name in of.rows(query):
        yield Entry(FILES, key, size, sha256 or "", ORIGINAL, name or "", library)


def outputs(of: Snapshot, *, everything: bool) -> Iterator[Entry]:
    given = f"d.variant LIKE '{GIVEN}%'"
    query = f"""
        SELECT e.value ->> 'key', (e.value ->> 'size')::bigint, e.value ->> 'sha256', d.deriver, {given}, l.name
        FROM {table_of(Derivative)} d JOIN {table_of(Original)} o ON o.id = d.original_id
          JOIN {table_of(Library)} l ON l.id = o.library_id,
          LATERAL jsonb_array_elements(d.outputs) e
        WHERE {"TRUE" if everything else given}"""  # noqa: S608  Our names.
    for key, size, sha256, deriver, is_given, library in of.rows(query):
        yield Entry(FILES, key, size, sha256 or "", GIVEN_OUTPUT if is_given else OUTPUT, deriver, library)


def migrations(of: Snapshot) -> list[str]:
    return [f"{app}.{name}" for app, name in of.rows("SELECT app, name FROM django_migrations ORDER BY id")]


def run_time_settings() -> dict[str, Any]:
    """What operators have set, and what the environment says that is no secret: to be read by people."""
    told = {
        name: value
        for name, kind in sorted(env.KNOWN.items())
        if kind != "secret" and name not in NOT_TOLD and (value := os.environ.get(name)) and "@" not in value
    }
    values = {one.name: live.value(one.name) for one in table.TABLE if not getattr(one, "secret", False)}
    return {"live": values, "environment": told}


def keys() -> dict[str, str]:
    """Every secret of the environment by its name, and the signing key, wherever it comes from."""
    secrets = {
        name: value
        for name, kind in sorted(env.KNOWN.items())
        if kind == "secret" and name not in NOT_KEYS and (value := env.raw(name))
    }
    return {**secrets, "ALCOVES_SECRET_KEY": settings.SECRET_KEY}


def as_bytes(content: Any) -> bytes:
    return json.dumps(content, indent=1, default=str, ensure_ascii=False).encode() + b"\n"


def version() -> str:
    return str(settings.SPECTACULAR_SETTINGS["VERSION"])


def known_migrations() -> set[str]:
    """Those that this code has."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    replaced = {key for one in loader.disk_migrations.values() for key in one.replaces}
    return {f"{app}.{name}" for app, name in {*loader.disk_migrations, *replaced}}


def our_apps() -> set[str]:
    return {one.label for one in apps.get_app_configs()}
