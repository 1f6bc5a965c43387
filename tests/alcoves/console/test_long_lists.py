"""Lists with many rows: every page, filter, search and order reads few of them, and costs as many queries as for three.

What is asked of Postgres is asked again with EXPLAIN, and the rows that it touched are counted.
"""

import json
from typing import Any, Final

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alcoves.accounts.models import User
from media.admin import paging
from media.models import Derivative, Library
from tests.afresh import afresh
from tests.alcoves.console.filling import fill, libraries
from tests.alcoves.console.lists import addresses, changelist, list_of

ROWS: Final = 20_000
COUNTED: Final = 500
READ: Final = 4_000
SMALL: Final = {"library", "switching", "download", "searchmodel", "choice", "acceptance"}
"""As many rows as there are libraries or models."""

OURS: Final = {"media", "ml", "accounts", "alerts", "backup", "axes", "django_celery_results"}
BIG = [
    model
    for model, site in admin.site._registry.items()
    if isinstance(site, paging.BigTable)
    and model._meta.model_name not in SMALL
    and model._meta.app_label in OURS
]
NAMES = sorted(model._meta.label_lower for model in BIG)


def model_of(label: str) -> Any:
    return next(model for model in BIG if model._meta.label_lower == label)


@pytest.fixture
def root(db: None) -> User:
    afresh(BIG)
    user: User = User.objects.create_superuser("root@example.org", "root-password")
    return user


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def rows_read(sql: str) -> int:
    """All rows that the plan has looked at, also those it threw away."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        (told,) = cursor.fetchone()
    plan = told if isinstance(told, list) else json.loads(told)
    return read_by(plan[0]["Plan"])


def outline(node: dict[str, Any]) -> str:
    """The plan in short, for who has to find out why."""
    about = (
        f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))} {node['Actual Rows']}"
    )
    thrown = node.get("Rows Removed by Filter", 0)
    return f"({about} -{thrown} {' '.join(map(outline, node.get('Plans', ())))})"


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        (told,) = cursor.fetchone()
    return outline((told if isinstance(told, list) else json.loads(told))[0]["Plan"])


def read_by(node: dict[str, Any]) -> int:
    below = sum(read_by(one) for one in node.get("Plans", ()))
    if "Scan" not in node["Node Type"] or node["Node Type"] in {
        "CTE Scan",
        "WorkTable Scan",
        "Subquery Scan",
    }:
        return below
    seen = node["Actual Rows"] + sum(
        node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    )
    return int(below + seen * node["Actual Loops"])


def worst(model: Any, root: User, client: Client, query: str) -> tuple[int, str]:
    """The query of a list that reads the most. Of the page around it, once: it is the same for all."""
    with CaptureQueriesContext(connection) as queries:
        if query:
            list(list_of(model, root, query).result_list)
        else:
            assert client.get(changelist(model)).status_code == 200
    asked = [one["sql"] for one in queries if one["sql"].startswith(("SELECT", "\nWITH", "WITH"))]
    return max(((rows_read(sql), sql) for sql in asked), default=(0, ""))


def shows_pictures(model: Any, root: User) -> bool:
    """Of each original on the page: its derivatives are looked at as well, and are more than these rows."""
    looked_for = list_of(model, root).queryset._prefetch_related_lookups
    return any(getattr(one, "to_attr", "") in {"pictured", "shown"} for one in looked_for)


@pytest.mark.parametrize("label", NAMES)
def test_whatever_a_list_offers_reads_few_rows(
    label: str, client: Client, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", COUNTED)
    model = model_of(label)
    libraries()
    fill(model, ROWS)
    if shows_pictures(model, root):
        fill(Derivative, ROWS)
    dear = {}
    for query in dict.fromkeys(addresses(model, root)):
        read, sql = worst(model, root, client, query)
        if read > READ:
            dear[query] = (read, plan_of(sql)[:400], sql[:80])
    assert dear == {}


@pytest.mark.parametrize("label", NAMES)
def test_a_list_costs_the_same_queries_for_three_and_fifty(label: str, client: Client, root: User) -> None:
    model = model_of(label)
    libraries()
    counts = []
    for rows in (3, 50):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = 'replica'")
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
            cursor.execute("SET LOCAL session_replication_role = 'origin'")
        fill(model, rows)
        client.get(changelist(model))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(changelist(model)).status_code == 200
        counts.append(len([one for one in queries if "SAVEPOINT" not in one["sql"]]))
    assert counts[0] == counts[1]


def test_an_order_without_an_index_is_not_to_be_had(client: Client, root: User, library: Library) -> None:
    for model in BIG:
        plain = list_of(model, root).queryset.query.order_by
        for place in range(1, len(admin.site.get_model_admin(model).list_display) + 1):
            assert list_of(model, root, f"?o={place}").queryset.query.order_by == ("-pk",) or plain


def test_pages_end_where_counting_ends(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 100)
    monkeypatch.setattr(paging, "estimate", lambda model: 1_000_000)
    rows = model_of("media.file").objects.order_by("-id")
    libraries()
    fill(rows.model, 200)
    pages = paging.EstimatingPaginator(rows, 50)
    assert pages.count == 1_000_000
    assert pages.num_pages == 2


def test_every_big_model_is_looked_at() -> None:
    """A page that is no `BigTable` says with this list that it stays short."""
    short = {
        model._meta.label_lower
        for model, site in admin.site._registry.items()
        if not isinstance(site, paging.BigTable)
    }
    assert {one for one in short if one.startswith(("media.", "ml."))} <= {"ml.choice", "ml.acceptance"}
    assert isinstance(BIG[0], type(models.Model))
