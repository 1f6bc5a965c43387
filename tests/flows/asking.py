"""A process that asks for pictures as a web process does, many at once: `python -m tests.flows.asking`.

Reads {"picture": ..., "recipes": [...], "each": N} on stdin, writes what the answers were, in the order of asking.
"""

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django


def main() -> None:
    django.setup()
    wanted = json.load(sys.stdin)
    with ThreadPoolExecutor(100) as pool:
        asked = [text for _ in range(wanted["each"]) for text in wanted["recipes"]]
        answers = list(pool.map(lambda text: ask(wanted["picture"], text), asked))
    from media import bulletin, imageproxy

    left = {"topics": bulletin.topics(), "flights": len(imageproxy.flights)}
    json.dump({"answers": answers, "left": left}, sys.stdout)


def ask(values: dict[str, Any], text: str) -> list[str]:
    """How it was answered, and the digest of the bytes or the code of the error."""
    from django.db import connection

    from media import imageproxy
    from media.errors import MediaError
    from media.images.recipes import Recipe
    from media.pictures import Picture
    from storage.registry import get_store

    picture, recipe = Picture.from_json(values), Recipe.from_text(text)
    try:
        found = imageproxy.find(picture, recipe) or imageproxy.ask(picture, recipe)
        if isinstance(found, imageproxy.Pending):
            found = imageproxy.wait(found)
        if isinstance(found, imageproxy.Fresh):
            return ["fresh", hashlib.sha256(found.content).hexdigest()]
        with get_store(found.store).open(found.key) as kept:
            return ["kept", hashlib.sha256(kept.read()).hexdigest()]
    except MediaError as error:
        return [str(error.http_status), error.code]
    finally:
        connection.close()


if __name__ == "__main__":
    main()
