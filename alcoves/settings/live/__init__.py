"""Settings that operators change while Alcoves runs: one table. The value of the database goes before that of the
environment, which goes before the default; `media.live.value` reads them. docs/configuration.md lists them.

Each is also a Django setting of the same name, which holds what the environment says, or the default. A new one is a
row in the file of its group, a line in `alcoves.settings.base` and one in docs/configuration.md.
"""

from typing import Any, Final

from alcoves.settings.live import (
    access,
    alerts,
    backups,
    films,
    pictures,
    sharing,
    understanding,
    uploads,
    work,
)
from alcoves.settings.live.row import Live

__all__ = ["BY_NAME", "GROUPS", "TABLE", "Live"]

TABLE: Final[tuple[Live, ...]] = (
    *pictures.ROWS,
    *uploads.ROWS,
    *work.ROWS,
    *films.ROWS,
    *understanding.ROWS,
    *sharing.ROWS,
    *access.ROWS,
    *alerts.ROWS,
    *backups.ROWS,
)
BY_NAME: Final[dict[str, Live]] = {one.name: one for one in TABLE}
GROUPS: Final = tuple(dict.fromkeys(one.group for one in TABLE))

# The same for django-constance, which keeps the values.
CONSTANCE_CONFIG: Final = {one.name: (one.default, one.help, one.name) for one in TABLE}
CONSTANCE_CONFIG_FIELDSETS: Final = {
    group: tuple(one.name for one in TABLE if one.group == group) for group in GROUPS
}
CONSTANCE_ADDITIONAL_FIELDS: Final[dict[str, Any]] = {
    one.name: ["alcoves.console.settings.fields.LiveField", {"name": one.name}] for one in TABLE
}
