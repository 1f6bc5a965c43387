"""A model of speech in whisper.cpp. Only the host imports this.

The binding is used below its class `Model`, which hides the tokens, the language that was found, and whether loading
has failed. whisper.cpp tells the last two in its log alone, which is taken off the terminal anyway.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import _pywhispercpp as cpp
import numpy as np
from numpy.typing import NDArray

from ml.runtime import ggml, pauses
from ml.runtime.failing import FailedError, UnusableError
from ml.runtime.pauses import Timeline
from ml.runtime.silero import Detector
from ml.runtime.words import Token, words_of

Samples: TypeAlias = NDArray[np.float32]
Json: TypeAlias = dict[str, Any]

HUNDREDTHS: Final = 100.0
"""whisper.cpp counts time in hundredths of a second."""
ERROR: Final = 4
"""GGML_LOG_LEVEL_ERROR."""
ENGLISH: Final = "en"
AUTO: Final = "auto"
NO_SPEECH: Final = 0.6
LOG_PROBABILITY: Final = -1.0
"""whisper's `no_speech_threshold` and `logprob_threshold`: what is a guess, and probably no speech, whisper.cpp drops.
Only models of one language: where more than one token asks for the text, 1.8 looks where nothing was worked out. What
it leaves there, the rule `probability` of `ml.transcription.guards` drops, which asks for the second figure alone."""
DETECTED: Final = re.compile(r"auto-detected language: (\w+) \(p = ([\d.]+)\)")


class Log:
    """What whisper.cpp says, line by line, to whoever listens in the thread that made it say so. Nobody: dropped."""

    def __init__(self) -> None:
        self.own = threading.local()

    def take(self, level: int, text: str) -> None:
        """Called from C: nothing may be raised here."""
        heard: list[tuple[int, str]] | None = getattr(self.own, "heard", None)
        if heard is not None:
            heard.append((level, text))

    @contextmanager
    def heard(self) -> Iterator[list[tuple[int, str]]]:
        heard: list[tuple[int, str]] = []
        self.own.heard = heard
        try:
            yield heard
        finally:
            self.own.heard = None


log = Log()
cpp.whisper_log_set(log.take)


def checked(heard: list[tuple[int, str]]) -> None:
    """A file that cannot be used gives an empty handle, which ends the process at its first use. The log tells it."""
    errors = [text.strip() for level, text in heard if level == ERROR]
    if errors:
        raise UnusableError("; ".join(errors))


class Voice:
    """A model of speech. One run at a time: it has one state."""

    def __init__(self, path: Path, threads: int) -> None:
        self.threads = threads
        self.guard = threading.Lock()
        ggml.check_speech(path)
        with log.heard() as heard:
            self.context = cpp.whisper_init_from_file_with_params(
                os.fspath(path), cpp.whisper_context_default_params()
            )
        checked(heard)
        self.multilingual = bool(cpp.whisper_is_multilingual(self.context))
        self.end_of_text = int(cpp.whisper_token_eot(self.context))

    def __del__(self) -> None:
        # Without a context the constructor has failed.
        if getattr(self, "multilingual", None) is not None:
            cpp.whisper_free(self.context)

    def transcribe(
        self,
        samples: Samples,
        timeline: Timeline,
        language: str,
        tell: Callable[[float], None],
        gone: Callable[[], bool],
    ) -> Json:
        """Mono, 16 kHz. `language` is ISO 639-1 or 'auto'; a model of one language is never asked for another."""
        if language not in {"", AUTO} and cpp.whisper_lang_id(language) < 0:
            raise UnusableError(f"It does not know the language {language!r}.")
        with self.guard, log.heard() as heard:
            code = cpp.whisper_full(
                self.context, self.parameters(language, tell, gone), samples, len(samples)
            )
            if gone():
                raise FailedError("abandoned")
            if code != 0:
                raise FailedError(f"whisper_full answered {code}: " + "".join(text for _, text in heard[-3:]))
            found, probability = self.language_of(heard)
            return {
                "language": found,
                "probability": probability,
                "segments": [
                    self.segment(number, timeline, found)
                    for number in range(cpp.whisper_full_n_segments(self.context))
                ],
            }

    def parameters(self, language: str, tell: Callable[[float], None], gone: Callable[[], bool]) -> Any:
        """Nothing of the text before is given to what comes after: what was misheard once would be repeated."""
        chosen = cpp.whisper_full_default_params(cpp.whisper_sampling_strategy.WHISPER_SAMPLING_GREEDY)
        chosen.n_threads = self.threads
        chosen.language = (language or AUTO) if self.multilingual else ENGLISH
        chosen.no_context = True
        chosen.n_max_text_ctx = 0
        chosen.token_timestamps = True
        chosen.no_speech_thold = NO_SPEECH
        chosen.logprob_thold = LOG_PROBABILITY
        chosen.print_realtime = chosen.print_timestamps = chosen.print_special = False
        # Without this the callback is not called; with it nothing is printed.
        chosen.print_progress = True
        cpp.assign_progress_callback(chosen, lambda percent: tell(float(percent)))
        cpp.assign_abort_callback(chosen, gone)
        return chosen

    def language_of(self, heard: list[tuple[int, str]]) -> tuple[str, float | None]:
        """And how sure it is, where it had to find out."""
        for _, text in heard:
            if told := DETECTED.search(text):
                return told[1], float(told[2])
        number = cpp.whisper_full_lang_id(self.context)
        return (cpp.whisper_lang_str(number) if number >= 0 else ENGLISH), None

    def segment(self, number: int, timeline: Timeline, language: str) -> Json:
        start = timeline.original(cpp.whisper_full_get_segment_t0(self.context, number) / HUNDREDTHS)
        end = timeline.original(cpp.whisper_full_get_segment_t1(self.context, number) / HUNDREDTHS, ends=True)
        text = cpp.whisper_full_get_segment_text(self.context, number).decode(errors="replace").strip()
        words = [
            [
                round(timeline.original(word.start), 2),
                round(max(timeline.original(word.start), timeline.original(word.end, ends=True)), 2),
                word.text,
                word.probability,
            ]
            for word in words_of(self.tokens(number), language)
        ]
        return {"start": round(start, 2), "end": round(max(start, end), 2), "text": text, "words": words}

    def tokens(self, segment: int) -> Iterator[Token]:
        """Those of the text; above its end are times and marks."""
        for number in range(cpp.whisper_full_n_tokens(self.context, segment)):
            found = cpp.whisper_full_get_token_data(self.context, segment, number)
            token = cpp.whisper_full_get_token_id(self.context, segment, number)
            if token < self.end_of_text:
                data = cpp.whisper_token_to_bytes(self.context, token)
                yield Token(data, found.t0 / HUNDREDTHS, found.t1 / HUNDREDTHS, found.p)


def spoken(samples: Samples, detector: Detector | None) -> tuple[Samples, Timeline]:
    """What is worth transcribing. Without a detector everything."""
    if detector is None:
        return samples, pauses.whole(samples)
    return pauses.without_pauses(samples, detector.spans(samples))
