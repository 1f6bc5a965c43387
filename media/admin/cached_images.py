"""The image cache: what lies in it, how full it is, and emptying it of the sizes nobody needs to keep."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from media import audit, evicting, live, tallies
from media.admin.filters import one_way_or_other
from media.admin.paging import LookOnly, link, page_name
from media.models import CachedImage, tally

KindFilter = one_way_or_other(
    "kind",
    "kind",
    {
        "variant": ("Registry variants", Q(variants_version__gt=0)),
        "free": ("Free sizes", Q(variants_version=0)),
    },
)
"""Registry variants and free sizes apart."""


def counted() -> evicting.Usage:
    """From the counts that triggers keep: a look at the page must not add up a million rows."""
    told = {one.keys[0]: one for one in tallies.told(tally.CACHED, 1)}
    number, size = sum(one.number for one in told.values()), sum(one.amount for one in told.values())
    kept = told.get("variant")
    return evicting.Usage(
        images=number,
        size=size,
        variants=kept.number if kept else 0,
        variants_size=kept.amount if kept else 0,
        cap=live.value("IMAGE_CACHE_MAX_BYTES"),
    )


@admin.register(CachedImage)
class CachedImageAdmin(LookOnly):
    change_list_template = "admin/media/cachedimage/change_list.html"
    list_display = ("recipe", "bytes", "kind", "original_link", "used_at", "created_at")
    list_select_related = ("original",)
    list_filter = (KindFilter,)
    search_fields = ("=key", "=id", "=original__id", "=original__files__id")
    search_help_text = "A whole key, or the id of a picture, an original or a file."
    ordering = ("-id",)
    fields = ("key", "bytes", "kind", "variants_version", "original_link", "used_at", "created_at")
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        clear = path("clear", self.admin_site.admin_view(self.clear), name="media_cachedimage_clear")
        return [clear, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        about = {"usage": counted(), "may_clear": self.has_clear_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **about})

    def has_clear_permission(self, request: HttpRequest) -> bool:
        """Who may change the cache's rows may have them made anew."""
        return request.user.has_perm("media.change_cachedimage")

    def clear(self, request: HttpRequest) -> HttpResponse:
        """Asks, and then takes every free size out of the cache."""
        if not self.has_clear_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            about = {**self.admin_site.each_context(request), "usage": counted(), "opts": self.opts}
            return TemplateResponse(request, "admin/media/cachedimage/clear.html", about)
        gone, done = evicting.clear(by=audit.of(request))
        left = "" if done else " Some are left: clear again."
        size = filesizeformat(gone.size)
        messages.success(request, f"{gone.images} free sizes of {size} left the cache.{left}")
        return HttpResponseRedirect(reverse(page_name(CachedImage, "changelist")))

    @admin.display(description="recipe")
    def recipe(self, row: CachedImage) -> str:
        """The last part of the key: box, quality and format."""
        return row.key.rpartition("/")[2]

    @admin.display(description="size")
    def bytes(self, row: CachedImage) -> str:
        return filesizeformat(row.size) if row.size else "not written yet"

    @admin.display(description="kind")
    def kind(self, row: CachedImage) -> str:
        return f"variant of registry {row.variants_version}" if row.variants_version else "free size"

    @admin.display(description="original")
    def original_link(self, row: CachedImage) -> SafeString | str:
        return link(row.original)
