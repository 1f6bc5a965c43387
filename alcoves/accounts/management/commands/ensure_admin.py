"""`manage.py ensure_admin`: the first administrator and a first library, made once. Silent when they are there."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import connection, transaction

from alcoves import env
from alcoves.accounts.models import User, fold_email
from media.libraries import create_library

LOCK = 7_204_011
"""An advisory lock of Postgres: two first starts at the same moment make one administrator."""
FIRST_LIBRARY = "My Library"
SHORTEST_PASSWORD = 8


class Command(BaseCommand):
    help = "Make the first administrator, and show the password once."

    def add_arguments(self, parser: CommandParser) -> None:
        given = env.text("ALCOVES_ADMIN_EMAIL", "admin@alcoves.local")
        parser.add_argument("--email", default=given, help=f"address to log in with (default: {given})")

    def handle(self, *args: Any, **options: Any) -> None:
        email = fold_email(options["email"])
        given = env.secret("ALCOVES_ADMIN_PASSWORD")
        check(email, given)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            if User.objects.filter(is_superuser=True).exists():
                return
            password = given or secrets.token_urlsafe(12)
            create_admin(email, password)
        self.stdout.write(f"E-mail:   {email}")
        self.stdout.write(f"Password: {'as given in ALCOVES_ADMIN_PASSWORD' if given else password}")


def check(email: str, given: str) -> None:
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError(
            f"{email} is no e-mail address. Give one with --email or ALCOVES_ADMIN_EMAIL."
        ) from None
    if given and len(given) < SHORTEST_PASSWORD:
        raise CommandError(f"ALCOVES_ADMIN_PASSWORD must have at least {SHORTEST_PASSWORD} characters.")


def create_admin(email: str, password: str) -> User:
    """Somebody who has this address already becomes the administrator, with the new password."""
    known = User.objects.filter(email=email).first()
    if known is None:
        admin: User = User.objects.create_superuser(email, password, name="Admin")
    else:
        admin = known
        admin.is_staff = admin.is_superuser = admin.is_active = True
        admin.set_password(password)
        admin.save()
    if not admin.memberships.exists():
        create_library(admin, FIRST_LIBRARY)
    return admin
