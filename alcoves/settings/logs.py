"""Who logs, how much and in which form."""

from typing import Any


def told(level: str, form: str) -> dict[str, Any]:
    """For `LOGGING`. `form` is line or json."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"()": "alcoves.logs.Lines", "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"},
            "json": {"()": "alcoves.logs.JsonLines"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "pyvips": {"level": "CRITICAL"},
            "axes": {"level": "WARNING"},
            # It tells every address, and those to which a mirror sends us may carry a signature.
            "httpx": {"level": "WARNING"},
            "celery": {"level": level},
            # The server sets itself up before Django does; its lines are lines like ours.
            "uvicorn": {"handlers": ["stderr"], "level": level, "propagate": False},
            "uvicorn.error": {"handlers": [], "level": level, "propagate": True},
        },
    }
