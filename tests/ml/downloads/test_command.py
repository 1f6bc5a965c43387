"""manage.py models."""

import errno
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml import selection
from ml.downloads import part
from ml.models import Acceptance, Download
from ml.registry import places, table
from ml.registry.specs import ModelSpec
from tests.ml.downloads.mirror import PAGE, Mirror
from tests.ml.downloads.registries import CONTENT, DIGEST, LABELS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("installation")]


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("models", *arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        say(*arguments)
    return str(caught.value)


def model(pipeline: str, name: str = "small") -> ModelSpec:
    spec = table.find_model(pipeline, name)
    assert spec is not None
    return spec


def test_the_list(installation: Mirror) -> None:
    say("download", "sounds")
    text = say("list")
    lines = text.splitlines()
    assert any(line.startswith(" * small") and "here" in line for line in lines)
    assert any(line.startswith("   planned") and "on no mirror" in line for line in lines)
    assert "InsightFace-NC: NOT ACCEPTED." in text
    say("accept", "InsightFace-NC")
    assert "InsightFace-NC: accepted." in say("list")


def test_downloading_by_name_and_by_pipeline(installation: Mirror) -> None:
    text = say("download", "english", "sounds", "search/small")
    assert "english is here." in text
    assert "sounds.onnx: 1.5 of 1.5 MB" in text
    assert not places.missing(model("search"))
    assert set(Download.objects.values_list("state", flat=True)) == {"ready"}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["nonsense"], "There is no model nonsense"),
        (["small"], "Several models are named small"),
        (["planned"], "cannot be chosen"),
        (["faces"], "InsightFace"),
        ([], "InsightFace"),
    ],
)
def test_what_cannot_be_downloaded(names: list[str], sentence: str) -> None:
    assert sentence in refusal("download", *names)


def test_verify_finds_what_has_changed(installation: Mirror) -> None:
    say("download", "sounds", "search")
    assert "sounds.onnx: as it came" in say("verify")
    path = places.path_of(model("sounds"), model("sounds").file("model"))
    path.write_bytes(CONTENT[:-1] + b"x")
    assert "1 of 3" in refusal("verify")
    assert "as it came" in say("verify", "search")
    path.unlink()
    assert "1 of 2" in refusal("verify", "sounds")
    assert "labels.csv: as it came" in say("verify")


def test_verify_notes_what_nobody_knew(installation: Mirror) -> None:
    spec = model("sounds")
    labels = places.path_of(spec, spec.file("labels"))
    labels.parent.mkdir()
    labels.write_bytes(LABELS)
    assert "its digest is kept" in say("verify")
    assert "as it came" in say("verify")
    labels.write_bytes(LABELS + b"1,/m/1,More\n")
    assert "1 of 1" in refusal("verify")


def test_import_of_a_folder(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "mirrored").mkdir(parents=True)
    (disk / "mirrored" / "sounds.onnx").write_bytes(CONTENT)
    (disk / "labels.csv").write_bytes(LABELS)
    (disk / "holiday.jpg").write_bytes(b"not a model")
    (disk / ".hidden.onnx").write_bytes(b"no")
    text = say("import", str(disk))
    assert "sounds.onnx: taken" in text
    assert "holiday.jpg: no model of ours" in text
    assert "hidden" not in text
    assert "small is complete." in text
    assert not places.missing(model("sounds"))
    row = Download.objects.get(name="sounds.onnx")
    assert (row.state, row.sha256, row.bytes_done) == ("ready", DIGEST, len(CONTENT))


def test_import_of_one_file_of_a_model_on_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "planned.onnx").write_bytes(CONTENT)
    say("import", str(tmp_path / "planned.onnx"))
    say("choose", "objects", "planned")
    assert selection.chosen("objects").id == "planned"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("sounds.onnx", PAGE, "web page"),
        ("sounds.onnx", CONTENT[:-1], "SHA-256"),
        ("sounds.onnx", CONTENT[:1000], "1000 bytes"),
        ("detector.onnx", CONTENT, "InsightFace"),
        ("holiday.jpg", b"picture", "Nothing was taken"),
    ],
)
def test_what_is_not_imported(
    name: str, content: bytes, sentence: str, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refusal("import", str(tmp_path / name))
    assert not (settings.MODELS_PATH / name).exists()
    assert not Download.objects.filter(state="ready").exists()


def test_a_disk_that_breaks_is_told(tmp_path: Path, settings: Any) -> None:
    """Whoever reads the beginning of this one gets an input/output error from the kernel."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "sounds.onnx").symlink_to("/proc/self/mem")
    assert "sounds.onnx cannot be read: Input/output error" in refusal("import", str(disk))
    assert not (settings.MODELS_PATH / "sounds.onnx").exists()


def test_half_a_copy_is_thrown_away(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = part.Part.write

    def full(begun: part.Part, block: bytes) -> None:
        write(begun, block[:500_000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(part.Part, "write", full)
    (tmp_path / "sounds.onnx").write_bytes(CONTENT)
    assert "is full" in refusal("import", str(tmp_path / "sounds.onnx"))
    assert part.part_of(settings.MODELS_PATH / "sounds.onnx").stat().st_size == 0


def test_import_from_nowhere(tmp_path: Path) -> None:
    assert "There is nothing at" in refusal("import", str(tmp_path / "nowhere"))


def test_accepting_and_choosing() -> None:
    assert "non-commercial" in say("accept", "InsightFace-NC")
    assert Acceptance.objects.get().licence == "InsightFace-NC"
    assert "Open faces from now on, not here." in say("choose", "faces", "open")
    say("choose", "speech", "english", "--language", "en")
    assert selection.language() == "en"
    assert "language" in refusal("choose", "speech", "english", "--language", "fr")
    assert "cannot be chosen" in refusal("choose", "objects", "planned")


def test_a_model_that_does_not_know_the_chosen_language_is_not_chosen_without_another() -> None:
    """Else every recording of the installation would fail."""
    say("choose", "speech", "small", "--language", "de")
    assert "does not know the language 'de'" in refusal("choose", "speech", "english")
    assert selection.chosen("speech").id == "small"
    say("choose", "speech", "english", "--language", "auto")
    assert (selection.chosen("speech").id, selection.language()) == ("english", "auto")


def test_verify_knows_a_stump_without_a_digest(installation: Mirror) -> None:
    spec = model("faces")
    recogniser = places.path_of(spec, spec.file("recogniser"))
    recogniser.parent.mkdir()
    recogniser.write_bytes(CONTENT[:5000])
    assert "1 of 1" in refusal("verify")
    assert not Download.objects.exists()
