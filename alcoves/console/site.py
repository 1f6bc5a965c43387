"""The admin site: our pages, and headers that its theme needs."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern

from alcoves.console import pages
from alcoves.console.dashboard import page as dashboard
from alcoves.console.narrowing import Narrowed
from alcoves.console.noting import Audited
from alcoves.themed import AdminSite, ModelAdmin

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The theme's Alpine evaluates what its templates hold, and places menus by inline styles. No inline script."""


class ConsoleSite(AdminSite):
    """Staff only, as Django's; every answer says what a page of it may load."""

    site_header = "Alcoves"
    site_title = "Alcoves"
    index_title = "Dashboard"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Whatever a page changes is in the audit log, and addresses of lists ask for no more than they offer."""
        page = admin_class or ModelAdmin
        super().register(
            model_or_iterable,
            type(page.__name__, (Audited, Narrowed, page), {"__module__": page.__module__}),
            **options,
        )

    def extra_urls(self) -> list[URLPattern]:
        return pages.urls(self.admin_view)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The dashboard, for staff who may see it."""
        return super().index(request, {**(extra_context or {}), **dashboard.context(request)})

    def admin_view(self, view: Any, cacheable: Any = False) -> Any:  # noqa: FBT002  Django's.
        inner = super().admin_view(view, cacheable)

        def show(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
            answer: HttpResponseBase = inner(request, *args, **values)
            answer.headers.setdefault("Content-Security-Policy", POLICY)
            return answer

        # URL resolving reads what the inner one says of itself.
        show.__dict__.update(inner.__dict__)
        return show

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        answer = super().login(request, extra_context)
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        return answer
