"""Bodies of the API: JSON as the standard has it, bounded, and only text that can be kept and sent back.

What a parser lets through reaches serializers, the database and the answer. So it is here that a body too long,
too deep, or with a character that Postgres or UTF-8 cannot hold is refused, once for every view.
"""

import json
import math
from typing import IO, Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

DEEPEST: Final = 32
"""Levels of lists and objects. No request of ours has more than three."""


class JSONParser(BaseParser):
    """UTF-8 only, as RFC 8259 asks. NaN, Infinity, NUL and halves of surrogate pairs are no values."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            found = json.loads(body.decode("utf-8-sig"), parse_constant=refuse_constant)
        except RecursionError:
            raise too_deep() from None
        except ValueError as error:
            raise ParseError(f"This is no JSON in UTF-8: {error}.") from error
        if isinstance(found, dict):
            require_plain(list(found))
            refused = {name: [reason] for name, value in found.items() if (reason := objection_to(value))}
            if refused:
                raise ValidationError(refused)
        else:
            require_plain(found)
        return found


def refuse_constant(name: str) -> None:
    raise ParseError(f"{name} is no number in JSON. Send a number or null.")


def too_deep() -> ParseError:
    return ParseError(f"This JSON is nested deeper than {DEEPEST} levels. Send it flatter.")


def require_plain(found: Any) -> None:
    if reason := objection_to(found):
        raise ParseError(reason)


def objection_to(found: Any) -> str | None:
    """A sentence for what nobody could keep, else None. Level by level, without recursion."""
    level = [found]
    for _ in range(DEEPEST):
        for value in level:
            if reason := objection_to_value(value):
                return reason
        level = [child for value in level for child in children_of(value)]
        if not level:
            return None
    raise too_deep()


def children_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def objection_to_value(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "This number is too large. Send a smaller one."
    if isinstance(value, str) and not is_text(value):
        return "This text has a NUL or half a character (a lone surrogate). Leave it out."
    return None


def is_text(value: str) -> bool:
    """Whether Postgres and UTF-8 can hold it."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
