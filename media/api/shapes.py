"""Shapes of requests and answers: serializers check what comes in and describe what `describing` sends out."""

from typing import Any, Final

from rest_framework import serializers

from media.api.describing import SWITCH_NAMES, done_column, job_names, modelled_jobs
from media.images.recipes import FORMATS
from media.images.variants import VARIANTS
from media.models.derivative import Status
from media.models.library import Role
from media.models.original import KINDS
from media.models.stack import StackKind

NAME_LIMIT = 255
ORDERS = ("name", "date", "-date")
GIVEN_ROLES = [(Role.ADMIN.value, "Admin"), (Role.VIEWER.value, "Viewer")]
"""What one member may make of another; there is one owner, and that stays so."""


def instant(**options: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(allow_null=True, **options)


def job_fields(job: str) -> dict[str, Any]:
    """The columns of one job, as `describing.job_columns` tells them."""
    return {
        f"{job}_status": serializers.ChoiceField(choices=Status.choices, allow_null=True),
        f"{job}_progress": serializers.IntegerField(allow_null=True, min_value=0, max_value=100),
        f"{job}_eta_seconds": serializers.IntegerField(allow_null=True),
        f"{job}_error": serializers.CharField(allow_null=True),
        f"{job}_version": serializers.IntegerField(allow_null=True),
        done_column(job): serializers.IntegerField(allow_null=True),
    }


class ProblemShape(serializers.Serializer[Any]):
    """Every error: a stable code for programs, a sentence for people."""

    code = serializers.CharField()
    message = serializers.CharField()
    fields = serializers.DictField(  # type: ignore[assignment]  # The key of the JSON is that of the class.
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="by field, where input was not accepted",
    )


class SwitchingShape(serializers.Serializer[Any]):
    """A switch that was turned: results are being planned for what was there before, or deleted."""

    switch = serializers.ChoiceField(choices=list(SWITCH_NAMES.values()))
    on = serializers.BooleanField()
    done = serializers.IntegerField(help_text="originals looked at")
    total = serializers.IntegerField(help_text="originals when it was turned")


class LibraryShape(serializers.Serializer[Any]):
    """A library, and what the caller is in it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    emoji = serializers.CharField(allow_blank=True)
    role = serializers.ChoiceField(choices=Role.choices)
    faces = serializers.BooleanField()
    objects = serializers.BooleanField()
    audioEvents = serializers.BooleanField()
    transcripts = serializers.BooleanField()
    semantic = serializers.BooleanField()
    sharing = serializers.BooleanField()
    switching = SwitchingShape(many=True, help_text="empty when the library has followed all its switches")
    quotaBytes = serializers.IntegerField(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class LibraryInput(serializers.Serializer[Any]):
    """What people may set. Left out is left as it is."""

    name = serializers.CharField(max_length=200)
    emoji = serializers.CharField(max_length=16, required=False, allow_blank=True)
    faces = serializers.BooleanField(required=False)
    objects = serializers.BooleanField(required=False, source="objects_on")
    audioEvents = serializers.BooleanField(required=False, source="audio_events")
    transcripts = serializers.BooleanField(required=False)
    semantic = serializers.BooleanField(required=False)
    sharing = serializers.BooleanField(required=False)


class LibraryChangeInput(LibraryInput):
    """As when it is made; and the word that is asked for before anything is deleted."""

    confirm = serializers.BooleanField(
        required=False, default=False, help_text="a switch may go off even where that deletes what was made"
    )


class LossShape(serializers.Serializer[Any]):
    """Nothing was changed: a switch may not go off before `confirm` is sent with it."""

    code = serializers.CharField()
    message = serializers.CharField()
    losses = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="what would be deleted, by switch and by kind",
    )


class MemberShape(serializers.Serializer[Any]):
    userId = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    avatarUrl = serializers.CharField(allow_null=True)
    role = serializers.ChoiceField(choices=Role.choices)
    joinedAt = serializers.DateTimeField()


class RoleInput(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=GIVEN_ROLES)


class FolderShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    parentId = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class FolderInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_LIMIT)
    parentId = serializers.UUIDField(required=False, allow_null=True, default=None)


class FolderNameInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_LIMIT)


class FolderMoveInput(serializers.Serializer[Any]):
    parentId = serializers.UUIDField(allow_null=True)


class TrashedShape(serializers.Serializer[Any]):
    trashed = serializers.IntegerField(help_text="files that went into the trash")


class ImagesShape(serializers.Serializer[Any]):
    """Addresses of a file's picture in every size of the registry, signed for the caller until the month ends."""

    def get_fields(self) -> dict[str, Any]:
        return {variant.name: serializers.CharField() for variant in VARIANTS}


class CameraShape(serializers.Serializer[Any]):
    """With what a picture was taken, and how."""

    make = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    lens = serializers.CharField(allow_null=True)
    iso = serializers.IntegerField(allow_null=True)
    fNumber = serializers.FloatField(allow_null=True)
    exposureSeconds = serializers.FloatField(allow_null=True)
    focalLengthMm = serializers.FloatField(allow_null=True)


class LocationShape(serializers.Serializer[Any]):
    """Where it was taken: WGS 84."""

    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    altitude = serializers.FloatField(allow_null=True, help_text="metres above the sea, negative below")


class StackShape(serializers.Serializer[Any]):
    """Files that are one thing to a person."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=StackKind.choices)
    primary = serializers.UUIDField(
        allow_null=True, help_text="the file that stands for all; null while there is nothing to show"
    )
    count = serializers.IntegerField(help_text="live members")


class LoudnessShape(serializers.Serializer[Any]):
    """By EBU R128, of the default track. All null but the peak where nothing is loud enough to be heard."""

    integrated = serializers.FloatField(allow_null=True, help_text="LUFS")
    range = serializers.FloatField(allow_null=True, help_text="LU; null for less than six seconds")
    truePeak = serializers.FloatField(allow_null=True, help_text="dBTP; null for digital silence")
    threshold = serializers.FloatField(allow_null=True, help_text="LUFS, of the gate")


class WaveformLevelShape(serializers.Serializer[Any]):
    """A level of the waveform: 0 is the finest, each further one has a quarter of the peaks."""

    level = serializers.IntegerField()
    samplesPerPeak = serializers.IntegerField(help_text="of 16,000 a second")
    peaks = serializers.IntegerField()


class FileShape(serializers.Serializer[Any]):
    """A file with its original's facts and a group of columns per job."""

    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    folderId = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    mimeType = serializers.CharField(help_text="sniffed from the bytes")
    kind = serializers.ChoiceField(choices=KINDS)
    size = serializers.IntegerField(help_text="bytes")
    hash = serializers.CharField(allow_null=True, help_text="SHA-256 in hex; null until it is known")
    width = serializers.IntegerField(allow_null=True, help_text="pixels, as displayed")
    height = serializers.IntegerField(allow_null=True)
    rotation = serializers.IntegerField(help_text="degrees clockwise that a person has turned the picture")
    duration = serializers.FloatField(allow_null=True, help_text="seconds")
    capturedAt = instant(
        help_text="a true moment where capturedOffset is known, else the wall clock as if in UTC"
    )
    capturedOffset = serializers.IntegerField(allow_null=True, help_text="minutes east of UTC")
    capturedZone = serializers.CharField(allow_null=True, help_text="IANA time zone of the place")
    camera = CameraShape(allow_null=True)
    location = LocationShape(allow_null=True)
    orientation = serializers.IntegerField(allow_null=True, help_text="EXIF, 1 to 8")
    colorProfile = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    caption = serializers.CharField(allow_null=True, help_text="in lists at most 300 characters")
    keywords = serializers.ListField(child=serializers.CharField(), help_text="in lists at most 20")
    rating = serializers.IntegerField(allow_null=True, help_text="-1 rejected, 0 none, 1 to 5 stars")
    effectiveAt = serializers.DateTimeField(
        help_text="captured, else last changed by its owner, else uploaded"
    )
    clientModifiedAt = instant()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    trashedAt = instant()
    setAside = serializers.BooleanField(help_text="by the operators: it is not worked on, and not shown")
    stack = StackShape(allow_null=True)
    originalUrl = serializers.CharField()
    posterUrl = serializers.CharField(allow_null=True)
    previewUrl = serializers.CharField(allow_null=True)
    thumbUrl = serializers.CharField(allow_null=True)
    hoverUrl = serializers.CharField(
        allow_null=True, help_text="an animated WebP of some three seconds of a video"
    )
    motionUrl = serializers.CharField(allow_null=True, help_text="the film inside a motion photo")
    waveformUrl = serializers.CharField(allow_null=True)
    spritesUrl = serializers.CharField(
        allow_null=True, help_text="WebVTT: which part of which sheet shows which second"
    )
    loudness = LoudnessShape(allow_null=True)
    images = ImagesShape(allow_null=True)
    imageVersion = serializers.CharField(allow_null=True, help_text="`v` of the image proxy")
    imagePass = serializers.CharField(allow_null=True, help_text="`s` of the image proxy")
    imageWidth = serializers.IntegerField(
        allow_null=True, help_text="pixels, as displayed; null: not known yet"
    )
    imageHeight = serializers.IntegerField(allow_null=True)
    thumbhash = serializers.CharField(allow_null=True, help_text="base64")
    color = serializers.CharField(allow_null=True, help_text="#rrggbb")
    waveform_peaks_per_second = serializers.IntegerField(allow_null=True)
    waveform_levels = WaveformLevelShape(many=True)
    thumbnail_file_id = serializers.UUIDField(allow_null=True)
    source_file_id = serializers.UUIDField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for job in job_names():
            fields.update(job_fields(job))
        fields |= {f"{job}_model": serializers.CharField(allow_null=True) for job in modelled_jobs()}
        return fields


class FilePageShape(serializers.Serializer[Any]):
    entries = FileShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class StackPageShape(StackShape):
    """A stack with a page of its members."""

    entries = FileShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class StackQuery(serializers.Serializer[Any]):
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")


class StackInput(serializers.Serializer[Any]):
    primary = serializers.UUIDField(help_text="the member that shall stand for all")


class FileDetailShape(FileShape):
    """A file with what its headers said."""

    probe = serializers.JSONField(allow_null=True)
    duplicate = serializers.BooleanField(required=False)


class ListQuery(serializers.Serializer[Any]):
    """What to list."""

    folder = serializers.CharField(
        required=False, help_text="id of a folder, `root` for the top (the default), `any` for every folder"
    )
    trashed = serializers.BooleanField(
        required=False, default=False, help_text="the trash instead of what is live"
    )
    kind = serializers.ChoiceField(choices=KINDS, required=False)
    stacks = serializers.ChoiceField(
        choices=["open", "closed"],
        required=False,
        default="open",
        help_text="`closed` leaves out a file for whom another one of the same list stands",
    )
    q = serializers.CharField(
        required=False, max_length=200, help_text="part of the name; looks in every folder"
    )
    order = serializers.ChoiceField(
        choices=ORDERS, required=False, default="name", help_text="`-date` has the newest first"
    )
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=50, min_value=1, help_text="at most 200")


