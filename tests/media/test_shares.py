"""Links to moments: tokens that cannot be guessed, ends that come at once, doors that open for the right password."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alcoves.accounts.models import User
from media import shares
from media.errors import ConflictError, RequestError
from media.models import AuditEntry, File, Library, Moment, MomentShare
from tests.alcoves.console.test_many import client_of, post
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def moment(library: Library, alice: User) -> Moment:
    Library.objects.filter(pk=library.pk).update(sharing=True)
    library.refresh_from_db()
    file = take_in(library, b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "film.mp4").file
    file.library = library
    made: Moment = Moment.objects.create(file=file, name="Waves", start=1, end=4, created_by=alice)
    return made


@pytest.fixture
def share(moment: Moment, alice: User) -> MomentShare:
    return shares.create_share(moment, alice)


def test_a_token_leads_to_its_share_and_back(share: MomentShare, moment: Moment) -> None:
    token = shares.token_of(share)
    assert len(token) == 54
    assert shares.find_share(token).moment == moment


def test_the_share_comes_with_all_that_is_asked_of_it_in_one_query(share: MomentShare) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = shares.find_share(shares.token_of(share))
        assert found.moment.file.library.sharing
        assert found.moment.file.original.mime
    assert len(queries) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: ("A" if token[0] != "A" else "B") + token[1:],
        lambda token: token[:22],
        lambda token: "",
        lambda token: "é" * 54,
        lambda token: token + "=",
        lambda token: token.lower(),
        lambda token: " " + token,
    ],
)
def test_no_other_spelling_is_a_token_and_none_reaches_the_database(share: MomentShare, spoil: Any) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(shares.ShareNotFoundError):
        shares.find_share(spoil(shares.token_of(share)))
    assert len(queries) == 0


def test_a_token_made_with_another_key_is_worth_nothing(share: MomentShare, settings: Any) -> None:
    settings.SECRET_KEY = "another-key-of-another-house"
    foreign = shares.token_of(share)
    settings.SECRET_KEY = "again-another-one"
    with pytest.raises(shares.ShareNotFoundError):
        shares.find_share(foreign)


@pytest.mark.parametrize(
    "end",
    [
        shares.revoke,
        lambda share: Library.objects.update(sharing=False),
        lambda share: MomentShare.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda share: Moment.objects.update(trashed_at=timezone.now()),
        lambda share: File.objects.update(trashed_at=timezone.now()),
        lambda share: share.moment.delete(),
    ],
    ids=["revoked", "sharing off", "expired", "moment trashed", "file trashed", "moment deleted"],
)
def test_what_has_ended_is_not_there_at_once(share: MomentShare, end: Any) -> None:
    token = shares.token_of(share)
    shares.find_share(token)
    end(share)
    with pytest.raises(shares.ShareNotFoundError):
        shares.find_share(token)


def test_sharing_that_is_on_again_makes_old_links_good_but_not_revoked_ones(
    share: MomentShare, moment: Moment, alice: User
) -> None:
    other = shares.create_share(moment, alice)
    shares.revoke(other)
    Library.objects.update(sharing=False)
    Library.objects.update(sharing=True)
    assert shares.find_share(shares.token_of(share)).pk == share.pk
    with pytest.raises(shares.ShareNotFoundError):
        shares.find_share(shares.token_of(other))


def test_no_link_where_the_library_does_not_share(moment: Moment, alice: User) -> None:
    moment.file.library.sharing = False
    with pytest.raises(ConflictError, match="switched off"):
        shares.create_share(moment, alice)


def test_no_link_that_has_run_out_before_it_is_made(moment: Moment, alice: User) -> None:
    with pytest.raises(RequestError, match="run out"):
        shares.create_share(moment, alice, expires_at=timezone.now())


def test_only_so_many_links_are_good_at_the_same_time(moment: Moment, alice: User, settings: Any) -> None:
    settings.SHARES_OF_A_MOMENT = 2
    first = shares.create_share(moment, alice)
    shares.create_share(moment, alice)
    with pytest.raises(ConflictError, match="Revoke"):
        shares.create_share(moment, alice)
    shares.revoke(first)
    assert MomentShare.objects.good().filter(moment=moment).count() == 1
    shares.create_share(moment, alice)
    assert MomentShare.objects.good().filter(moment=moment).count() == 2


def test_a_password_is_kept_hashed_and_opens_this_share_alone(moment: Moment, alice: User) -> None:
    one = shares.create_share(moment, alice, password="tide-pool")
    two = shares.create_share(moment, alice, password="tide-pool")
    assert "tide-pool" not in one.password
    cookie = shares.unlock(one, "tide-pool")
    shares.require_open(one, cookie)
    for other, value in ((two, cookie), (one, None), (one, ""), (one, cookie[:-1]), (one, cookie + "x")):
        with pytest.raises(shares.ShareLockedError):
            shares.require_open(other, value)


@pytest.mark.parametrize("given", ["", "tide-poo", "Tide-pool", "tide-pool "])
def test_a_wrong_password_opens_nothing(moment: Moment, alice: User, given: str) -> None:
    share = shares.create_share(moment, alice, password="tide-pool")
    with pytest.raises(shares.ShareLockedError):
        shares.unlock(share, given)


def test_a_share_without_password_is_opened_by_none(share: MomentShare) -> None:
    with pytest.raises(shares.ShareLockedError):
        shares.unlock(share, "")
    assert shares.is_open(share, None)


def test_an_open_door_shuts_after_a_while(moment: Moment, alice: User, settings: Any) -> None:
    share = shares.create_share(moment, alice, password="tide-pool")
    cookie = shares.unlock(share, "tide-pool")
    settings.SHARE_OPEN_HOURS = -1
    assert not shares.is_open(share, cookie)


def test_views_are_counted(share: MomentShare) -> None:
    for _ in range(3):
        shares.count_view(share)
    share.refresh_from_db()
    assert share.views == 3
    assert share.last_viewed_at is not None


def test_operators_of_libraries_revoke_links_after_a_question(share: MomentShare) -> None:
    for role in ("operator", "auditor"):
        post(client_of(role), "media_momentshare", "revoke", [share], sure="yes")
    librarian = client_of("librarian")
    assert "Revoke 1 link?" in post(librarian, "media_momentshare", "revoke", [share])
    assert shares.find_share(shares.token_of(share)) == share
    assert "1 link is revoked" in post(librarian, "media_momentshare", "revoke", [share], sure="yes")
    with pytest.raises(shares.ShareNotFoundError):
        shares.find_share(shares.token_of(share))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.detail) == ("shares.revoke", 1, {"keys": [str(share.pk)]})
    assert "0 links" in post(librarian, "media_momentshare", "revoke", [share], sure="yes")
    assert AuditEntry.objects.count() == 1
