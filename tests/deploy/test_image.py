"""The Dockerfile: its build step boots with the values it gives, and it brings no program that nothing calls."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from media.tools import enclosed, magick
from tests.docs.reading import PROJECT, sources
from tests.workers import run_python

DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")


def test_static_files_are_collected_with_the_values_of_the_build() -> None:
    given = dict(re.findall(r"\b(DATABASE_URL|REDIS_URL|ALCOVES_PUBLIC_URL)=(\S+)", DOCKERFILE))
    assert len(given) == 3
    key = run_python("-c", "import secrets; print(secrets.token_urlsafe(48))").stdout.strip()
    done = run_python(
        *("manage.py", "collectstatic", "--noinput", "--dry-run", "--verbosity", "0"),
        DJANGO_SETTINGS_MODULE="alcoves.settings.production",
        ALCOVES_SECRET_KEY=key,
        **given,
    )
    assert done.returncode == 0, done.stderr


def test_imagemagick_comes_with_the_code_that_calls_it() -> None:
    called = any(re.search(r"^\s*(import|from) wand", path.read_text(), re.MULTILINE) for path in sources())
    brought = "magick" in DOCKERFILE.lower()
    assert brought == called


def test_imagemagick_in_the_image_obeys_the_policy_that_its_door_uses() -> None:
    copied = re.search(r"^COPY (\S*policy\.xml) /etc/ImageMagick-6/policy\.xml$", DOCKERFILE, re.MULTILINE)
    assert copied is not None
    assert PROJECT / copied[1] == Path(enclosed.__file__).parent / "policy.xml"
    rules = ET.parse(PROJECT / copied[1]).getroot()
    coders = [(rule.get("pattern"), rule.get("rights")) for rule in rules if rule.get("domain") == "coder"]
    assert coders[0] == ("*", "none")
    read = {
        name
        for pattern, rights in coders[1:]
        if rights == "read"
        for name in (pattern or "").strip("{}").split(",")
    }
    assert read == {*magick.FORMATS.values(), "PSB"}
    closed = {rule.get("domain") for rule in rules if rule.get("rights") == "none"}
    assert {"delegate", "filter", "path", "coder"} <= closed
    bounds = {rule.get("name") for rule in rules if rule.get("domain") == "resource"}
    assert {"memory", "map", "disk", "width", "height", "area", "time"} <= bounds
