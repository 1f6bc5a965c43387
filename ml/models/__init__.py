"""Rows of the understanding part: what was chosen and fetched, and what models have said of originals."""

from ml.models.choosing import Acceptance, Choice, Download, LibraryLanguage
from ml.models.embeddings import KeptCopy, PictureEmbedding, SearchModel, SimilarDecision, SimilarPair
from ml.models.events import ObjectDetection, SoundEvent
from ml.models.faces import Face, FaceProposal, FaceRejection, MergeProposal, Person
from ml.models.transcripts import Transcript, TranscriptSegment

__all__ = [
    "Acceptance",
    "Choice",
    "Download",
    "Face",
    "FaceProposal",
    "FaceRejection",
    "KeptCopy",
    "LibraryLanguage",
    "MergeProposal",
    "ObjectDetection",
    "Person",
    "PictureEmbedding",
    "SearchModel",
    "SimilarDecision",
    "SimilarPair",
    "SoundEvent",
    "Transcript",
    "TranscriptSegment",
]
