from ml.runtime.words import Token, words_of


def tokens(*texts: str | bytes, probability: float = 0.5) -> list[Token]:
    return [
        Token(text.encode() if isinstance(text, str) else text, number, number + 0.8, probability)
        for number, text in enumerate(texts)
    ]


def texts(language: str, *pieces: str | bytes) -> list[str]:
    return [word.text for word in words_of(tokens(*pieces), language)]


def test_a_space_begins_a_word_and_punctuation_ends_one() -> None:
    assert texts("en", " And", " so", ",", " my", " fell", "ow", " Amer", "icans", ".") == [
        "And",
        "so,",
        "my",
        "fellow",
        "Americans.",
    ]


def test_a_first_token_without_a_space_is_a_word() -> None:
    assert texts("en", "Ask", " not") == ["Ask", "not"]


def test_times_and_probability_are_of_all_its_tokens() -> None:
    made = [Token(b" fell", 1.0, 1.4, 0.5), Token(b"ow", 1.4, 1.9, 0.98)]
    (word,) = words_of(made, "en")
    assert (word.start, word.end, word.probability) == (1.0, 1.9, 0.7)


def test_letters_that_lie_in_several_tokens_are_put_together() -> None:
    whole = " Grüße".encode()
    cut = whole.index(b"\xc3") + 1
    assert texts("de", whole[:cut], whole[cut:]) == ["Grüße"]


def test_languages_without_spaces() -> None:
    data = "日".encode()
    assert texts("ja", "今", data[:2], data[2:], "は", "。") == ["今", "日", "は。"]
    assert texts("zh", "ask", " not") == ["ask", "not"]


def test_nothing_but_spaces_is_no_word() -> None:
    assert texts("en", " ", "") == []
    assert texts("en") == []


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert texts("en", b" \xff\xfe", b" a") == ["\N{REPLACEMENT CHARACTER}" * 2, "a"]


def test_a_probability_of_nothing_is_nearly_nothing() -> None:
    (word,) = words_of(tokens(" a", probability=0.0), "en")
    assert word.probability == 0.0


def test_an_end_before_its_beginning_is_its_beginning() -> None:
    (word,) = words_of([Token(b" a", 2.0, 1.5, 1.0)], "en")
    assert (word.start, word.end) == (2.0, 2.0)
