"""The console's page of alerts: what is wrong, who is told, and whether it arrives."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.alerts import letters, mail, pulses, resending
from alcoves.alerts.models import Alert, Channel, Delivery, State
from media import audit, live

SHOWN = 10


def show(request: HttpRequest) -> HttpResponse:
    """POST with a `channel` asks for a test by it."""
    if request.method == "POST":
        return send_test(request)
    newest = list(Delivery.objects.order_by("-created_at")[:SHOWN])
    about = {
        **admin.site.each_context(request),
        "title": "Alerts",
        "open": Alert.objects.open().order_by("severity", "first_seen")[:SHOWN],
        "count": Alert.objects.open().count(),
        "letters": [{"row": letter, "subject": letters.subject_of(letter.data)} for letter in newest],
        "channels": [about_channel(channel) for channel in Channel],
        "enabled": live.value("ALERTS_ENABLED"),
        "checked_at": pulses.heard(pulses.CHECK),
        "may_send": request.user.has_perm("console.send_alerts"),
    }
    return TemplateResponse(request, "console/alerts.html", about)


def about_channel(channel: Channel) -> dict[str, Any]:
    """Who is told by it, and the last that was taken. The address of the webhook is a secret."""
    if channel == Channel.MAIL:
        told, how = ", ".join(mail.recipients()), "ALERT_MAIL_TO and ALCOVES_MAIL_HOST"
    else:
        told, how = ("an address is set" if live.value("ALERT_WEBHOOK_URL") else ""), "ALERT_WEBHOOK_URL"
    rows = Delivery.objects.filter(channel=channel)
    last = rows.filter(state=State.SENT).order_by("-sent_at").values_list("sent_at", flat=True).first()
    owed = rows.filter(state=State.OWED).count()
    return {
        "name": str(channel),
        "title": channel.label,
        "told": told,
        "how": how,
        "last": last,
        "owed": owed,
        "test": rows.filter(event=letters.TEST).order_by("-id").first(),
    }


def send_test(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("console.send_alerts"):
        raise PermissionDenied
    channel = request.POST.get("channel", "")
    if channel in Channel.values:
        resending.test(channel, by=audit.of(request))
        messages.success(
            request,
            f"The test by {channel} is on its way, as all letters go. Load this page again: it says when it was taken, "
            "or what was answered.",
        )
    else:
        messages.error(request, "Choose mail or webhook.")
    return HttpResponseRedirect(reverse("admin:alerts"))