class FileInput(serializers.Serializer[Any]):
    """Rename, move, turn. Left out is left as it is."""

    name = serializers.CharField(max_length=NAME_LIMIT, required=False)
    rotation = serializers.IntegerField(
        required=False, help_text="0, 90, 180 or 270 degrees clockwise, in all; pictures only"
    )
    folderId = serializers.UUIDField(required=False, allow_null=True)


class KeysInput(serializers.Serializer[Any]):
    fileIds = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000)


class CountShape(serializers.Serializer[Any]):
    count = serializers.IntegerField()


class OutputShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField()
    contentType = serializers.CharField()
    url = serializers.CharField()


class DerivativeShape(serializers.Serializer[Any]):
    deriver = serializers.CharField()
    variant = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=Status.choices)
    progress = serializers.IntegerField(min_value=0, max_value=100)
    etaSeconds = serializers.IntegerField(allow_null=True)
    requestedVersion = serializers.IntegerField()
    readyVersion = serializers.IntegerField()
    madeBy = serializers.DictField()
    facts = serializers.DictField()
    attempts = serializers.IntegerField()
    errorCode = serializers.CharField(allow_null=True)
    errorMessage = serializers.CharField(allow_null=True)
    queuedAt = serializers.DateTimeField()
    startedAt = instant()
    finishedAt = instant()
    outputs = OutputShape(many=True)


