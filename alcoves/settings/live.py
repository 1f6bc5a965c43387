"""Settings that operators change while Alcoves runs: one table. The value of the database goes before that of the
environment, which goes before the default; `media.live.value` reads them. docs/configuration.md lists them.

Each is also a Django setting of the same name, which holds what the environment says, or the default.
"""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One setting. `kind` is the type of its value; limits are inclusive; `unit` is shown beside the field."""

    name: str
    group: str
    kind: type
    help: str
    default: Any
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    unit: str = ""
    env: str = ""
    """The variable that gives its default, if there is one."""


TABLE: Final[tuple[Live, ...]] = ()
BY_NAME: Final[dict[str, Live]] = {one.name: one for one in TABLE}
