"""What the console draws and serves of a film or recording: its waveform, the map and the sheets of its sprites."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR
from media import audit, holding
from media.admin.pictures import BARS, HIGH
from media.models import Derivative, File, Library
from media.models.blob import FILES
from media.peaks import HEADER, MAGIC, SAMPLE_RATE, VERSION
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone
from tests.media.api.conftest import PICTURE, PNG, finish
from tests.staffing import client_of_role

BAR = re.compile(r"M([\d.]+) ([\d.]+)V([\d.]+)")
BINARY = "application/octet-stream"
VTT = b"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsprites-001.webp#xywh=0,0,160,90\n"


def compact(peaks: bytes) -> bytes:
    head = HEADER.pack(MAGIC, VERSION, HEADER.size, SAMPLE_RATE, 320, len(peaks), len(peaks) * 20)
    return head + peaks


def heights(answer: Any) -> list[float]:
    """Of the bars, as a share of the highest there may be; each lies around the middle and they stand in a row."""
    found = [tuple(map(float, bar)) for bar in BAR.findall(answer.content.decode())]
    assert [at for at, _, _ in found] == [number + 0.5 for number in range(len(found))]
    assert all(low + high == pytest.approx(HIGH) for _, low, high in found)
    return [(high - low) / HIGH for _, low, high in found]


@pytest.fixture
def file(library: Library) -> File:
    return take_in(library, PNG, "film.png").file


@pytest.fixture
def auditor(db: None) -> Client:
    return client_of_role(AUDITOR)


def wave_of(file: File, outputs: dict[str, bytes]) -> str:
    row = finish(file, "waveform", {name: (body, BINARY) for name, body in outputs.items()})
    return reverse("admin:media_derivative_waveform", args=(row.pk,))


def test_a_waveform_is_drawn_to_scale(auditor: Client, file: File) -> None:
    answer = auditor.get(wave_of(file, {"waveform.bin": compact(bytes([127, 64, 0, 200]))}))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    # Silence is a thin line; more than the loudest, which no file of ours has, is no more than all.
    assert heights(answer) == pytest.approx([1, 64 / 127, 0.5 / (HIGH / 2), 1], abs=0.005)


def test_a_long_recording_has_no_more_bars_than_fit_and_keeps_its_loudest(
    auditor: Client, file: File
) -> None:
    peaks = bytearray(3 * BARS)
    peaks[1] = peaks[-1] = 127
    (first, *between, last) = heights(auditor.get(wave_of(file, {"waveform.bin": compact(bytes(peaks))})))
    assert (first, last, len(between)) == (1, 1, BARS - 2)
    assert max(between) < 0.05


def test_the_coarsest_level_is_the_one_that_is_read(auditor: Client, file: File) -> None:
    address = wave_of(
        file, {"waveform.bin": compact(bytes(40)), "waveform-1.bin": compact(bytes([127] * 10))}
    )
    assert heights(auditor.get(address)) == [1] * 10


def test_a_real_tone_has_its_amplitude(auditor: Client, library: Library, tmp_path: Path) -> None:
    take_in(library, make_tone(tmp_path / "a.wav", seconds=2, amplitude=0.5), "a.wav")
    run_queued()
    row = Derivative.objects.get(deriver="waveform")
    drawn = heights(auditor.get(reverse("admin:media_derivative_waveform", args=(row.pk,))))
    assert len(drawn) == 100
    assert drawn == pytest.approx([0.5] * 100, abs=0.02)
    page = auditor.get(reverse("admin:media_original_change", args=(row.original_id,))).content.decode()
    assert f'src="/admin/media/derivative/{row.pk}/waveform.svg"' in page


@pytest.mark.parametrize(
    "damaged", [b"", b"ALW", b"ALWF", b"RIFF" + bytes(60), b"\xff" * 24], ids=lambda body: str(body[:4])
)
def test_what_is_no_waveform_is_not_there(damaged: bytes, auditor: Client, file: File) -> None:
    assert auditor.get(wave_of(file, {"waveform.bin": damaged})).status_code == 404


def test_an_empty_waveform_is_an_empty_picture(auditor: Client, file: File) -> None:
    assert heights(auditor.get(wave_of(file, {"waveform.bin": compact(b"")}))) == []


def test_a_waveform_whose_bytes_are_gone_is_not_there(auditor: Client, file: File) -> None:
    address = wave_of(file, {"waveform.bin": compact(bytes(5))})
    get_store(FILES).delete(Derivative.objects.get(deriver="waveform").outputs[0]["key"])
    assert auditor.get(address).status_code == 404


def test_no_other_derivative_has_a_waveform(auditor: Client, file: File) -> None:
    wave_of(file, {"waveform.bin": compact(bytes(5))})
    row = finish(file, "preview", {"waveform.bin": (compact(bytes(5)), BINARY)})
    assert auditor.get(reverse("admin:media_derivative_waveform", args=(row.pk,))).status_code == 404


def pictures_of(file: File) -> list[str]:
    sprites = finish(
        file, "sprites", {"sprites.vtt": (VTT, "text/vtt"), "sprites-001.webp": (PICTURE, "image/webp")}
    )
    hover = finish(file, "hover", {"hover.webp": (PICTURE, "image/webp")})
    return [
        wave_of(file, {"waveform.bin": compact(bytes(5))}),
        *(
            reverse("admin:media_derivative_picture", args=(row.pk, output["name"]))
            for row in (sprites, hover)
            for output in row.outputs
        ),
    ]


def test_sprites_and_moving_pictures_are_served_and_shown(auditor: Client, file: File) -> None:
    wave, *others = pictures_of(file)
    told = {address.rsplit("/", 1)[1]: auditor.get(address) for address in others}
    assert {name: answer.getvalue() for name, answer in told.items()} == {
        "sprites.vtt": VTT,
        "sprites-001.webp": PICTURE,
        "hover.webp": PICTURE,
    }
    assert told["sprites.vtt"]["Content-Type"].startswith("text/vtt")
    for model, pk in (("file", file.pk), ("original", file.original_id)):
        page = auditor.get(reverse(f"admin:media_{model}_change", args=(pk,))).content.decode()
        shown = [address for address in (wave, *others) if f'"{address}"' in page]
        assert len(shown) == 3, "the wave, the map and the moving one; the sheet is named by the map"


def test_a_picture_whose_bytes_are_gone_is_not_there(auditor: Client, file: File) -> None:
    _, *doors = pictures_of(file)
    for row in Derivative.objects.exclude(outputs=[]):
        for output in row.outputs:
            get_store(FILES).delete(output["key"])
    assert [auditor.get(door).status_code for door in doors] == [404] * 3


def test_what_is_large_or_no_picture_is_not_served(auditor: Client, file: File) -> None:
    preview = finish(
        file, "preview", {"thumb.webp": (PICTURE, "image/webp"), "full.webp": (PICTURE, "image/webp")}
    )
    proxy = finish(file, "proxy", {"proxy.mp4": (PICTURE, "video/mp4"), "sprites.vtt": (VTT, "text/vtt")})
    refused = [(preview, "full.webp"), (proxy, "proxy.mp4"), (proxy, "sprites.vtt"), (preview, "none.webp")]
    for row, name in refused:
        address = reverse("admin:media_derivative_picture", args=(row.pk, name))
        assert auditor.get(address).status_code == 404, name


def test_only_staff_who_may_look_see_them(file: File, alice: User, client: Client, auditor: Client) -> None:
    doors = pictures_of(file)
    assert {auditor.get(door).status_code for door in doors} == {200}
    assert {client.get(door).status_code for door in doors} == {302}
    client.force_login(alice)
    assert {client.get(door).status_code for door in doors} == {302}
    client.force_login(User.objects.create_user("clerk@example.org", is_staff=True))
    assert {client.get(door).status_code for door in doors} == {403}
    holding.hold([file.original_id], audit.SYSTEM, "a complaint")
    assert {auditor.get(door).status_code for door in doors} == {404}