MOST_FILES: Final = 200
"""Files that one request may name for a job."""


class ReprocessFileInput(serializers.Serializer[Any]):
    deriver = serializers.CharField(max_length=32)


class ReprocessInput(serializers.Serializer[Any]):
    """Which results of the library to make anew. Everything given must hold."""

    deriver = serializers.CharField(max_length=32, required=False, default="")
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    olderThan = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        help_text="made by a lower version of the deriver than this",
    )
    missing = serializers.BooleanField(
        required=False, default=False, help_text="what was never asked for: planned for files that are there"
    )
    fileIds = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        min_length=1,
        max_length=MOST_FILES,
        help_text="of these files alone; with a deriver and nothing else",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        chosen = {"status", "olderThan"} & attrs.keys()
        if attrs["missing"] and (chosen or "fileIds" in attrs):
            raise serializers.ValidationError(
                "What is missing has no status, no version and no result. Send missing alone."
            )
        if "fileIds" in attrs and (chosen or not attrs["deriver"]):
            raise serializers.ValidationError(
                "With fileIds send the deriver, and neither status nor olderThan."
            )
        return attrs


class SkippedShape(serializers.Serializer[Any]):
    """A file that is not queued, and why."""

    fileId = serializers.UUIDField()
    reason = serializers.CharField(help_text="a code: no_audio, in_trash, not_accepted, not_found")
    message = serializers.CharField()


