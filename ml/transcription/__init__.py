"""Speech to text: the deriver `transcript`, and what people do with what it wrote.

segments    pure: what was heard, as segments with words; cutting and joining them
blocks      pure: a long sound in blocks, cut at quiet places; the seams between them
guards      pure: what a model invents is dropped
captions    pure: WebVTT and SubRip
languages   which language a track is in
listening   one track from its sound to segments
deriver     what the engine calls
recording   the rows of a result
reading     which text stands for a track
editing     what people correct
"""
