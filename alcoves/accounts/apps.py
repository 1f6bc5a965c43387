"""The accounts app."""

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_delete


class AccountsConfig(AppConfig):
    """Users, sessions and access tokens."""

    name = "alcoves.accounts"
    label = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Only now: models and views need the registry of apps.
        from alcoves.accounts import avatars, roles
        from media import blobs

        import_module("alcoves.accounts.endings")
        blobs.NAMERS[avatars.AVATARS] = avatars.find_named
        pre_delete.connect(
            avatars.drop_with_user, sender="accounts.User", dispatch_uid="drop avatar with user"
        )
        post_migrate.connect(roles.after_last, dispatch_uid="bring roles up to date")
