#!/usr/bin/env python
"""Django's command line for Alcoves."""

import os
import sys

from django.core.management import execute_from_command_line

from alcoves.env import BadVariableError
from alcoves.worker_environment import prepare


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alcoves.settings.embedded")
    try:
        if sys.argv[1:2] == ["worker"]:
            prepare()
        execute_from_command_line(sys.argv)
    except BadVariableError as error:
        sys.exit(f"Alcoves cannot start: {error}")


if __name__ == "__main__":
    main()
