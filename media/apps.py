"""The media app. Nothing here touches pixels or the database: worker children fork after it."""

from django.apps import AppConfig


class MediaConfig(AppConfig):
    """Libraries, files and everything made from them."""

    name = "media"
    verbose_name = "Media"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from media import bulletin, checks, live  # noqa: F401  Importing registers the checks.
        from media.derivers import registry
        from media.models.original import merging
        from media.tools import encoders

        live.hear_by(bulletin)
        merging.connect(registry.hand_over)
        encoders.setting()  # A bad value stops the start, as those of the settings do.
