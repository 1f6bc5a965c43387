"""Text as numbers: those of CLIP exactly, those of SigLIP 2 by a vocabulary with the same marks as Gemma's."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ml.errors import ModelError
from ml.search import clip_text, gemma_text
from ml.search.clip_text import ClipTokenizer
from ml.search.gemma_text import GemmaTokenizer
from tests.ml.graphs import search as tiny

START, END = 49406, 49407


@pytest.fixture
def clip(shared_models: Path) -> ClipTokenizer:
    return ClipTokenizer(shared_models / "clip_bpe_simple_vocab_16e6.txt.gz")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a photo of a dog", [320, 1125, 539, 320, 1929]),
        ("  A  PHOTO of a\ndog ", [320, 1125, 539, 320, 1929]),
        ("a photo of a dog &amp;amp; a cat", [320, 1125, 539, 320, 1929, 261, 320, 2368]),
        ("", []),
    ],
)
def test_clip_numbers_are_those_of_the_authors(clip: ClipTokenizer, text: str, numbers: list[int]) -> None:
    assert clip.encode(text) == [START, *numbers, END]


@pytest.mark.shared
def test_clip_has_the_vocabulary_of_the_authors(clip: ClipTokenizer) -> None:
    assert len(clip.numbers) == 49408
    assert (clip.numbers["<|startoftext|>"], clip.numbers["<|endoftext|>"]) == (START, END)
    assert clip.encode("<|endoftext|>") == [START, END, END]


@pytest.mark.shared
def test_clip_fills_up_and_cuts(clip: ClipTokenizer) -> None:
    rows = clip.batch(["a dog", "dog " * 200])
    assert rows.shape == (2, 77)
    assert rows.dtype == np.int32
    assert rows[0, :4].tolist() == [START, 320, 1929, END]
    assert not rows[0, 4:].any()
    assert rows[1, 0] == START
    assert rows[1, -1] == END


@pytest.mark.shared
@pytest.mark.parametrize(
    "text",
    ["日本語の写真", "Größe 12½ m²", "naïve café", "🐕 on 🏖️", "it's we'll DON'T", "\0 \x07", "a" * 500],
)
def test_clip_reads_any_text(clip: ClipTokenizer, text: str) -> None:
    """Every byte has a letter, so nothing is lost: the parts of the words give the text back."""
    words = {number: word for word, number in clip.numbers.items()}
    bytes_of = {letter: byte for byte, letter in clip_text.LETTERS.items()}
    joined = "".join(words[number] for number in clip.encode(text)[1:-1]).replace("</w>", "")
    assert bytes(bytes_of[letter] for letter in joined).decode() == "".join(clip_text.clean(text).split())


def test_words_are_cut_as_the_pattern_of_clip_does() -> None:
    assert list(clip_text.split("it's 42 dogs, we'll")) == ["it", "'s", "4", "2", "dogs", ",", "we", "'ll"]
    assert list(clip_text.split("größe x½² !?_")) == ["größe", "x", "½", "²", "!?_"]
    assert list(clip_text.split("a<|endoftext|>b")) == ["a", "<|endoftext|>", "b"]


def test_a_made_up_vocabulary_is_read(tmp_path: Path) -> None:
    tokenizer = ClipTokenizer(tiny.write_vocabulary(tmp_path))
    assert tokenizer.encode("red blue") == [START, tiny.NUMBERS["red"], tiny.NUMBERS["blue"], END]


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"#head\na b\n", mtime=0), gzip.compress(b"#\nabc\n" * 50_000, mtime=0)],
)
def test_what_is_no_vocabulary_of_clip_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vocabulary.gz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not the vocabulary of CLIP"):
        ClipTokenizer(path)


@pytest.fixture
def gemma(tmp_path: Path) -> GemmaTokenizer:
    return GemmaTokenizer(tiny.train_pieces(tmp_path))


def test_siglip_has_an_end_and_filling_and_no_start(gemma: GemmaTokenizer) -> None:
    rows = gemma.batch(["A Photo  of a DOG", "dog " * 200])
    assert rows.shape == (2, 64)
    assert gemma.encode("A Photo  of a DOG") == gemma.encode("a photo of a dog")
    length = len(gemma.encode("a photo of a dog"))
    assert rows[0, length - 1] == 1
    assert set(rows[0, length:].tolist()) == {0}
    assert 2 not in rows[0]
    assert rows[1, -1] == 1


def test_siglip_reads_any_text(gemma: GemmaTokenizer) -> None:
    """What has no piece is told byte by byte."""
    for text in ("日本語", "🐕", "größe", "\0\x07"):
        assert 3 not in gemma.encode(text)
    assert gemma.encode("") == [1]


def test_what_is_no_model_of_pieces_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="no vocabulary of SentencePiece"):
        GemmaTokenizer(path)
    assert gemma_text.clean(" A\tB ") == "a b"
