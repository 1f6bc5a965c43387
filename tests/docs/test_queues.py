"""docs/queues.md against alcoves/queues.py and the settings."""

from django.conf import settings

from alcoves.queues import LANES, QUEUES
from alcoves.worker import NICE
from tests.docs.reading import DOCS, bare, rows


def test_the_table_is_that_of_the_code() -> None:
    told = [[bare(cell) for cell in row] for row in rows("queues.md", "The table")]
    assert told == [
        [queue.name, str(queue.weight), queue.lane, str(queue.time_limit), str(queue.dedup), queue.carries]
        for queue in QUEUES
    ]


def test_the_lanes_are_those_of_the_code() -> None:
    told = [[cell.replace("`", "") for cell in row] for row in rows("queues.md", "Lanes")]
    assert told == [
        [lane, ", ".join(queue.name for queue in QUEUES if queue.lane == lane), str(NICE[lane])]
        for lane in LANES
    ]


def test_the_settings_told_are_those_in_force() -> None:
    told = {bare(row[0]): bare(row[1]) for row in rows("queues.md", "Why Celery is set as it is")}
    transport = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert told["queue_order_strategy"] == transport["queue_order_strategy"]
    assert told["visibility_timeout"] == str(transport["visibility_timeout"])
    assert told["polling_interval"] == str(transport["polling_interval"])
    assert told["task_default_queue"] == settings.CELERY_TASK_DEFAULT_QUEUE
    assert told["worker_soft_shutdown_timeout"] == str(settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT)
    for name in (
        "task_acks_late",
        "task_reject_on_worker_lost",
        "task_ignore_result",
        "task_create_missing_queues",
    ):
        assert told[name] == str(getattr(settings, f"CELERY_{name.upper()}")).lower()


def test_the_hard_limit_told_is_that_of_the_code() -> None:
    from media.dispatch import GRACE_SECONDS

    assert f"comes {GRACE_SECONDS} s later" in (DOCS / "queues.md").read_text(encoding="utf-8")