class ReprocessedShape(serializers.Serializer[Any]):
    """How many jobs are queued."""

    count = serializers.IntegerField()
    skipped = SkippedShape(many=True, required=False, help_text="only where files were named")


class VariantShape(serializers.Serializer[Any]):
    """A named size of a picture. `capped` asks for no more than the source has, `fixed` for the whole box."""

    name = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    quality = serializers.IntegerField()
    format = serializers.ChoiceField(choices=FORMATS)
    sizing = serializers.ChoiceField(choices=["fixed", "capped"])


class VariantsShape(serializers.Serializer[Any]):
    """The registry of sizes; `version` rises with every change of it."""

    version = serializers.IntegerField()
    variants = VariantShape(many=True)


class FormatShape(serializers.Serializer[Any]):
    """A format of pictures on this machine."""

    type = serializers.CharField(help_text="MIME type, as sniffed from the bytes")
    label = serializers.CharField()  # type: ignore[assignment]  # Fields are taken off the class; nothing clashes.
    extensions = serializers.ListField(child=serializers.CharField())
    works = serializers.BooleanField(help_text="shown as a picture; otherwise kept as a file")
    decoder = serializers.CharField(help_text="the library behind it; empty where there is none on purpose")
    reason = serializers.CharField(allow_null=True, help_text="why it does not work and what to do")


class CapabilitiesShape(serializers.Serializer[Any]):
    """What this server can do."""

    ffmpeg = serializers.DictField()
    derivers = serializers.ListField(child=serializers.CharField())
    imageVariants = VariantsShape()
    formats = FormatShape(many=True)
    maxUploadBytes = serializers.IntegerField()
    mode = serializers.CharField()
