"""Every check of the doctor, in the order in which they are shown."""

from typing import Final

from alcoves.alerts.rules import machine
from alcoves.doctor import places, running, servers, setup, tools
from alcoves.doctor.findings import POSTGRES, Check

REDIS: Final = "Redis"
BOTH: Final = (POSTGRES, REDIS)
PROGRAMS: Final = 10.0
"""Programs start slowly on a busy machine, and encoders in hardware are tried."""

CHECKS: Final[tuple[Check, ...]] = (
    Check(name="Versions", group="This machine", ask=tools.check_versions),
    Check(name="Libraries", group="This machine", ask=tools.check_libraries),
    Check(name="Open files", group="This machine", ask=places.check_limits),
    Check(name="Time zones", group="This machine", ask=places.check_zones),
    Check(name="ffmpeg", group="Programs", ask=tools.check_ffmpeg, seconds=PROGRAMS),
    Check(name="Encoder", group="Programs", ask=tools.check_encoder, seconds=3 * PROGRAMS, heavy=True),
    Check(name="ffprobe", group="Programs", ask=tools.check_ffprobe, heavy=True),
    Check(name="Packager", group="Programs", ask=tools.check_packager, heavy=True),
    Check(name="libvips", group="Programs", ask=tools.check_vips, seconds=PROGRAMS, heavy=True),
    Check(name="ImageMagick", group="Programs", ask=tools.check_magick, seconds=PROGRAMS, heavy=True),
    Check(name="Formats", group="Programs", ask=tools.check_formats, seconds=PROGRAMS, heavy=True),
    Check(name="Stores", group="Disks", ask=places.check_stores, seconds=PROGRAMS, heavy=True),
    Check(name="Folders", group="Disks", ask=places.check_folders, heavy=True),
    Check(name="Room", group="Disks", ask=places.check_room, seconds=3 * machine.DISK_SECONDS),
    Check(name="Secret files", group="Disks", ask=places.check_secrets_files),
    Check(name=POSTGRES, group="Servers", ask=servers.check_postgres, seconds=3.0),
    Check(name="Extensions", group="Servers", ask=servers.check_extensions, needs=(POSTGRES,)),
    Check(
        name="Settings of Postgres", group="Servers", ask=servers.check_postgres_settings, needs=(POSTGRES,)
    ),
    Check(name="Connections", group="Servers", ask=servers.check_connections, needs=(POSTGRES,)),
    Check(name="Migrations", group="Servers", ask=servers.check_migrations, needs=(POSTGRES,), seconds=5.0),
    Check(name="Clock", group="Servers", ask=servers.check_clock, needs=(POSTGRES,)),
    Check(name=REDIS, group="Servers", ask=servers.check_redis),
    Check(name="Settings of Redis", group="Servers", ask=servers.check_redis_settings, needs=(REDIS,)),
    Check(name="Queues", group="Work", ask=running.check_queues, needs=BOTH),
    Check(name="Workers", group="Work", ask=running.check_workers, needs=(POSTGRES,)),
    Check(name="Beat", group="Work", ask=running.check_beat, needs=(POSTGRES,)),
    Check(name="Ports", group="Work", ask=running.check_ports),
    Check(name="Models", group="Work", ask=running.check_models, needs=(POSTGRES,)),
    Check(name="Backup", group="Keeping", ask=running.check_backup, needs=(POSTGRES,)),
    Check(name="Looking for troubles", group="Keeping", ask=running.check_checks, needs=(POSTGRES,)),
    Check(name="Mail and webhook", group="Keeping", ask=running.check_mail, needs=(POSTGRES,)),
    Check(name="Secret", group="Access", ask=setup.check_secret),
    Check(name="Address", group="Access", ask=setup.check_address),
)


def light() -> list[Check]:
    """Those that only read."""
    return [check for check in CHECKS if not check.heavy]


def heavy() -> list[Check]:
    return [check for check in CHECKS if check.heavy]
