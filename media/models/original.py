"""The uploaded bytes: what they are, where they lie and what the metadata said about them. Immutable."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, models, transaction
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Coalesce
from django.dispatch import Signal

from media.models.base import Row
from media.models.blob import LINKS_DIE, UnnamedBlob
from media.models.captured import EARLIEST, LATEST, columns_of
from media.models.library import Library
from media.models.plain import words_of
from media.subject import DOCUMENTS, Subject, is_picture

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

    from media.models.cached_image import CachedImage
    from media.models.derivative import Derivative
    from media.models.file import File

KINDS = ("image", "video", "audio", "other")


def text_of(function: str, *columns: str) -> Func:
    """A function of migration 0013, by which a search reads several columns as one text."""
    return Func(*(F(column) for column in columns), function=function, output_field=TextField())


ONCE: Final = "original_digest_once_per_library"

merging: Final = Signal()
"""Sent with `original` and `twin`: both are the same bytes, and only the twin stays. Inside the transaction, with both
locked. `media.derivers.registry` asks each deriver to hand over what hangs on the original (`Deriver.hand_over`)."""


def is_known_digest(error: IntegrityError) -> bool:
    """Whether it says that the library has these bytes, and nothing worse."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) == ONCE


class OriginalQuerySet(models.QuerySet["Original"]):
    """Reads of originals."""

    def wanted(self) -> "OriginalQuerySet":
        """Those at least one File outside the trash points at."""
        from media.models.file import File

        live = File.objects.live().filter(original=models.OuterRef("pk"))
        return self.filter(models.Exists(live))

    def forget_warmth(self) -> int:
        """What is to be seen of them has changed, or left the cache: warm them again, from the first try on.

        A run under way loses its claim, so it cannot say that the new picture is warm.
        """
        return self.update(warmed_version=0, warm_attempts=0, warm_claimed_at=None, warm_error="")


