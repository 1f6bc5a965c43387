"""Whose word on a client's address the web server takes: nobody's, unless we stand behind a proxy.

uvicorn by itself believes X-Forwarded-For from 127.0.0.1, and so any program on this machine. `script/up` and the
entrypoint of the image both ask here.
"""

import sys

from alcoves import env


def uvicorn_flags() -> list[str]:
    if not env.boolean("ALCOVES_BEHIND_PROXY", default=False):
        return ["--no-proxy-headers"]
    trusted = env.words("ALCOVES_TRUSTED_PROXIES", ["127.0.0.1"])
    return ["--proxy-headers", f"--forwarded-allow-ips={','.join(trusted)}"]


def main() -> None:
    try:
        print(*uvicorn_flags())
    except env.BadVariableError as error:
        sys.exit(f"Alcoves cannot start: {error}")


if __name__ == "__main__":
    main()
