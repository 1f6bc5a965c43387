"""Pure: the forms of a word under which a label may be known, and the words that say nothing by themselves.

Labels are English nouns in the singular (COCO) or short descriptions (AudioSet); people type `dogs` and `knives`.
"""

from typing import Final

IRREGULAR: Final = {
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "people": "person",
    "teeth": "tooth",
    "women": "woman",
}
SINGULARS: Final = {one: many for many, one in IRREGULAR.items()}

SMALL_WORDS: Final = (
    "a an and at by for from in of on or the to with "
    "am das dem den der des die ein eine einem einen einer im mit oder und vom von zum zur "
    "au aux avec dans des du en et la le les ou un une "
    "al con de del el las los por un una unas unos y"
)
SMALL: Final = frozenset(SMALL_WORDS.split())
"""Of English, German, French and Spanish. They are passed over where another word is asked for."""


def forms_of(words: str) -> list[str]:
    """Each as it is, and its last word in the other number: `wine glasses` is `wine glass` too."""
    *before, last = words.casefold().split() or [""]
    return sorted({" ".join([*before, form]) for form in forms_of_one(last)})


def forms_of_one(word: str) -> set[str]:
    forms = {word, *(table[word] for table in (IRREGULAR, SINGULARS) if word in table)}
    if len(word) < 3 or not word.isascii():
        return forms
    if not word.endswith("s"):
        # Few labels are plurals themselves: `skis`.
        return forms | {f"{word}s"}
    if word.endswith("ies"):
        forms.add(f"{word[:-3]}y")
    if word.endswith("ves"):
        forms |= {f"{word[:-3]}f", f"{word[:-3]}fe"}
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        forms.add(word[:-2])
    if not word.endswith("ss"):
        forms.add(word[:-1])
    return forms
