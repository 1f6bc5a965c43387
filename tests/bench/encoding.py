"""How much longer does a proxy take, with all we do around it, than the bare ffmpeg command?

A minute of film that must be encoded. Ours is a whole run: from the claim of the row to the named result, with the
reading back, the digest and the store. The bare command has the same settings and the same niceness, so that others
on the machine hold both up alike, and writes to a file.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from media.tools import ffmpeg
from media.transcoding import recipe, sound
from media.transcoding.ceilings import Ceilings
from tests.bench import films
from tests.bench.films import Film, Spent
from tests.bench.measuring import Result

MOST_TIMES = 1.05


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 60
    width: int = 1280
    height: int = 720
    rounds: int = 5


QUICK = Size(rounds=3)


def run(size: Size, folder: Path) -> list[Result]:
    film = films.film(folder, size.seconds, (size.width, size.height))
    ours: list[Spent] = []
    theirs: list[Spent] = []
    works = [(theirs, partial(bare, film, folder / "bare.mp4")), (ours, film.encode)]
    with films.chunks_of(0):
        for number in range(size.rounds):
            for figures, work in films.in_turn(number, works):
                figures.append(films.spent_on(work))
    assert film.row.made_by["encoder"] == "libx264", film.row.made_by
    ratio, figures_of_both = films.compared(ours, theirs)
    raw = {
        "film": film.told,
        **figures_of_both,
        "bytes_of_bare_and_ours": [(folder / "bare.mp4").stat().st_size, film.row.facts["size"]],
    }
    return [Result("proxy", ratio, MOST_TIMES, higher_is_better=False, raw=raw)]


def bare(film: Film, out: Path) -> None:
    plan = recipe.of_film(film.facts, Ceilings.from_environment(), zscale=ffmpeg.capabilities().zscale)
    picture, *sounds = (f"0:{one['index']}" for one in (film.facts["video"], *plan.tracks))
    made = ["-map", picture, *(word for track in sounds for word in ("-map", track)), "-vf", plan.filters]
    made += ["-filter:a", sound.IN_TIME, *plan.encoder, *plan.sound]
    opened = ffmpeg.input_arguments(film.source, "mov")
    ffmpeg.run([*plan.input, *opened, *made, *plan.container, out], timeout=3600, nice=recipe.NICE)
