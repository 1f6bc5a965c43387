"""Models on their way to this machine. Derivers ask `ready`.

ready       the files of the chosen model, or its row waits
ordering    sends for a model, once
flow        fetches it in turn, tells how far, wakes who waits
fetching    one file over HTTP, resumable and checked. Pure
"""

from ml.downloads.flow import Ready, ready

__all__ = ["Ready", "ready"]
