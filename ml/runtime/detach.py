"""The few lines between whoever starts the model host and the host: it becomes nobody's child.

Run as a script by `python -S -E -I` with a command as its arguments. A script, and not a fork in the host itself: that
would come after numpy has started its threads. It imports nothing of ours, as `media/tools/launch.py`.
"""

import os
import sys


def main(command: list[str]) -> None:
    # The starter waits for us alone, and is not left with a child that it would have to bury.
    if os.fork() == 0:
        os.execv(command[0], command)  # noqa: S606 - No shell is the point.


if __name__ == "__main__":
    main(sys.argv[1:])
