"""The app of models. Nothing here loads one: that is the model host's alone (`ml.runtime`)."""

from django.apps import AppConfig


class MlConfig(AppConfig):
    """Faces, objects, sounds, speech, search."""

    name = "ml"
    verbose_name = "Understanding"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import pre_delete

        from ml.faces import assigning
        from ml.models import Face

        pre_delete.connect(assigning.hold_before_it_goes, sender=Face)
