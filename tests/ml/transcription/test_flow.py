"""From a file that is taken in to the rows and files of its transcript, with the real whisper.cpp and a tiny model."""

import json
from pathlib import Path
from typing import Any

import pytest

from alcoves.accounts.models import User
from media import blobs as store
from media import reprocess
from media.api.describing import with_all
from media.derivers.base import NotNeeded, Ready
from media.errors import DamagedFileError
from media.models import Derivative, File, Library, UnnamedBlob
from media.subject import Subject
from media.tools import ffmpeg
from ml.models import Transcript, TranscriptSegment
from ml.transcription import asking, blocks, deriver, editing, outputs
from ml.transcription.blocks import Measure
from ml.transcription.deriver import TranscriptDeriver, track_of
from ml.transcription.drafts import DraftError
from ml.transcription.editing import NotCorrectedError, RevisionError
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone, make_video
from tests.media.derivers.contexts import derive, run_of
from tests.ml.transcription.conftest import row_of, transcript_of

pytestmark = pytest.mark.django_db
HELLO = "Hello small world."


def text_of(row: Derivative, name: str) -> str:
    output = row.output(name)
    assert output is not None
    with get_store("files").open(output["key"]) as stream:
        return stream.read().decode()


def fresh(file: File) -> File:
    found: File = File.objects.select_related("original").get(pk=file.pk)
    return found


def test_a_recording_is_written_down(recording: File) -> None:
    row = row_of(recording)
    assert (row.status, row.error_message) == ("ready", "")
    assert row.facts == {
        "track": 0,
        "title": None,
        "language": "en",
        "segments": 2,
        "words": 6,
        "language_found": True,
        "dropped": {},
    }
    assert row.made_by["model"] == "says-hello"
    assert row.made_by["language"] == "en"
    written = transcript_of(recording)
    assert (written.text, written.language, written.language_found) == (f"{HELLO} {HELLO}", "en", True)
    segments = list(written.segments.all())
    assert [(one.start_seconds, one.end_seconds, one.text) for one in segments] == [
        (0.5, 2.5, HELLO),
        (30.5, 32.5, HELLO),
    ]
    assert [word[2] for word in segments[0].words] == ["Hello", "small", "world."]
    assert segments[0].confidence == pytest.approx(1.0, abs=0.01)


def test_its_files(recording: File) -> None:
    row = row_of(recording)
    assert {one["name"]: one["content_type"] for one in row.outputs} == outputs.TYPES
    assert text_of(row, "transcript.vtt").startswith("WEBVTT\n\n00:00:00.500 --> 00:00:02.500\n" + HELLO)
    assert text_of(row, "transcript.srt").startswith("1\n00:00:00,500 --> 00:00:02,500\n" + HELLO)
    assert text_of(row, "transcript.txt") == f"{HELLO}\n{HELLO}\n"
    told = json.loads(text_of(row, "transcript.json"))
    assert told["language"] == "en"
    assert [one["text"] for one in told["segments"]] == [HELLO, HELLO]


def test_a_library_that_does_not_want_it_gets_none(says_hello: Path, library: Library, tone: Path) -> None:
    file = take_in(library, tone, "tone.wav").file
    run_queued()
    assert not Derivative.objects.filter(original=file.original_id, deriver="transcript").exists()


def test_silence_is_ready_without_a_word(says_hello: Path, spoken_library: Library, tmp_path: Path) -> None:
    """Although this model would say hello to it."""
    file = take_in(spoken_library, make_tone(tmp_path / "s.wav", seconds=5, amplitude=0.0), "s.wav").file
    run_queued()
    row = row_of(file)
    assert (row.status, row.facts["segments"], row.facts["language"]) == ("ready", 0, "")
    assert text_of(row, "transcript.vtt") == "WEBVTT\n"
    assert transcript_of(file).text == ""


