"""Runs `manage.py` in this process and kills it with -9 when a function is called for the nth time.

    python -m tests.alcoves.backup.dying MODULE FUNCTION N COMMAND ARGUMENT...

FUNCTION may be of a class: `Writing.send_one`. A generator dies at its nth piece.
"""

import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
from django.core.management import call_command


def main(module: str, path: str, number: str, *command: str) -> None:
    django.setup()
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, deadly(getattr(owner, name), int(number)))
    call_command(*command)


def deadly(inner: Callable[..., Any], number: int) -> Callable[..., Any]:
    calls = 0

    def die_in_time() -> None:
        nonlocal calls
        calls += 1
        if calls >= number:
            os.kill(os.getpid(), signal.SIGKILL)

    def generating(*args: Any, **values: Any) -> Any:
        for piece in inner(*args, **values):
            die_in_time()
            yield piece

    def calling(*args: Any, **values: Any) -> Any:
        die_in_time()
        return inner(*args, **values)

    return generating if inspect.isgeneratorfunction(inner) else calling


if __name__ == "__main__":
    main(*sys.argv[1:])
