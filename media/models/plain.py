"""What a search for words reads of a row, and its index. `alcoves_plain` is made by the migration `plain_words`."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import F, Func, TextField


def plain(text: str | Func) -> Func:
    """Capitals without accents, one blank for whatever stands between words; of a column or of several."""
    return Func(
        F(text) if isinstance(text, str) else text, function="alcoves_plain", output_field=TextField()
    )


def words_of(*texts: str | Func, **options: Any) -> GinIndex:
    """Parts and beginnings of words by trigrams. Rows come seldom enough to index each at once (`fastupdate`): a list
    of pending ones would make searches slower."""
    return GinIndex(
        *(OpClass(plain(text), name="gin_trgm_ops") for text in texts), fastupdate=False, **options
    )
