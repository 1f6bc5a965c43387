"""Speech to text: the deriver `transcript`, and what people do with what it wrote.

segments    pure: what was heard, as segments with words; cutting and joining them
blocks      pure: a long sound in blocks, cut at quiet places; the seams between them
guards      pure: what a model invents is dropped
captions    pure: WebVTT and SubRip
tongues     pure: the languages that whisper knows
languages   which of them a track is in
listening   one track from its sound to segments
deriver     what the engine calls
outputs     the files of a transcript
recording   the rows of a result
asking      tracks, and transcripts that people ask for
drafts      pure: segments as people change them
editing     what people correct
"""
