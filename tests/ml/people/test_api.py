"""People and faces over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from alcoves.accounts.models import User
from media import trash
from media.libraries import create_library
from media.models import Derivative, File, Library
from ml.faces import proposals
from ml.models import Face, FaceProposal, FaceRejection, MergeProposal, Person
from ml.models.faces import By
from tests.media.api.conftest import finish
from tests.media.api.test_schema import strict
from tests.ml.people.making import beside, direction, make_face, make_file, make_person, people_of

JSON = "application/json"
CROP = b"RIFF\x1a\0\0\0WEBPVP8 " + b"\1" * 90
A = direction(1)


def base(library: Library) -> str:
    return f"/api/libraries/{library.pk}"


def send(client: Client, address: str, body: Any = None, method: str = "post") -> Any:
    return getattr(client, method)(address, body or {}, JSON)


def first_face(person: Person) -> Face:
    found: Face = person.faces.order_by("id")[0]
    return found


def names(client: Client, library: Library, **query: Any) -> list[str]:
    return [one["name"] for one in client.get(f"{base(library)}/people", query).json()["entries"]]


def with_crop(face: Face, file: File) -> Derivative:
    row = finish(file, "faces", {"face-001.webp": (CROP, "image/webp")})
    Face.objects.filter(pk=face.pk).update(derivative=row, crop="face-001.webp")
    return row


def test_people_by_name_then_by_how_often_they_are_seen(library: Library, as_bob: Client) -> None:
    seldom, often = make_person(library, 1, 3), make_person(library, 2, 5)
    make_person(library, 3, name="bert")
    make_person(library, 4, name="Anna")
    make_person(library, 5, 0, name="Nobody's face")
    found = as_bob.get(f"{base(library)}/people").json()
    assert [one["name"] for one in found["entries"]] == ["Anna", "bert", "", ""]
    assert [one["id"] for one in found["entries"]][2:] == [str(often.pk), str(seldom.pk)]
    assert [one["faceCount"] for one in found["entries"]] == [3, 3, 5, 3]
    assert found["nextCursor"] is None
    assert names(as_bob, library, empty="true") == ["Anna", "bert", "Nobody's face", "", ""]


def test_pages_of_people(library: Library, as_bob: Client) -> None:
    for seed in range(3):
        make_person(library, seed, 2)
    for name in ("A B", "a b", "Zoe"):
        make_person(library, 9, 1, name=name)
    whole = [one["id"] for one in as_bob.get(f"{base(library)}/people").json()["entries"]]
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = as_bob.get(f"{base(library)}/people", {"limit": "1", **cursor}).json()
        paged += [one["id"] for one in page["entries"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert paged == whole
    assert len(whole) == 6


def test_only_live_files_count(library: Library, as_alice: Client) -> None:
    person = make_person(library, 1, 3)
    one, other = File.objects.all()[:2]
    File.objects.create(library=library, original=other.original, name="the same bytes again.jpg")
    trash.trash(library, [one.pk])
    (told,) = as_alice.get(f"{base(library)}/people").json()["entries"]
    assert (told["faceCount"], told["fileCount"]) == (2, 3)
    files = as_alice.get(f"{base(library)}/people/{person.pk}/files").json()
    assert len(files["entries"]) == 3
    trash.trash(library, list(File.objects.values_list("pk", flat=True)))
    assert names(as_alice, library) == []


def test_hidden_people_are_listed_when_asked_for(library: Library, as_alice: Client) -> None:
    person = make_person(library, 1, name="Anna")
    make_person(library, 2, name="Bert")
    address = f"{base(library)}/people/{person.pk}"
    assert send(as_alice, address, {"hidden": True}, "patch").json()["hidden"] is True
    assert names(as_alice, library) == ["Bert"]
    assert names(as_alice, library, hidden="only") == ["Anna"]
    assert names(as_alice, library, hidden="any") == ["Anna", "Bert"]


def test_naming_and_a_cover(library: Library, as_alice: Client) -> None:
    person = make_person(library, 1)
    face = person.faces.order_by("id")[1]
    with_crop(face, face.original.files.get())
    address = f"{base(library)}/people/{person.pk}"
    told = send(as_alice, address, {"name": "Anna", "coverFaceId": str(face.pk)}, "patch").json()
    assert (told["name"], told["coverChosen"], told["cover"]["id"]) == ("Anna", True, str(face.pk))
    assert as_alice.get(told["cover"]["cropUrl"]).getvalue() == CROP
    trash.trash(library, [face.original.files.get().pk])
    told = as_alice.get(address).json()
    assert (told["coverChosen"], told["cover"]) == (False, None), "It is not to be seen just now."
    assert send(as_alice, address, {"name": ""}, "patch").json()["name"] == ""


def test_who_is_hidden_without_a_name_is_kept_though_without_a_face(
    library: Library, as_alice: Client
) -> None:
    person = Person.objects.create(library=library, name="Anna")
    address = f"{base(library)}/people/{person.pk}"
    told = send(as_alice, address, {"name": "", "hidden": True}, "patch")
    assert (told.status_code, told.json()["hidden"]) == (200, True)


def test_a_name_that_cannot_be_seen_leaves_no_face_behind(library: Library, as_alice: Client) -> None:
    file = make_file(library)
    given = {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2, "name": "\u200b"}
    refused = send(as_alice, f"{base(library)}/files/{file.pk}/faces", given, "post")
    assert refused.status_code == 400
    assert not Face.objects.exists()


def test_the_best_face_stands_for_somebody(library: Library, as_bob: Client) -> None:
    person = make_person(library, 1)
    faces = list(person.faces.order_by("id"))
    for number, face in enumerate(faces):
        with_crop(face, face.original.files.get())
        Face.objects.filter(pk=face.pk).update(quality=[0.1, 0.9, 0.5][number])
    told = as_bob.get(f"{base(library)}/people/{person.pk}").json()
    assert told["cover"]["id"] == str(faces[1].pk)


def test_crops_are_for_members(library: Library, as_bob: Client, as_charlie: Client, client: Client) -> None:
    file = make_file(library)
    face = make_face(library, A, file=file)
    with_crop(face, file)
    (told,) = as_bob.get(f"{base(library)}/files/{file.pk}/faces").json()
    answer = as_bob.get(told["cropUrl"])
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    assert "immutable" in answer["Cache-Control"]
    assert as_charlie.get(told["cropUrl"]).status_code == 404
    assert client.get(told["cropUrl"]).status_code == 401
    Derivative.objects.update(variant="drawn-1")
    (told,) = as_bob.get(f"{base(library)}/files/{file.pk}/faces").json()
    assert "variant=drawn-1" in told["cropUrl"]
    assert as_bob.get(told["cropUrl"]).status_code == 200
    assert as_bob.get(told["cropUrl"].replace("drawn-1", "drawn-2")).status_code == 404


def test_the_faces_of_a_file_and_of_a_person(library: Library, as_bob: Client) -> None:
    film = make_file(library, kind="video", duration=60)
    person = make_person(library, 1, 0, name="Anna")
    make_face(library, A, file=film, second=7.0, spans=[[5.0, 9.5]], person=person, distance=0.25)
    make_face(library, None, file=film, second=2.0, spans=[[2.0, 3.0]])
    make_face(library, None, file=film, second=1.0, removed=True)
    first, second = as_bob.get(f"{base(library)}/files/{film.pk}/faces").json()
    assert (first["second"], first["personId"], first["assignedBy"]) == (2.0, None, None)
    assert second["spans"] == [[5.0, 9.5]]
    assert (second["personName"], second["assignedBy"], second["distance"]) == ("Anna", "model", 0.25)
    assert second["box"] == {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}
    (of_person,) = as_bob.get(f"{base(library)}/people/{person.pk}/faces").json()["entries"]
    assert of_person == second


def test_pages_of_faces(library: Library, as_bob: Client) -> None:
    person = make_person(library, 1, 5)
    for number, face in enumerate(person.faces.all()):
        Face.objects.filter(pk=face.pk).update(quality=[0.3, 0.1, 0.3, 0.9, 0.30001][number])
    for number in range(5):
        make_face(library, direction(number + 5))
    for address in (f"{base(library)}/people/{person.pk}/faces", f"{base(library)}/faces/unassigned"):
        whole = [one["id"] for one in as_bob.get(address).json()["entries"]]
        paged: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = as_bob.get(address, {"limit": "2", **cursor}).json()
            paged += [one["id"] for one in page["entries"]]
            cursor = {"cursor": page["nextCursor"] or ""}
        assert (paged, len(whole), page["nextCursor"]) == (whole, 5, None)


def test_drawing_a_face(library: Library, as_alice: Client) -> None:
    file, person = make_file(library), make_person(library, 1, name="Anna")
    address = f"{base(library)}/files/{file.pk}/faces"
    box = {"x": 0.5, "y": 0.25, "width": 0.1, "height": 0.2}
    made = send(as_alice, address, {**box, "personId": str(person.pk)})
    assert made.status_code == 201
    told = made.json()
    assert (told["drawn"], told["personName"], told["assignedBy"]) == (True, "Anna", "user")
    assert told["comparable"] is False, "the models have not looked yet"
    assert told["box"] == box
    assert send(as_alice, address, box).json()["code"] == "face_there"
    told = send(as_alice, address, {**box, "x": 0.1, "name": "Bert"}).json()
    assert told["personName"] == "Bert"
    assert Derivative.objects.filter(deriver="faces", variant__startswith="drawn-").count() == 2


def test_merge_and_undo(library: Library, as_alice: Client) -> None:
    first, second = make_person(library, 1), make_person(library, 2, name="Anna")
    told = send(
        as_alice, f"{base(library)}/people/merge", {"personIds": [str(first.pk), str(second.pk)]}
    ).json()
    assert (told["id"], told["name"], told["faceCount"], told["canUndoMerge"]) == (
        str(first.pk),
        "Anna",
        6,
        True,
    )
    assert as_alice.get(f"{base(library)}/people/{second.pk}").status_code == 404
    back = send(as_alice, f"{base(library)}/people/{first.pk}/undo-merge").json()
    assert [(one["id"], one["name"], one["faceCount"]) for one in back] == [
        (str(first.pk), "", 3),
        (str(second.pk), "Anna", 3),
    ]
    assert send(as_alice, f"{base(library)}/people/{first.pk}/undo-merge").status_code == 409


def test_split_assign_confirm_reject_remove_restore(library: Library, as_alice: Client) -> None:
    person = make_person(library, 1, 6)
    faces = list(person.faces.order_by("id"))
    keys = [str(face.pk) for face in faces]
    made = send(as_alice, f"{base(library)}/people/{person.pk}/split", {"faceIds": keys[:2], "name": "Bert"})
    assert (made.status_code, made.json()["faceCount"]) == (201, 2)
    bert = made.json()["id"]
    told = send(as_alice, f"{base(library)}/faces/assign", {"faceIds": keys[2:3], "personId": bert}).json()
    assert (told["id"], told["faceCount"]) == (bert, 3)
    told = send(as_alice, f"{base(library)}/faces/assign", {"faceIds": keys[3:4], "name": "Carl"}).json()
    assert (told["name"], told["faceCount"]) == ("Carl", 1)
    for decision in ("confirm", "reject", "remove", "restore"):
        answer = send(as_alice, f"{base(library)}/faces/{decision}", {"faceIds": keys[4:5]})
        assert (answer.status_code, answer.json()) == (200, {"count": 1}), decision
    assert people_of(faces)[4] is None
    assert FaceRejection.objects.filter(face=faces[4], person=person).exists()
    assert as_alice.delete(f"{base(library)}/people/{bert}").status_code == 204
    assert Face.objects.filter(person=None, assigned_by=By.USER).count() == 3


def test_answering_proposals(library: Library, as_alice: Client) -> None:
    first, second = make_person(library, 1, name="Anna"), make_person(library, 1)
    face = make_face(library, beside(A, 0.46, 4), waiting=False)
    proposals.propose(library.pk)
    (merge,) = as_alice.get(f"{base(library)}/people/proposals").json()
    assert {merge["first"]["id"], merge["second"]["id"]} == {str(first.pk), str(second.pk)}
    (likely,) = as_alice.get(f"{base(library)}/faces/proposals").json()
    assert likely["face"]["id"] == str(face.pk)
    accept = f"{base(library)}/people/proposals/{merge['id']}/accept"
    assert send(as_alice, accept).json()["name"] == "Anna"
    assert send(as_alice, accept).status_code == 404
    proposals.propose(library.pk)
    (likely,) = as_alice.get(f"{base(library)}/faces/proposals").json()
    assert likely["personName"] == "Anna"
    assert send(as_alice, f"{base(library)}/faces/proposals/{likely['id']}/accept").json()["faceCount"] == 7
    third = make_person(library, 1)
    stray = make_face(library, beside(A, 0.47, 5), waiting=False)
    proposals.propose(library.pk)
    merge = MergeProposal.objects.get()
    assert send(as_alice, f"{base(library)}/people/proposals/{merge.pk}/decline").status_code == 204
    stray_proposal = FaceProposal.objects.get(face=stray)
    assert send(as_alice, f"{base(library)}/faces/proposals/{stray_proposal.pk}/decline").status_code == 204
    assert third.faces.count() == 3


def writes(
    library: Library, person: Person, face: Face, proposal: MergeProposal, strayed: FaceProposal
) -> Any:
    """Every address that changes something, with a body that would be accepted."""
    here, faces = base(library), {"faceIds": [str(face.pk)]}
    box = {"x": 0.5, "y": 0.5, "width": 0.1, "height": 0.1}
    pair = {"personIds": [str(proposal.first_id), str(proposal.second_id)]}
    return [
        ("patch", f"{here}/people/{person.pk}", {"name": "X"}),
        ("delete", f"{here}/people/{person.pk}", {}),
        ("post", f"{here}/people/merge", pair),
        ("post", f"{here}/people/{person.pk}/undo-merge", {}),
        ("post", f"{here}/people/{person.pk}/split", faces),
        ("post", f"{here}/people/proposals/{proposal.pk}/accept", {}),
        ("post", f"{here}/people/proposals/{proposal.pk}/decline", {}),
        ("post", f"{here}/files/{face.original.files.get().pk}/faces", box),
        ("post", f"{here}/faces/assign", {**faces, "personId": str(person.pk)}),
        *(("post", f"{here}/faces/{name}", faces) for name in ("confirm", "reject", "remove", "restore")),
        ("post", f"{here}/faces/proposals/{strayed.pk}/accept", {}),
        ("post", f"{here}/faces/proposals/{strayed.pk}/decline", {}),
    ]


def test_viewers_look_and_strangers_do_not(
    library: Library, alice: User, as_alice: Client, as_bob: Client, as_charlie: Client
) -> None:
    person, other = make_person(library, 1), make_person(library, 1)
    stray = make_face(library, beside(A, 0.46, 4), waiting=False)
    proposals.propose(library.pk)
    given = (person, first_face(person), MergeProposal.objects.get(), FaceProposal.objects.get())
    for method, address, body in writes(library, *given):
        for client, status in ((as_bob, 403), (as_charlie, 404)):
            assert send(client, address, body, method).status_code == status, address
    elsewhere = create_library(alice, "Other")
    for method, address, body in writes(library, *given):
        if "/files/" not in address:
            away = address.replace(str(library.pk), str(elsewhere.pk))
            assert send(as_alice, away, body, method).status_code == 404, away
    reads = [
        "/people",
        f"/people/{person.pk}",
        f"/people/{person.pk}/files",
        f"/people/{person.pk}/faces",
        "/people/proposals",
        "/faces/unassigned",
        "/faces/proposals",
        f"/files/{stray.original.files.get().pk}/faces",
    ]
    for address in reads:
        assert as_bob.get(base(library) + address).status_code == 200, address
        assert as_charlie.get(base(library) + address).status_code == 404, address
    assert as_alice.get(f"{base(library)}/people/{uuid4()}").status_code == 404
    assert Person.objects.count() == 2
    assert other.faces.count() == 3


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("patch", "people/{person}", {"name": "x" * 201}),
        ("patch", "people/{person}", {"name": "a\0b"}),
        ("patch", "people/{person}", {"name": "\u200b"}),
        ("patch", "people/{person}", {"hidden": "perhaps"}),
        ("patch", "people/{person}", {"coverFaceId": "x"}),
        ("post", "people/merge", {"personIds": ["{person}"]}),
        ("post", "people/merge", {"personIds": ["{person}", "{person}"]}),
        ("post", "people/merge", {"personIds": ["x", "y"]}),
        ("post", "people/merge", {}),
        ("post", "people/{person}/split", {"faceIds": []}),
        ("post", "faces/assign", {"faceIds": ["{face}"]}),
        ("post", "faces/assign", {"faceIds": ["{face}"], "personId": "{person}", "name": "both"}),
        ("post", "faces/assign", {"faceIds": ["{face}"], "name": ""}),
        ("post", "faces/confirm", {"faceIds": "{face}"}),
        ("post", "faces/reject", {"faceIds": ["{face}"] * 501}),
        ("post", "files/{file}/faces", {"x": 0.5}),
        ("post", "files/{file}/faces", {"x": 0.5, "y": 0.5, "width": 0.6, "height": 0.1}),
        ("post", "files/{file}/faces", {"x": -0.1, "y": 0.5, "width": 0.6, "height": 0.1}),
        ("post", "files/{file}/faces", {"x": "nan", "y": 0.5, "width": 0.2, "height": 0.1}),
        ("post", "files/{file}/faces", {"x": 0.5, "y": 0.5, "width": 0.2, "height": 0.1, "second": 3}),
        ("get", "people", {"cursor": "x"}),
        ("get", "people", {"cursor": "WyJ4IiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0"}),
        ("get", "people", {"hidden": "perhaps"}),
        ("get", "people", {"limit": 0}),
        ("get", "people/{person}/faces", {"cursor": "x"}),
        (
            "get",
            "people/{person}/faces",
            {"cursor": "WyJ4IiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0"},
        ),
        ("get", "people/{person}/files", {"order": "size"}),
        ("get", "faces/unassigned", {"cursor": "x"}),
    ],
)
def test_bad_input(library: Library, as_alice: Client, method: str, address: str, body: Any) -> None:
    person = make_person(library, 1)
    face = first_face(person)
    keys = {"person": person.pk, "face": face.pk, "file": face.original.files.get().pk}

    def filled(part: Any) -> Any:
        if isinstance(part, list):
            return [filled(one) for one in part]
        return part.format(**keys) if isinstance(part, str) and part.startswith("{") else part

    where = f"{base(library)}/{address.format(**keys)}"
    given = {name: filled(value) for name, value in body.items()}
    answer = as_alice.get(where, given) if method == "get" else send(as_alice, where, given, method)
    assert answer.status_code == 400, answer.content
    assert answer.json()["message"]
    assert Face.objects.filter(person=person, assigned_by=By.MODEL).count() == 3


def test_what_cannot_be_is_said_as_such(library: Library, as_alice: Client) -> None:
    person, other = make_person(library, 1), make_person(library, 2)
    loose = make_face(library, direction(7))
    here = base(library)
    told = send(as_alice, f"{here}/people/{person.pk}", {"coverFaceId": str(loose.pk)}, "patch")
    assert (told.status_code, told.json()["code"]) == (409, "not_theirs")
    told = send(as_alice, f"{here}/people/{person.pk}/split", {"faceIds": [str(first_face(other).pk)]})
    assert (told.status_code, told.json()["code"]) == (409, "not_theirs")
    told = send(as_alice, f"{here}/faces/confirm", {"faceIds": [str(loose.pk)]})
    assert (told.status_code, told.json()["code"]) == (409, "unassigned")
    sound = make_file(library, kind="audio")
    box = {"x": 0.5, "y": 0.5, "width": 0.1, "height": 0.1}
    told = send(as_alice, f"{here}/files/{sound.pk}/faces", box)
    assert (told.status_code, told.json()["code"]) == (422, "no_picture")
    trash.trash(library, [loose.original.files.get().pk])
    told = send(as_alice, f"{here}/files/{loose.original.files.get().pk}/faces", box)
    assert (told.status_code, told.json()["code"]) == (409, "in_trash")


@pytest.mark.parametrize(
    ("address", "queries"),
    [("people", 7), ("faces/unassigned", 4), ("people/{person}/faces", 5), ("people/{person}/files", 7)],
)
def test_lists_cost_as_many_queries_however_long(
    library: Library, as_bob: Client, django_assert_max_num_queries: Any, address: str, queries: int
) -> None:
    person = make_person(library, 1, 12)
    for seed in range(2, 14):
        make_person(library, seed, 1)
        make_face(library, None)
    for face in Face.objects.all():
        with_crop(face, face.original.files.get())
    with django_assert_max_num_queries(queries + 1):  # One is the login's.
        found = as_bob.get(f"{base(library)}/{address.format(person=person.pk)}").json()
    assert len(found["entries"]) >= 12


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@pytest.mark.parametrize(
    "address",
    [
        "people",
        "people/{person_id}",
        "people/{person_id}/faces",
        "people/{person_id}/files",
        "people/proposals",
        "faces/unassigned",
        "faces/proposals",
        "files/{file_id}/faces",
    ],
)
def test_answers_are_what_the_document_says(
    library: Library, as_bob: Client, schema: dict[str, Any], address: str
) -> None:
    person = make_person(library, 1)
    make_person(library, 1)
    make_face(library, beside(A, 0.46, 4), waiting=False)
    for face in Face.objects.all():
        with_crop(face, face.original.files.get())
    proposals.propose(library.pk)
    keys = {"person_id": person.pk, "file_id": first_face(person).original.files.get().pk}
    answer = as_bob.get(f"{base(library)}/{address.format(**keys)}")
    assert answer.status_code == 200
    told = schema["paths"][f"/api/libraries/{{library_id}}/{address}"]["get"]["responses"]["200"]
    validator = Draft202012Validator(
        strict(told["content"]["application/json"]["schema"], schema["components"])
    )
    assert list(validator.iter_errors(answer.json())) == []
    assert answer.json()