class Original(Row):
    """Unique per (library, digest). `sha256` is empty until the `hash` queue has read the bytes."""

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="originals")
    sha256 = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  NULL is "not known yet" and leaves the unique constraint alone.
    size = models.BigIntegerField()
    mime = models.CharField(max_length=127)
    kind = models.CharField(max_length=8)
    key = models.CharField(max_length=512, unique=True)
    probe = models.JSONField(null=True, blank=True)
    captured_at = models.DateTimeField(null=True, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True, help_text="seconds")
    captured_offset = models.SmallIntegerField(null=True, blank=True, help_text="minutes east of UTC")
    captured_zone = models.CharField(
        max_length=64, blank=True, default="", help_text="IANA name, by position"
    )
    latitude = models.FloatField(null=True, blank=True, help_text="degrees north")
    longitude = models.FloatField(null=True, blank=True, help_text="degrees east")
    altitude = models.FloatField(null=True, blank=True, help_text="metres above the sea")
    camera_make = models.CharField(max_length=120, blank=True, default="")
    camera_model = models.CharField(max_length=120, blank=True, default="")
    lens = models.CharField(max_length=200, blank=True, default="")
    iso = models.PositiveIntegerField(null=True, blank=True)
    f_number = models.FloatField(null=True, blank=True)
    exposure_seconds = models.FloatField(null=True, blank=True)
    focal_length_mm = models.FloatField(null=True, blank=True)
    orientation = models.PositiveSmallIntegerField(null=True, blank=True, help_text="EXIF, 1 to 8")
    color_profile = models.CharField(max_length=120, blank=True, default="")
    title = models.CharField(max_length=300, blank=True, default="")
    caption = models.TextField(blank=True, default="")
    keywords = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    rating = models.SmallIntegerField(null=True, blank=True, help_text="-1 rejected, 0 none, 1 to 5 stars")
    content_id = models.CharField(
        max_length=64, blank=True, default="", help_text="shared by both halves of a Live Photo"
    )
    burst_id = models.CharField(max_length=64, blank=True, default="")
    warmed_version = models.PositiveIntegerField(
        default=0, help_text="of the image variants that lie in the cache"
    )
    warming_version = models.PositiveIntegerField(default=0, help_text="for which warm_attempts counts")
    warm_attempts = models.PositiveSmallIntegerField(default=0)
    warm_claimed_at = models.DateTimeField(null=True, blank=True)
    warm_error = models.TextField(blank=True, default="")
    held_at = models.DateTimeField(
        null=True, blank=True, help_text="set aside by the operators: not worked on, and not shown"
    )
    held_reason = models.CharField(max_length=500, blank=True, default="")
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects: ClassVar[Any] = OriginalQuerySet.as_manager()

    if TYPE_CHECKING:
        files: RelatedManager["File"]
        derivatives: RelatedManager["Derivative"]
        cached_images: RelatedManager["CachedImage"]

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["library", "sha256"], name=ONCE),
            models.CheckConstraint(
                condition=Q(sha256__isnull=True) | Q(sha256__regex=r"^[0-9a-f]{64}$"),
                name="original_digest_is_hex",
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="original_size_not_negative"),
            models.CheckConstraint(
                condition=Q(held_at__isnull=True) | ~Q(held_reason=""), name="original_held_for_a_reason"
            ),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="original_kind_known"),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                name="original_position_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(captured_at__isnull=True) | Q(captured_at__gte=EARLIEST, captured_at__lt=LATEST),
                name="original_captured_at_plausible",
            ),
        )
        indexes = (
            models.Index(fields=["library", "kind"], name="original_library_kind"),
            models.Index(
                fields=["library", "content_id"], condition=~Q(content_id=""), name="original_by_content_id"
            ),
            models.Index(
                fields=["library", "burst_id"], condition=~Q(burst_id=""), name="original_by_burst_id"
            ),
            models.Index(fields=["-held_at"], condition=Q(held_at__isnull=False), name="original_held"),
            # What the pre-warm has yet to look at, in its order: those tried longest ago first.
            models.Index(
                "warmed_version",
                F("warm_claimed_at").asc(nulls_first=True),
                "id",
                condition=Q(sha256__isnull=False)
                & (Q(kind__in=("image", "video", "audio")) | Q(mime__in=sorted(DOCUMENTS))),
                name="original_to_be_warmed",
            ),
            # Lists of the console: each filter of them has its own index, the newest first.
            models.Index(fields=["library", "-id"], name="original_list_by_library"),
            models.Index(fields=["kind", "-id"], name="original_list_by_kind"),
            # What the file says of itself, each of these alone.
            words_of(
                "title",
                "caption",
                text_of("alcoves_joined", "keywords"),
                text_of("alcoves_camera", "camera_make", "camera_model"),
                "lens",
                text_of("alcoves_place", "probe"),
                name="original_by_words",
            ),
        )

    def __str__(self) -> str:
        return f"{self.mime} {self.size} bytes {(self.sha256 or 'not hashed')[:12]}"

    @property
    def is_picture(self) -> bool:
        return is_picture(self.kind, self.mime)

    def subject(self, switches: frozenset[str] = frozenset()) -> Subject:
        """What derivers may know of these bytes."""
        return Subject(
            kind=self.kind,  # type: ignore[arg-type]  # The database constraint keeps it one of KINDS.
            mime=self.mime,
            size=self.size,
            probe=self.probe,
            switches=switches,
            hashed=self.sha256 is not None,
            library=self.library_id,
        )

    def record_probe(self, facts: Mapping[str, Any]) -> None:
        """Keep what the metadata deriver found, raw and as the columns that lists need."""
        before = (self.width, self.height)
        self.probe = dict(facts)
        if facts.get("kind") in KINDS:
            self.kind = facts["kind"]
        if self.kind == "audio" and self.mime == "video/mp4":
            self.mime = "audio/mp4"  # The brand does not say it; only the streams do.
        columns = columns_of(facts)
        for name, value in columns.items():
            setattr(self, name, value)
        self.save(update_fields=["probe", "kind", "mime", *columns, "updated_at"])
        if (self.width, self.height) != before:
            self.forget_warmth()  # The sizes that are made ahead depend on its own.
        self.date_files()

    def date_files(self) -> None:
        """The effective date of every file of these bytes: captured, else last changed by its owner, else uploaded."""
        captured = Value(self.captured_at, output_field=models.DateTimeField())
        self.files.update(effective_at=Coalesce(captured, F("client_modified_at"), F("created_at")))

    def forget_warmth(self) -> None:
        """As for many: another poster, another size or turn, a file that may show it in another turn."""
        type(self).objects.filter(pk=self.pk).forget_warmth()

    def blob_keys(self) -> list[str]:
        """Every blob that lives and dies with these bytes: the bytes themselves and all that was made of them."""
        outputs = self.derivatives.values_list("outputs", flat=True)
        return [self.key, *(output["key"] for row in outputs for output in row)]

    def dissolve(self) -> None:
        """Delete the row and all made from it; the blobs are swept a little later.

        The caller holds this row locked FOR UPDATE and has seen that no File points at it.
        """
        from media.models.cached_image import CACHE

        UnnamedBlob.objects.retire(self.blob_keys())
        UnnamedBlob.objects.retire(self.cached_images.values_list("key", flat=True), store=CACHE)
        # The link by which the bytes came may still be good, and their key is free again once they are swept.
        UnnamedBlob.objects.filter(key=self.key).update(watched_until=self.created_at + LINKS_DIE)
        self.delete()

    def adopt_digest(self, sha256: str) -> "Original":
        """Keep the digest of bytes hashed late. Where they turn out to be known already, the two are merged.

        Returns the original that stays. Inside a transaction, with this row locked.
        """
        twin: Original | None = None
        while twin is None:
            try:
                with transaction.atomic():
                    self.sha256 = sha256
                    self.save(update_fields=["sha256", "updated_at"])
                    return self
            except IntegrityError as error:
                self.sha256 = None
                if not is_known_digest(error):
                    raise
            # None where it was purged since: then nobody else has the digest any more.
            known = Original.objects.filter(library_id=self.library_id, sha256=sha256)
            twin = known.select_for_update().first()
        self.files.update(original=twin)
        merging.send(sender=type(self), original=self, twin=twin)
        self.hand_over(twin)
        twin.date_files()
        twin.forget_warmth()
        self.dissolve()
        return twin

    def hand_over(self, twin: "Original") -> None:
        """What people have had made (clips, chosen posters) goes with their files; the rest the twin has already.

        Blobs keep their keys, in the folder of the one that is dissolved.
        """
        decided = self.derivatives.filter(parent=None).exclude(variant="")
        there = set(twin.derivatives.exclude(variant="").values_list("deriver", "variant"))
        moving = [
            key for key, *name in decided.values_list("pk", "deriver", "variant") if tuple(name) not in there
        ]
        self.derivatives.filter(pk__in=moving).update(original=twin)

    def hand_over_result(self, twin: "Original", deriver: str) -> bool:
        """What a model has made (no variant), if it is ready and the twin has none that is. Whether it went."""
        ready = Q(deriver=deriver, variant="", ready_version__gt=0)
        mine = self.derivatives.filter(ready).first()
        if mine is None or twin.derivatives.filter(ready).exists():
            return False
        twin.take_over(mine)
        return True

    def take_over(self, row: "Derivative") -> None:
        """A result of another original, with its blobs, instead of the one of that name that is here."""
        rows = type(row).objects
        here = rows.filter(original=self, deriver=row.deriver, variant=row.variant)
        rows.filter(parent__in=here).drop()
        here.drop()
        rows.filter(pk=row.pk).update(original=self)
