"""Secrets that anybody could guess: texts from examples, too few characters, passwords every server comes with."""

from typing import Any

SHORTEST_SECRET = 32
FEWEST_CHARACTERS = 10
"""Different ones. A random text of 32 has more in every usual alphabet; a text of one key held down has not."""
EXAMPLE_BEGINNINGS = (
    *("django-insecure-", "insecure", "changeme", "change-me", "change_me", "change this", "changethis"),
    *("replaceme", "replace-me", "replace_me", "your-secret", "your_secret", "yoursecret", "my-secret"),
    *(
        "mysecret",
        "secret",
        "example",
        "password",
        "test-secret",
        "dev-secret",
        "supersecret",
        "super-secret",
    ),
    *("abcdef", "012345", "123456", "qwerty", "alcoves", "todo", "xxxxx", "<"),
)
KNOWN_PASSWORDS = frozenset(
    {
        *("postgres", "postgresql", "password", "passwd", "pass", "pw", "alcoves", "changeme", "change-me"),
        *(
            "change_me",
            "admin",
            "administrator",
            "root",
            "secret",
            "example",
            "test",
            "user",
            "db",
            "database",
        ),
        *("default", "letmein", "qwerty", "1234", "12345", "123456", "1234567", "12345678", "123456789"),
    }
)
WAYS_WITHOUT_PASSWORD = frozenset({"sslcert", "passfile", "service"})


def is_weak_key(text: str) -> bool:
    """Short, from an example however it goes on, or of few different characters."""
    return (
        len(text) < SHORTEST_SECRET
        or text.strip().lower().startswith(EXAMPLE_BEGINNINGS)
        or len(set(text)) < FEWEST_CHARACTERS
    )


def has_weak_password(database: dict[str, Any]) -> bool:
    """Of a DATABASES entry. Without a password only over a socket, or where a certificate or a file stands in."""
    password = database["PASSWORD"].strip().lower()
    if password:
        return password in KNOWN_PASSWORDS or password in {database["USER"].lower(), database["NAME"].lower()}
    return not is_socket(database["HOST"]) and not WAYS_WITHOUT_PASSWORD & set(database["OPTIONS"])


def is_socket(host: str) -> bool:
    """An empty host is the usual socket; `@` begins one without a file."""
    return host == "" or host.startswith(("/", "@"))