def test_what_is_said_to_silence_between_sounds_is_dropped(
    says_hello: Path, spoken_library: Library, tmp_path: Path
) -> None:
    """The evidence is in the sound: the model said the same, as surely, to the second half minute."""
    graph = "aevalsrc=if(lt(t\\,28)\\,0.3*sin(2764*t)\\,0):d=58:s=16000"
    ffmpeg.run(["-f", "lavfi", "-i", graph, tmp_path / "half.wav"], timeout=30)
    file = take_in(spoken_library, tmp_path / "half.wav", "half.wav").file
    run_queued()
    assert row_of(file).facts["dropped"] == {"silence": 1}
    assert transcript_of(file).text == HELLO


def test_a_film_without_sound_is_not_planned(
    says_hello: Path, spoken_library: Library, tmp_path: Path
) -> None:
    file = take_in(spoken_library, make_video(tmp_path / "mute.mp4", audio=False), "mute.mp4").file
    run_queued()
    assert not Derivative.objects.filter(original=file.original_id, deriver="transcript").exists()
    assert not TranscriptDeriver().accepts(fresh(file).original.subject())
    assert not TranscriptDeriver().accepts(Subject("image", "image/png", 1))
    assert TranscriptDeriver().accepts(Subject("audio", "audio/mpeg", 1))


