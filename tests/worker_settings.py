"""Settings of a worker that a test starts: its servers and stores, and derivers that misbehave on purpose."""

import os

from alcoves.settings import base
from alcoves.settings.test import *
from tests.derivers import TABLE

# "1": all of ours; names: those alone, so that a test of one does not pay for films in five sizes; none: the table.
REAL = os.environ.get("ALCOVES_TEST_REAL_DERIVERS", "").split()
DERIVERS = {
    **(
        TABLE
        if not REAL
        else base.DERIVERS
        if REAL == ["1"]
        else {name: base.DERIVERS[name] for name in REAL}
    )
}
MODEL_REGISTRIES = [*base.MODEL_REGISTRIES, *os.environ.get("ALCOVES_TEST_REGISTRIES", "").split()]
DATABASES = base.databases(base.DATABASE_URL)
BLOB_STORES = (
    base.blob_stores("s3")
    if base.STORAGE_DRIVER == "s3"
    else {
        name: {
            "BACKEND": "storage.local.LocalStore",
            "OPTIONS": {"root": base.STORAGE_PATH / name, "secret": "test-store-secret"},
        }
        for name in base.STORE_NAMES
    }
)
