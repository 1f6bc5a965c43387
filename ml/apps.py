"""The app of models. Nothing here loads one: that is the model host's alone (`ml.runtime`)."""

from django.apps import AppConfig


class MlConfig(AppConfig):
    """Faces, objects, sounds, speech, search."""

    name = "ml"
    verbose_name = "Understanding"
    default_auto_field = "django.db.models.BigAutoField"
