"""The page behind a link to a moment: a player for whoever holds the link, and the door where it has a password."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from django.views.decorators.http import require_http_methods

from media import shares
from media.api.shares import describe, let_in, throttled
from media.models import MomentShare


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@csrf_protect
def show_share(request: HttpRequest, token: str) -> HttpResponse:
    """404 in words for links that are not good; the door for those with a password; else the clip."""
    try:
        share = shares.find_share(token)
    except shares.ShareNotFoundError as error:
        return shut(
            render(
                request, "alcoves/message.html", {"title": "Not here", "sentence": error.message}, status=404
            )
        )
    if request.method == "POST":
        return shut(knock(request, share, token))
    locked = not shares.is_open(share, request.COOKIES.get(shares.cookie_name(share)))
    if not locked and request.method == "GET":
        shares.count_view(share)
    return shut(page(request, share, token, locked=locked))


def knock(request: HttpRequest, share: MomentShare, token: str) -> HttpResponse:
    """The right password leads back to the page, with a cookie."""
    wait = throttled(request, token)
    if wait:
        problem = f"Too many tries. Wait {wait} seconds and try again."
        refusal = page(request, share, token, locked=True, problem=problem, status=429)
        refusal["Retry-After"] = str(wait)
        return refusal
    try:
        value = shares.unlock(share, request.POST.get("password", "")[:200])
    except shares.ShareLockedError:
        problem = "This is not the password of this link. Try again."
        return page(request, share, token, locked=True, problem=problem, status=401)
    response = redirect("share", token=token)
    let_in(response, share, value)
    return response


def page(
    request: HttpRequest,
    share: MomentShare,
    token: str,
    *,
    locked: bool,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "clip": describe(share, locked=locked),
        "address": f"{settings.PUBLIC_URL}/s/{token}",
        "origin": settings.PUBLIC_URL,
        "problem": problem,
    }
    return render(request, "alcoves/share.html", context, status=status)


def shut(response: HttpResponse) -> HttpResponse:
    """Not for search engines, not for caches, and the address is told to nobody the page leads to."""
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "same-origin"
    return response
