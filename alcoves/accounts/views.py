"""The pages through which people come in and go out."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from alcoves.accounts import locking
from alcoves.accounts.models import fold_email
from alcoves.accounts.throttling import seconds_to_wait


class EmailForm(AuthenticationForm):
    """E-mail and password. The address is folded first, so that its case is no way around the lock."""

    error_messages = {
        "invalid_login": "This e-mail address and password do not belong together. Try again.",
        "inactive": "This account is switched off. Ask the people who run this server.",
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].label = "E-mail address"
        self.fields["username"].widget.input_type = "email"
        self.fields["username"].widget.attrs["autocomplete"] = "username"

    def clean_username(self) -> str:
        return fold_email(self.cleaned_data["username"])


class LogIn(views.LoginView):
    """The login page; who is in already goes on, unless what sent them here is shut to them: staff's pages."""

    template_name = "alcoves/login.html"
    authentication_form = EmailForm

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        self.redirect_authenticated_user = not self.shut_out
        return super().dispatch(request, *args, **options)

    @property
    def shut_out(self) -> bool:
        """They would be sent to and fro for ever."""
        console = resolve_url("admin:index")
        wanted = self.get_redirect_url().startswith(console)
        return wanted and self.request.user.is_authenticated and not admin.site.has_permission(self.request)

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        return super().get_context_data(**given, shut_out=self.shut_out)

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return slowed_down(request) or super().post(request, *args, **options)


class LogOut(views.LogoutView):
    """By POST only."""


@require_safe
@login_required
@ensure_csrf_cookie
def show_profile(request: HttpRequest) -> HttpResponse:
    """Who one is, and one's picture."""
    return render(request, "alcoves/profile.html")


def to_login(request: HttpRequest) -> HttpResponse:
    """The admin's own login page would be a second door with other locks."""
    if request.method == "POST" and (refusal := slowed_down(request)):
        return refusal
    goal = request.GET.get("next") or resolve_url("admin:index")
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': goal})}")


def slowed_down(request: HttpRequest) -> HttpResponse | None:
    """429 for an address that has tried too often within a minute, whoever it tried to be."""
    wait = seconds_to_wait(request)
    if not wait:
        return None
    sentence = f"Too many tries to log in from your address. Wait {wait} seconds and try again."
    context = {"title": "Slow down", "sentence": sentence}
    refusal = render(request, "alcoves/message.html", context, status=429)
    refusal["Retry-After"] = str(wait)
    return refusal


def locked_out(
    request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """What django-axes answers after too many wrong passwords, in our words."""
    minutes = int(locking.cooloff().total_seconds() // 60)
    sentence = f"Too many wrong passwords. Wait {minutes} minutes and try again."
    if request.path.startswith("/api/"):
        return JsonResponse({"code": "locked_out", "message": sentence}, status=429)
    return render(
        request, "alcoves/message.html", {"title": "Locked for a while", "sentence": sentence}, status=429
    )
