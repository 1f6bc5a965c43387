"""The names of sounds, as the table of a model has them.

    index,mid,display_name
    0,/m/09x0r,"Speech"

Source: class_labels_indices.csv of AudioSet (Gemmeke et al. 2017, https://research.google.com/audioset/).
"""

import csv
from pathlib import Path
from typing import Final

from ml.errors import ModelError
from ml.runtime.client import missing

INDEX, NAME = "index", "display_name"
LONGEST: Final = 128
"""Characters of a name that are kept."""
MOST_BYTES: Final = 4 * 1024 * 1024


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in the order of the model's outputs. ModelError for a table that has gaps, or is none.

    ModelMissingError where it has gone from the machine since it was asked for.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = list(csv.DictReader(source.read(MOST_BYTES).splitlines()))
        names = {int(row[INDEX]): (row[NAME] or "").strip() for row in rows}
    except FileNotFoundError as error:
        raise missing(path) from error
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise refusal(path, "it cannot be read") from error
    if not names or sorted(names) != list(range(len(rows))) or not all(names.values()):
        raise refusal(path, "its numbers have gaps, or names are empty")
    return tuple(names[index][:LONGEST] for index in range(len(names)))


def refusal(path: Path, why: str) -> ModelError:
    return ModelError(
        f"The table of sounds {path.name} is not one of AudioSet: {why}. Fetch it again.", detail=str(path)
    )
