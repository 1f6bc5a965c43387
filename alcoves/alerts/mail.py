"""Sends a letter by mail, to each recipient by itself: one bad address holds up no other, and none gets it twice."""

import smtplib
import ssl
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from alcoves.alerts import letters
from alcoves.alerts.models import Delivery
from media import live

SMTP: Final = "django.core.mail.backends.smtp.EmailBackend"


class NotTakenError(Exception):
    """A letter was not taken. `sentence` says why and what to do; `status` and `answer` are those of a webhook."""

    def __init__(self, sentence: str, *, status: int | None = None, answer: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.status, self.answer = sentence, status, answer


def recipients() -> list[str]:
    return [part.strip() for part in str(live.value("ALERT_MAIL_TO")).split(",") if part.strip()]


def send(letter: Delivery, *, took: Callable[[str], None]) -> None:
    """To each who has not got it. `took` is told of each who has. NotTakenError when one was refused."""
    given = [one for one in recipients() if one not in letter.data.get("taken", ())]
    if not recipients():
        raise NotTakenError("Nobody is set to get mail: name them in ALERT_MAIL_TO.")
    if settings.EMAIL_BACKEND == SMTP and not settings.EMAIL_HOST:
        raise NotTakenError("No mail server is set: name it in ALCOVES_MAIL_HOST.")
    refused: dict[str, str] = {}
    try:
        with get_connection() as connection:
            for recipient in given:
                try:
                    message(letter, recipient, connection).send()
                    took(recipient)
                except (smtplib.SMTPRecipientsRefused, UnicodeError, ValueError) as error:
                    refused[recipient] = reason(error)
    except (OSError, smtplib.SMTPException) as error:
        raise NotTakenError(explained(error)) from error
    if refused:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise NotTakenError(f"The mail server refused recipients ({told}). Correct ALERT_MAIL_TO.")


def message(letter: Delivery, recipient: str, connection: Any) -> EmailMessage:
    """The same Message-ID at every try, so that a second copy can be told from a second letter."""
    headers = {"Message-ID": f"<{letter.pk}@alcoves>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(
        letters.subject_of(letter.data),
        letters.text_of(letter.data),
        settings.DEFAULT_FROM_EMAIL,
        [recipient],
        connection=connection,
        headers=headers,
    )


def explained(error: Exception) -> str:
    """What happened and what to do; never the password."""
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"The mail server {server} refused the user or the password. Correct ALCOVES_MAIL_USER and _PASSWORD."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"The mail server {server} cannot do what is set ({reason(error)}). Look at ALCOVES_MAIL_TLS and _USER."
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"The mail server {server} refused the sender ({reason(error)}). Correct ALCOVES_MAIL_FROM."
    if isinstance(error, ssl.SSLError):
        return f"TLS with the mail server {server} failed ({reason(error)}). See its certificate and ALCOVES_MAIL_TLS."
    return f"The mail server {server} does not take mail ({reason(error)}). Is it running, and reachable from here?"


def reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        return f"{code} {readable(text)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {readable(error.smtp_error)}"
    return f"{type(error).__name__}: {error}"[:300]


def readable(text: bytes | str) -> str:
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else text)[:300]
