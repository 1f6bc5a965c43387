"""docs/video.md against the table of what browsers play."""

from media.transcoding.browsers import FAMILIES, PICTURES, SOUNDS
from tests.docs.reading import rows


def words(cell: str) -> set[str]:
    return {word.strip() for word in cell.split(",") if word.strip()}


def test_the_table_of_browsers_is_that_of_the_code() -> None:
    told = {
        row[0]: (words(row[1]), words(row[2]))
        for row in rows("video.md", "What browsers play")
        if len(row) == 3
    }
    assert told == {
        family: (
            {codec for container, codec in PICTURES if container == family},
            {codec for container, codec in SOUNDS if container == family},
        )
        for family in set(FAMILIES.values())
    }
