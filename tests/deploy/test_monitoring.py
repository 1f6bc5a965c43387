"""The dashboard and the rules speak of metrics and labels that there are, and are right by their form."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from alcoves import metrics
from alcoves.metrics.figures import FAMILIES
from tests.docs.reading import PROJECT

DASHBOARD: dict[str, Any] = json.loads((PROJECT / "deploy/grafana/alcoves.json").read_text(encoding="utf-8"))
RULES: dict[str, Any] = yaml.safe_load((PROJECT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
SCRAPE: dict[str, Any] = yaml.safe_load(
    (PROJECT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
)
NAME = re.compile(r"\balcoves_[a-z0-9_]+")
SELECTOR = re.compile(r"(alcoves_[a-z0-9_]+)\{([^}]*)\}")
FROM_OUTSIDE = {"job", "instance", "worker", "le"}


def known() -> dict[str, set[str]]:
    """Labels by every name that a query may use."""
    found: dict[str, set[str]] = {family.name: set(family.labels) for family in FAMILIES}
    for declared in vars(metrics).values():
        if not isinstance(declared, MetricWrapperBase):
            continue
        labels = set(declared._labelnames)
        for family in declared.collect():
            ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            found |= {family.name + end: labels for end in ends}
    return found


KNOWN = known()


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    drawn = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = [
        one["query"]["query"] for one in DASHBOARD["templating"]["list"] if isinstance(one["query"], dict)
    ]
    return [*drawn, *asked, *(rule["expr"] for group in RULES["groups"] for rule in group["rules"])]


@pytest.mark.parametrize("query", queries())
def test_every_query_speaks_of_what_there_is(query: str) -> None:
    names = set(NAME.findall(query))
    assert names or "up{" in query
    assert names <= set(KNOWN), names - set(KNOWN)
    for name, matchers in SELECTOR.findall(query):
        labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= KNOWN[name] | FROM_OUTSIDE, query
    grouped = {word.strip() for group in re.findall(r"by \(([^)]*)\)", query) for word in group.split(",")}
    assert grouped <= set().union(*(KNOWN[name] for name in names)) | FROM_OUTSIDE, query
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing), query
    assert query.count('"') % 2 == 0


def test_the_documents_speak_of_what_there_is() -> None:
    """The table of names that other platforms had, too: by name, and by the labels that stand behind one."""
    text = (PROJECT / "docs/console.md").read_text(encoding="utf-8")
    told = KNOWN | {name.removesuffix("_bucket"): labels for name, labels in KNOWN.items()}
    names = set(NAME.findall(text))
    assert names <= set(told), names - set(told)
    for name, given in SELECTOR.findall(text):
        labels = {one.partition("=")[0].strip() for one in given.split(",")}
        assert labels <= told[name], (name, labels - told[name])


def test_counters_are_never_shown_bare() -> None:
    for query in queries():
        for name in NAME.findall(query):
            if name.endswith(("_total", "_bucket", "_sum", "_count")):
                assert re.search(rf"(?:rate|increase)\({name}[{{\[]", query), query


def test_every_metric_is_on_the_dashboard() -> None:
    drawn = set(NAME.findall(json.dumps(DASHBOARD)))
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in KNOWN}
    shown = {name.removesuffix("_bucket") for name in drawn}
    assert families - shown == set()


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(DASHBOARD)
    assert DASHBOARD.get("id") is None, "A number belongs to one Grafana."
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        across = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in across for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [target["refId"] for target in panel["targets"]] == list("ABCD")[: len(panel["targets"])]


def test_every_rule_is_whole() -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            assert label in rule["expr"] or label == "instance", rule["alert"]


def test_the_example_asks_where_we_answer(client: Any, db: None) -> None:
    (job,) = SCRAPE["scrape_configs"]
    assert client.get(job["metrics_path"]).status_code == 200
    assert SCRAPE["rule_files"] == ["alerts.yml"]
