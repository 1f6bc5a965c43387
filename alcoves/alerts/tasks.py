"""What beat starts each minute. Where no worker is left to do it, `alcoves.alerts.watching` does."""

from celery import shared_task

from alcoves.alerts import checking, delivering


@shared_task(name="alerts.check", ignore_result=True)
def check() -> None:
    checking.check()


@shared_task(name="alerts.deliver", ignore_result=True)
def deliver() -> int:
    """Tries of letters come up between two checks too."""
    return delivering.deliver_due()
