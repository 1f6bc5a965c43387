"""Models on their way to this machine. Derivers ask `ready`.

ready       the files of the chosen model, or its row waits
ordering    sends for a model, once
flow        fetches it in turn, tells how far, wakes who waits
following   fetches in a process of its own, where workers have no way out
tending     what is fetched ahead, and what fell
deciding    what operators decide
bringing    models from a disk
verifying   whether files are still what they were
fetching    one file over HTTP, resumable and checked. Pure, as are its steps: part, answers, onward, contents, room
"""

from ml.downloads.flow import Ready, files_of, ready

__all__ = ["Ready", "files_of", "ready"]
