"""Shapes of what `steering_api` takes and answers."""

from typing import Any

from rest_framework import serializers

from alcoves.queues import LANES
from media import controls

STATES = ("alive", "draining", "drained", "offline")


class PauseShape(serializers.Serializer[Any]):
    """Who paused it, when and why."""

    by = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class QueueShape(serializers.Serializer[Any]):
    """One queue. `pause` may be its own, its lane's or that of all lanes; null: work is taken."""

    name = serializers.CharField()
    lane = serializers.ChoiceField(choices=LANES)
    weight = serializers.IntegerField()
    depth = serializers.IntegerField(allow_null=True, help_text="messages in Redis; null while it is away")
    rows = serializers.IntegerField(help_text="rows that wait, in Postgres")
    running = serializers.IntegerField()
    oldestSeconds = serializers.FloatField(allow_null=True)
    pause = PauseShape(allow_null=True)


class LaneShape(serializers.Serializer[Any]):
    """One lane. `orderedSlots` is null where each worker has the slots that its environment says."""

    name = serializers.ChoiceField(choices=LANES)
    workers = serializers.IntegerField()
    slots = serializers.IntegerField(help_text="of all workers together")
    orderedSlots = serializers.IntegerField(allow_null=True)
    pause = PauseShape(allow_null=True)


class QueuesShape(serializers.Serializer[Any]):
    """All lanes and queues. `pause`: that of maintenance, over all of them."""

    pause = PauseShape(allow_null=True)
    lanes = LaneShape(many=True)
    queues = QueueShape(many=True)


class TaskShape(serializers.Serializer[Any]):
    """A task under way."""

    task = serializers.CharField()
    id = serializers.CharField()
    queue = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True, help_text="the id it was given, as of a derivative")
    seconds = serializers.FloatField(allow_null=True)


class WorkerShape(serializers.Serializer[Any]):
    """One worker; offline when it was not seen for 60 seconds."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    lane = serializers.CharField()
    slots = serializers.IntegerField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    version = serializers.CharField()
    memory = serializers.IntegerField(help_text="bytes; 0 where it is not known")
    startedAt = serializers.DateTimeField()
    seenAt = serializers.DateTimeField()
    drain = PauseShape(allow_null=True)
    running = TaskShape(many=True)


class ReasonInput(serializers.Serializer[Any]):
    """Why; shown beside what is paused."""

    reason = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=controls.REASON_LENGTH
    )


class SlotsInput(serializers.Serializer[Any]):
    """How many; null for what the environment says."""

    slots = serializers.IntegerField(allow_null=True, min_value=1, max_value=controls.MOST_SLOTS)
