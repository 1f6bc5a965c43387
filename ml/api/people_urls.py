"""Addresses of people and faces, under /api/."""

from django.urls import path

from ml.api import faces, people

LIBRARY = "libraries/<uuid:library_id>"
PEOPLE = f"{LIBRARY}/people"
PERSON = f"{PEOPLE}/<uuid:person_id>"
FACES = f"{LIBRARY}/faces"

urlpatterns = [
    path(PEOPLE, people.LibraryPeople.as_view(), name="people"),
    path(f"{PEOPLE}/merge", people.MergePeople.as_view(), name="people-merge"),
    path(f"{PEOPLE}/proposals", people.MergeProposals.as_view(), name="merge-proposals"),
    path(f"{PEOPLE}/proposals/<uuid:proposal_id>/accept", people.AcceptMerge.as_view(), name="merge-accept"),
    path(
        f"{PEOPLE}/proposals/<uuid:proposal_id>/decline", people.DeclineMerge.as_view(), name="merge-decline"
    ),
    path(PERSON, people.OnePerson.as_view(), name="person"),
    path(f"{PERSON}/undo-merge", people.UndoMerge.as_view(), name="person-undo-merge"),
    path(f"{PERSON}/split", people.SplitPerson.as_view(), name="person-split"),
    path(f"{PERSON}/files", people.PersonFiles.as_view(), name="person-files"),
    path(f"{PERSON}/faces", people.PersonFaces.as_view(), name="person-faces"),
    path(f"{LIBRARY}/files/<uuid:file_id>/faces", faces.FileFaces.as_view(), name="file-faces"),
    path(f"{FACES}/unassigned", faces.UnassignedFaces.as_view(), name="faces-unassigned"),
    path(f"{FACES}/assign", faces.AssignFaces.as_view(), name="faces-assign"),
    path(f"{FACES}/confirm", faces.ConfirmFaces.as_view(), name="faces-confirm"),
    path(f"{FACES}/reject", faces.RejectFaces.as_view(), name="faces-reject"),
    path(f"{FACES}/remove", faces.RemoveFaces.as_view(), name="faces-remove"),
    path(f"{FACES}/restore", faces.RestoreFaces.as_view(), name="faces-restore"),
    path(f"{FACES}/proposals", faces.FaceProposals.as_view(), name="face-proposals"),
    path(f"{FACES}/proposals/<uuid:proposal_id>/accept", faces.AcceptFace.as_view(), name="face-accept"),
    path(f"{FACES}/proposals/<uuid:proposal_id>/decline", faces.DeclineFace.as_view(), name="face-decline"),
]
