"""deploy/imagemagick-policy.xml: nothing but reading a few formats."""

from xml.etree import ElementTree as ET

from tests.docs.reading import PROJECT

RULES = [dict(rule.attrib) for rule in ET.parse(PROJECT / "deploy/imagemagick-policy.xml").getroot()]


def rules(domain: str) -> list[dict[str, str]]:
    return [rule for rule in RULES if rule["domain"] == domain]


def test_no_other_program_is_started() -> None:
    assert rules("delegate") == [{"domain": "delegate", "rights": "none", "pattern": "*"}]
    assert rules("filter") == [{"domain": "filter", "rights": "none", "pattern": "*"}]


def test_file_lists_and_pipes_are_refused() -> None:
    refused = {rule["pattern"] for rule in rules("path") if rule["rights"] == "none"}
    assert refused == {"@*", "|*"}


def test_formats_are_refused_unless_named() -> None:
    first, *others = rules("coder")
    assert (first["rights"], first["pattern"]) == ("none", "*")
    named = {name for rule in others for name in rule["pattern"].strip("{}").split(",")}
    dangerous = {
        "MVG",
        "MSL",
        "SVG",
        "PS",
        "EPS",
        "PDF",
        "XPS",
        "URL",
        "HTTP",
        "HTTPS",
        "EPHEMERAL",
        "TEXT",
        "LABEL",
    }
    assert "EXR" in named
    assert not named & dangerous


def test_memory_and_time_have_limits() -> None:
    limited = {rule["name"] for rule in rules("resource")}
    assert {"memory", "map", "disk", "area", "width", "height", "time", "list-length"} <= limited
