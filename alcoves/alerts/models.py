"""What operators are told: troubles, letters about them that are owed until they were taken, and signs of life."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from media.models.base import Row


class Severity(models.TextChoices):
    """How bad it is: `critical` stops the work or loses something, `warning` will."""

    WARNING = "warning"
    CRITICAL = "critical"


class Channel(models.TextChoices):
    """The ways in which operators are told."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class What(models.TextChoices):
    """What a letter says of an alert."""

    TROUBLE = "trouble"
    WELL = "well"


class State(models.TextChoices):
    """Of a letter. `given_up` is final unless somebody sends it again."""

    OWED = "owed"
    SENT = "sent"
    GIVEN_UP = "given_up"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Reads of alerts."""

    def open(self) -> "AlertQuerySet":
        return self.filter(resolved_at__isnull=True)

    def untold(self, channel: str) -> "AlertQuerySet":
        """Of which no letter of this channel tells since they were raised."""
        told = Mention.objects.filter(alert=OuterRef("pk"), delivery__channel=channel, what=What.TROUBLE)
        return self.filter(~Exists(told.filter(at__gte=OuterRef("raised_at"))))

    def well_untold(self, channel: str) -> "AlertQuerySet":
        """Over, and this channel has told the trouble and not its end."""
        told = Mention.objects.filter(alert=OuterRef("pk"), delivery__channel=channel)
        return self.filter(
            Exists(told.filter(what=What.TROUBLE, at__gte=OuterRef("raised_at"))),
            ~Exists(told.filter(what=What.WELL, at__gte=OuterRef("raised_at"))),
            resolved_at__isnull=False,
        )


class Alert(Row):
    """One trouble from its first sight to its end. One that comes back soon is the same alert once more."""

    key = models.CharField(max_length=200)
    rule = models.CharField(max_length=64, blank=True, default="", help_text="of alcoves.alerts.rules.RULES")
    severity = models.CharField(max_length=16, choices=Severity.choices)
    sentence = models.TextField()
    link = models.CharField(max_length=500, blank=True, default="", help_text="where it is put right")
    first_seen = models.DateTimeField(default=timezone.now)
    raised_at = models.DateTimeField(
        default=timezone.now, help_text="since then operators are owed a word of it"
    )
    last_seen = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="why it is watched no longer, where nobody has seen that it is well",
    )
    told_at = models.DateTimeField(null=True, blank=True, help_text="when mail or webhook first took it")
    times = models.PositiveIntegerField(default=1, help_text="how often it came back")

    objects: ClassVar[Any] = AlertQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["key"], condition=Q(resolved_at__isnull=True), name="alert_open_once"
            ),
            models.CheckConstraint(condition=Q(severity__in=Severity.values), name="alert_severity_known"),
        )
        indexes = (
            models.Index(fields=["-last_seen"], name="alert_newest"),
            models.Index(fields=["key", "-resolved_at"], name="alert_by_key"),
            models.Index(
                fields=["-last_seen"], condition=Q(resolved_at__isnull=True), name="alert_open_newest"
            ),
            models.Index(
                fields=["-last_seen"], condition=Q(resolved_at__isnull=False), name="alert_over_newest"
            ),
            models.Index(fields=["severity", "-last_seen"], name="alert_by_severity"),
        )

    def __str__(self) -> str:
        return self.sentence[:120]


class Delivery(Row):
    """One letter: a mail, or a call of the webhook. It is tried until it is taken, or given up after some days."""

    channel = models.CharField(max_length=16, choices=Channel.choices)
    event = models.CharField(max_length=32, help_text="alerts or test")
    data = models.JSONField(default=dict, help_text="what it says; the same at every try")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OWED)
    attempts = models.PositiveIntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveIntegerField(null=True, blank=True, help_text="the answer of the webhook")
    answer = models.TextField(blank=True, default="", help_text="its first 2000 characters")
    error = models.TextField(blank=True, default="", help_text="why the last try failed")
    alerts = models.ManyToManyField(Alert, through="Mention", related_name="deliveries")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = (
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="delivery_channel_known"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="delivery_state_known"),
        )
        indexes = (
            models.Index(fields=["next_try"], condition=Q(state="owed"), name="delivery_due"),
            models.Index(fields=["channel", "-created_at"], name="delivery_newest"),
            models.Index(fields=["channel", "-id"], name="delivery_by_channel"),
            models.Index(fields=["state", "-id"], name="delivery_by_state"),
            models.Index(fields=["event", "-id"], name="delivery_by_event"),
        )

    def __str__(self) -> str:
        return f"{self.channel} {self.created_at:%Y-%m-%d %H:%M}"


class Mention(Row):
    """That a letter tells of an alert, or of its end."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="mentions")
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="mentions")
    what = models.CharField(max_length=16, choices=What.choices)
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["delivery", "alert", "what"], name="mention_once"),
            models.CheckConstraint(condition=Q(what__in=What.values), name="mention_known"),
        )
        indexes = (models.Index(fields=["alert", "what", "at"], name="mention_of_alert"),)

    def __str__(self) -> str:
        return f"{self.what} {self.alert_id}"


class Pulse(models.Model):
    """A sign of life, or a figure as it was last seen: `at` is since when it has been `value`, or when it was heard."""

    name = models.CharField(max_length=200, primary_key=True)
    at = models.DateTimeField()
    value = models.CharField(max_length=200, blank=True, default="")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
