"""What beat has worked out for the dashboard, because a page must not wait for it."""

from celery import shared_task

from alcoves.console.dashboard import storage


@shared_task(name="console.count_avatars", ignore_result=True)
def count_avatars() -> int:
    """A listing of their store."""
    return storage.count_avatars()