def test_blocks_change_nothing_but_memory(
    says_hello: Path, tone: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """Cut every ten seconds, each block is a window of its own, and times stay those of the recording."""
    monkeypatch.setattr(blocks, "USUAL", Measure(longest=12.0, searched=4.0, margin=0.2))
    run = run_of(tone, tmp_path / "scratch")
    result = TranscriptDeriver().derive(run)
    assert isinstance(result, Ready)
    found = result.learnt["segments"]
    assert len(found) == 4
    for number, one in enumerate(found):
        # A window begins with the samples of its block, and the block at least eight seconds after the one before.
        assert one.start >= 8.0 * number
    assert [percent for percent, _ in run.told] == sorted(percent for percent, _ in run.told)
    assert run.told[-1][0] == 99.0
    assert run.told[-1][1] is not None


def test_a_very_long_recording_is_divided_and_joined(
    says_hello: Path, spoken_library: Library, tmp_path: Path, monkeypatch: Any
) -> None:
    """Two hours are thirty seconds here, an hour of a part two blocks of ten."""
    monkeypatch.setattr(blocks, "USUAL", Measure(longest=12.0, searched=4.0, margin=0.2))
    monkeypatch.setattr(deriver, "LONG", 30.0)
    monkeypatch.setattr(deriver, "BLOCKS_A_PART", 2)
    tone = make_tone(tmp_path / "long.wav", seconds=60.0, amplitude=0.3)
    whole = derive(TranscriptDeriver(), make_tone(tmp_path / "short.wav", seconds=29.0), tmp_path / "scratch")
    assert whole.facts["segments"] == 3
    file = take_in(spoken_library, tone, "long.wav").file
    run_queued()
    row = row_of(file)
    assert (row.status, row.error_message) == ("ready", "")
    assert (row.made_by["model"], row.facts["language"], row.progress) == ("says-hello", "en", 100)
    starts = [one.start_seconds for one in transcript_of(file).segments.all()]
    assert len(starts) >= 5
    assert starts == sorted(starts)
    assert starts[0] == 0.5
    assert starts[-1] > 45
    assert not Derivative.objects.filter(deriver="transcript-part").exists()


def test_sound_that_begins_late_keeps_its_times(says_hello: Path, tmp_path: Path) -> None:
    """The model says hello half a second after the film begins; there it is still mute, so nothing was said."""
    film, late = make_video(tmp_path / "mute.mp4", seconds=20, audio=False), tmp_path / "late.mkv"
    sound = make_tone(tmp_path / "tone.m4a", seconds=8)
    ffmpeg.run(["-i", film, "-itsoffset", "10", "-i", sound, "-c", "copy", late], timeout=30)
    result = derive(TranscriptDeriver(), late, tmp_path / "scratch")
    assert result.facts["dropped"] == {"silence": 1}
    early = derive(TranscriptDeriver(), sound, tmp_path / "scratch")
    assert early.facts["segments"] == 1


def test_tracks_by_their_variant(says_hello: Path, tmp_path: Path) -> None:
    film = tmp_path / "two.mkv"
    ffmpeg.run(
        ["-f", "lavfi", "-i", "sine=frequency=440:duration=5", "-f", "lavfi", "-i", "sine=frequency=880:duration=5",
         "-map", "0", "-map", "1", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Dubbed", film],
        timeout=60,
    )  # fmt: skip
    run = run_of(film, tmp_path / "scratch")
    assert run.subject.probe is not None
    assert track_of(run.subject.probe, "") == track_of(run.subject.probe, "track-0")
    assert track_of(run.subject.probe, "track-7") is None
    run.variant = "track-1"
    result = TranscriptDeriver().derive(run)
    assert isinstance(result, Ready)
    assert (result.facts["track"], result.facts["title"], result.facts["language"]) == (1, "Dubbed", "de")
    assert not result.facts["language_found"]
    run.variant = "track-7"
    assert TranscriptDeriver().derive(run) == NotNeeded("no_such_track")


def test_a_broken_recording_fails_with_a_sentence(says_hello: Path, tmp_path: Path) -> None:
    run = run_of(make_tone(tmp_path / "tone.m4a"), tmp_path / "scratch")
    run.path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DamagedFileError, match=r"\w+ \w+.*\."):
        TranscriptDeriver().derive(run)


def test_an_edit_rebuilds_every_file_and_a_later_run_leaves_it_alone(recording: File, alice: User) -> None:
    written = transcript_of(recording)
    first, second = written.segments.all()
    machine = row_of(recording)
    changes = [
        {"op": "change", "id": first.pk, "text": "Hello <big> world.", "start": 0.4, "end": 2.6},
        {"op": "split", "id": second.pk, "at": 5},
    ]
    editing.edit(fresh(recording), written, alice, written.revision, changes)
    edited = transcript_of(recording)
    assert edited.revision == written.revision + 1
    assert (edited.edited_by, edited.edited_at is not None) == (alice, True)
    assert [one.text for one in edited.segments.all()] == ["Hello <big> world.", "Hello", "small world."]
    assert [one.pk for one in edited.segments.all()][:2] == [first.pk, second.pk], (
        "who is known keeps the key"
    )
    given = row_of(recording, f"own-0-r{edited.revision}")
    assert given.status == "ready"
    assert "Hello &lt;big&gt; world." in text_of(given, "transcript.vtt")
    assert "00:00:00,400 --> 00:00:02,600" in text_of(given, "transcript.srt")
    assert text_of(given, "transcript.txt") == "Hello <big> world.\nHello small world.\n"
    assert given.facts["segments"] == 3
    assert row_of(recording).outputs == machine.outputs

    reprocess.reprocess_file(fresh(recording), "transcript")
    run_queued()
    kept = transcript_of(recording)
    assert (kept.text, kept.revision) == (edited.text, edited.revision)
    assert row_of(recording).ready_version == 2
    assert row_of(recording, given.variant).outputs == given.outputs


def test_the_next_edit_takes_the_place_of_the_last(recording: File, alice: User) -> None:
    for number in range(3):
        written = transcript_of(recording)
        first = written.segments.first()
        assert first is not None
        change = {"op": "change", "id": first.pk, "text": f"Version {number}"}
        editing.edit(fresh(recording), written, alice, written.revision, [change])
    given = Derivative.objects.filter(original=recording.original_id, variant__startswith="own-")
    assert [row.variant for row in given] == [f"own-0-r{transcript_of(recording).revision}"]
    assert "Version 2" in text_of(given[0], "transcript.vtt")
    assert UnnamedBlob.objects.filter(key__contains="/transcript/").count() == 2 * len(outputs.TYPES)


def test_two_who_edit_at_once_are_told_apart(recording: File, alice: User, bob: User) -> None:
    seen_by_both = transcript_of(recording)
    first = seen_by_both.segments.first()
    assert first is not None
    change = {"op": "change", "id": first.pk, "text": "Mine"}
    editing.edit(fresh(recording), transcript_of(recording), alice, seen_by_both.revision, [change])
    with pytest.raises(RevisionError, match="is at revision"):
        editing.edit(fresh(recording), transcript_of(recording), bob, seen_by_both.revision, [change])
    with pytest.raises(RevisionError):
        editing.edit(
            fresh(recording), seen_by_both, bob, seen_by_both.revision, [{**change, "text": "No, mine"}]
        )
    assert transcript_of(recording).edited_by == alice
    assert store.sweep() == 0, "what lost its name stays a little for readers"


def test_what_says_the_same_as_before_is_no_correction(recording: File, alice: User) -> None:
    written = transcript_of(recording)
    first = written.segments.first()
    assert first is not None
    same = {"op": "change", "id": first.pk, "text": f" {first.text}", "start": first.start_seconds}
    for changes in ([], [same]):
        editing.edit(fresh(recording), written, alice, written.revision, changes, written.language)
    after = transcript_of(recording)
    assert (after.revision, after.edited_at) == (written.revision, None)
    assert not Derivative.objects.filter(original=recording.original_id, variant__startswith="own-").exists()


def test_a_change_that_cannot_be_changes_nothing(recording: File, alice: User) -> None:
    written = transcript_of(recording)
    first = written.segments.first()
    assert first is not None
    changes = [{"op": "change", "id": first.pk, "text": "Lost"}, {"op": "split", "id": first.pk, "at": 0}]
    with pytest.raises(DraftError):
        editing.edit(fresh(recording), written, alice, written.revision, changes)
    assert transcript_of(recording).text == f"{HELLO} {HELLO}"
    assert not Derivative.objects.filter(variant__startswith="own-").exists()


def corrected(file: File, user: User) -> Transcript:
    written = transcript_of(file)
    first = written.segments.first()
    assert first is not None
    editing.edit(fresh(file), written, user, written.revision, [{"op": "remove", "id": first.pk}], "de")
    return transcript_of(file)


def test_a_run_with_replace_takes_the_corrections_it_was_asked_to(recording: File, alice: User) -> None:
    edited = corrected(recording, alice)
    assert (edited.language, edited.language_found, edited.text) == ("de", False, HELLO)
    asking.ask(whole(recording), 0, replace=True)
    run_queued()
    again = transcript_of(recording)
    assert (again.text, again.edited_at, again.language) == (f"{HELLO} {HELLO}", None, "en")
    assert not Derivative.objects.filter(variant__startswith="own-").exists()
    later = corrected(recording, alice)
    reprocess.reprocess_file(fresh(recording), "transcript")
    run_queued()
    assert transcript_of(recording).text == later.text, "only what was there when it was asked for may go"


def whole(file: File) -> File:
    """As the API loads it."""
    found: File = with_all(File.objects.filter(pk=file.pk), probe=True).get()
    return found


def test_corrections_that_are_dropped_give_way_to_what_was_heard(recording: File, alice: User) -> None:
    with pytest.raises(NotCorrectedError):
        editing.drop_corrections(
            fresh(recording), transcript_of(recording), transcript_of(recording).revision
        )
    edited = corrected(recording, alice)
    editing.drop_corrections(fresh(recording), edited, edited.revision)
    again = transcript_of(recording)
    assert (again.text, again.edited_at, again.language, again.model) == (
        *(f"{HELLO} {HELLO}", None, "en", "says-hello"),
    )
    assert again.revision > edited.revision
    assert TranscriptSegment.objects.filter(transcript=again).count() == 2
    assert not Derivative.objects.filter(variant__startswith="own-").exists()


def test_a_purge_takes_all_of_it_along(recording: File, alice: User) -> None:
    from media import trash

    corrected(recording, alice)
    library = recording.library
    trash.trash(library, [recording.pk])
    trash.purge(library, [recording.pk])
    assert not Transcript.objects.exists()
    assert not TranscriptSegment.objects.exists()


def test_what_is_lost_with_the_switch(recording: File, alice: User) -> None:
    counted = TranscriptDeriver().holdings(recording.library_id)
    assert counted == {"transcripts": 1, "corrected transcripts": 0}
    corrected(recording, alice)
    assert TranscriptDeriver().holdings(recording.library_id)["corrected transcripts"] == 1
