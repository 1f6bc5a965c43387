"""The console's lists of alerts and of letters about them. Rows are only looked at; a letter can be sent again."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alcoves.alerts import letters, resending
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.themed import TabularInline
from alcoves.wording import counted
from media import audit
from media.admin import many
from media.admin.filters import one_of
from media.admin.paging import LookOnly, link

AGAIN = (
    f"Each goes to everybody who is told of alerts, also to those who had it. At most {resending.MOST} at once, "
    "the oldest first."
)


class OpenFilter(admin.SimpleListFilter):
    """What is wrong now, and what was."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "wrong now"), ("over", "over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in {"open", "over"}:
            return queryset.filter(resolved_at__isnull=self.value() == "open")
        return queryset


class MentionLines(TabularInline[Mention, Any]):
    """Which letters told of an alert; of which alerts a letter tells."""

    model = Mention
    extra = 0
    can_delete = False
    tab = False
    ordering = ("-at",)
    verbose_name_plural = "told"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("alert", "delivery")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="letter")
    def letter(self, row: Mention) -> SafeString | str:
        return format_html("{} ({})", link(row.delivery), row.delivery.state)

    @admin.display(description="alert")
    def trouble(self, row: Mention) -> SafeString | str:
        return link(row.alert)


class LettersOfAlert(MentionLines):
    fk_name = "alert"
    fields = readonly_fields = ("what", "letter", "at")


class AlertsOfLetter(MentionLines):
    fk_name = "delivery"
    fields = readonly_fields = ("what", "trouble", "at")


@admin.register(Alert)
class AlertAdmin(LookOnly):
    """Newest first."""

    list_display = ("sentence", "grade", "state", "first_seen", "last_seen", "told_at", "times", "mend")
    list_filter = (OpenFilter, "severity")
    search_fields = ("=id",)
    ordering = ("-last_seen",)
    fields = (
        *("sentence", "grade", "state", "mend", "key", "rule", "first_seen", "raised_at", "last_seen"),
        *("resolved_at", "ending", "told_at", "times"),
    )
    readonly_fields = fields
    inlines = (LettersOfAlert,)

    @admin.display(description="severity")
    def grade(self, alert: Alert) -> SafeString:
        look = "ops-bad" if alert.severity == "critical" else "ops-warn"
        return format_html('<span class="ops-badge {}">{}</span>', look, alert.severity)

    @admin.display(description="state")
    def state(self, alert: Alert) -> SafeString:
        if alert.resolved_at is None:
            look, text = "ops-warn", "wrong now"
        else:
            look, text = ("ops-warn", "no longer watched") if alert.ending else ("ops-good", "well again")
        return format_html('<span class="ops-badge {}">{}</span>', look, text)

    @admin.display(description="put it right")
    def mend(self, alert: Alert) -> SafeString | str:
        return format_html('<a href="{}">Open</a>', alert.link) if alert.link.startswith("/") else "-"


@admin.register(Delivery)
class DeliveryAdmin(LookOnly):
    """Newest first."""

    list_display = ("subject", "channel", "badge", "attempts", "created_at", "sent_at", "next", "error")
    list_filter = ("state", "channel", one_of("event"))
    search_fields = ("=id",)
    ordering = ("-id",)
    actions = ("send_again",)
    fields = (
        *("subject", "channel", "event", "badge", "attempts", "created_at", "sent_at", "next", "error"),
        *("status", "answer", "words"),
    )
    readonly_fields = fields
    inlines = (AlertsOfLetter,)

    @admin.display(description="letter")
    def subject(self, letter: Delivery) -> str:
        return letters.subject_of(letter.data)

    @admin.display(description="state")
    def badge(self, letter: Delivery) -> SafeString:
        look = {"sent": "ops-good", "owed": "ops-warn"}.get(letter.state, "ops-bad")
        return format_html('<span class="ops-badge {}">{}</span>', look, letter.get_state_display())

    @admin.display(description="next try")
    def next(self, letter: Delivery) -> Any:
        return letter.next_try if letter.state == "owed" else None

    @admin.display(description="as mail")
    def words(self, letter: Delivery) -> SafeString:
        return format_html('<pre class="ops-words">{}</pre>', letters.text_of(letter.data))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if not request.user.has_perm("console.send_alerts"):
            actions.pop("send_again", None)
        return actions

    @admin.action(description="Send again")
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if not request.user.has_perm("console.send_alerts"):
            raise PermissionDenied
        if not many.is_sure(request):
            return self.ask(request, queryset)
        count = resending.send_again(queryset, by=audit.of(request))
        go = "goes" if count == 1 else "go"
        self.message_user(
            request, f"{counted(count, 'letter')} {go} out again within a minute.", messages.SUCCESS
        )
        return None

    def ask(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        """About these and no others that come meanwhile."""
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[: resending.MOST])
        kept = {"action": request.POST.get("action", "")}
        about: dict[str, Any] = {
            "title": f"Send {len(keys)} again?",
            "sentence": AGAIN,
            "button": "Yes, send",
        }
        return many.ask(self, request, rows, keys=keys, kept=kept, **about)
