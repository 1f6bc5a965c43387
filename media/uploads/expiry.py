"""How long an unfinished upload lives: each request renews it, up to a limit the store's sweep relies on."""

from datetime import datetime, timedelta

from django.utils import timezone

from media import live
from media.models import Upload
from media.uploads.errors import GoneError

LONGEST = timedelta(days=7)
"""From creation, whatever the activity. Staging of a store may be swept once it is older than this."""


def next_expiry(created_at: datetime | None = None) -> datetime:
    now = timezone.now()
    return min(now + timedelta(hours=live.value("UPLOAD_EXPIRE_HOURS")), (created_at or now) + LONGEST)


def require_live(upload: Upload) -> None:
    """GoneError once the upload has expired, swept or not."""
    if upload.expires_at <= timezone.now():
        raise GoneError("This upload has expired. Begin it again.")
