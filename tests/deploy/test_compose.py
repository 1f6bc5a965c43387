"""compose.yaml and the Dockerfile: right by the official schema, complete, and closed."""

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from alcoves.queues import QUEUES
from tests.docs.reading import PROJECT, bare, rows, variables_in_code

COMPOSE = (PROJECT / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
MEDIA_WORKERS = {"worker-interactive", "worker-standard", "worker-heavy"}
"""Those that handle bytes of strangers."""
WORKERS = {*MEDIA_WORKERS, "worker-maintenance"}
APP_ROLES = {"migrate", "web", *WORKERS, "models", "beat", "flower"}
REFERENCE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(:?[-?+][^}]*)?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE)
    return loaded


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    given = service.get("environment", {})
    return dict(given) if isinstance(given, dict) else dict(pair.split("=", 1) for pair in given)


def test_it_follows_the_official_schema(compose: dict[str, Any]) -> None:
    """The schema is the one of the Compose specification (Apache-2.0), as check-jsonschema carries it."""
    text = (
        files("check_jsonschema")
        .joinpath("builtin_schemas/vendor/compose-spec.json")
        .read_text(encoding="utf-8")
    )
    schema = json.loads(text)
    jsonschema.validators.validator_for(schema).check_schema(schema)
    jsonschema.validate(compose, schema)


def test_the_schema_finds_mistakes(compose: dict[str, Any]) -> None:
    schema = json.loads(
        files("check_jsonschema")
        .joinpath("builtin_schemas/vendor/compose-spec.json")
        .read_text(encoding="utf-8")
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**compose, "services": {"web": {"imagge": "alcoves"}}}, schema)


def test_every_part_is_there(compose: dict[str, Any]) -> None:
    assert APP_ROLES | {"postgres", "valkey", "nginx", "minio"} <= set(compose["services"])
    assert "pgvector" in compose["services"]["postgres"]["image"]


def test_every_lane_has_a_worker(compose: dict[str, Any]) -> None:
    lanes = {queue.lane for queue in QUEUES}
    commands = {tuple(service["command"]) for service in compose["services"].values() if "command" in service}
    assert {("worker", lane) for lane in lanes} == {command for command in commands if command[0] == "worker"}


def test_one_image_for_all_roles(compose: dict[str, Any]) -> None:
    images = {compose["services"][name]["image"] for name in APP_ROLES}
    assert len(images) == 1


def test_images_are_named_with_their_version(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        tag = image.rpartition(":")[2]
        assert tag != image, f"{image} names no version"
        assert tag != "latest"


def test_only_nginx_is_reached_from_outside_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert set(published) == {"nginx"}
    assert all(port.startswith("127.0.0.1:") for port in published["nginx"])
    assert compose["networks"]["inside"]["internal"] is True
    assert compose["services"]["flower"]["network_mode"] == "service:web"


def networks_of(compose: dict[str, Any], name: str) -> set[str]:
    return set(compose["services"][name].get("networks", ()))


def has_a_way_out(compose: dict[str, Any], name: str) -> bool:
    return any(not (compose["networks"][one] or {}).get("internal") for one in networks_of(compose, name))


def test_who_handles_bytes_of_strangers_has_no_way_out(compose: dict[str, Any]) -> None:
    """Not even the web part's network; what they say of models is fetched by another."""
    for name in MEDIA_WORKERS | {"beat", "migrate", "postgres", "valkey", "minio"}:
        assert networks_of(compose, name) == {"inside"}, name
    assert {name for name in compose["services"] if has_a_way_out(compose, name)} == {
        *("web", "nginx", "models", "worker-maintenance")
    }
    for name in WORKERS:
        assert environment_of(compose["services"][name])["ALCOVES_MODEL_FETCHER"] == "follower"
        assert "models:/models" in compose["services"][name]["volumes"]


def test_letters_and_backups_can_leave(compose: dict[str, Any]) -> None:
    """By the one worker that takes maintenance, which makes no pictures; it is told to all parts that it is so."""
    upkeep = compose["services"]["worker-maintenance"]
    assert upkeep["command"] == ["worker", "maintenance"]
    assert networks_of(compose, "worker-maintenance") == {"inside", "outside"}
    assert {"store:/store", "backups:/backups"} <= set(upkeep["volumes"])
    for name in APP_ROLES:
        assert environment_of(compose["services"][name])["ALCOVES_UPKEEP_APART"] == "true", name
    # A backup and a look at once leave a slot for letters; one of all is left free.
    assert int(environment_of(upkeep)["ALCOVES_MAINTENANCE_SLOTS"]) >= 4


PASSED_ON = (
    *("ALCOVES_MAIL_", "ALCOVES_ALERT_", "ALCOVES_BACKUP_S3_", "ALCOVES_BACKUP_TARGETS", "OTEL_"),
    *("ALCOVES_BACKUP_PASSPHRASE", "ALCOVES_TRUST_REQUEST_IDS"),
)
BOTH = frozenset({"ALCOVES_ALERT_MAIL_TO", "ALCOVES_ALERT_WEBHOOK_URL"})
"""Who is told: also on the page Settings."""


def of_operators() -> dict[str, tuple[str, str]]:
    """What only the environment says of mail, alerts, backups, traces and ids of requests: type and default."""
    described = [row for name in ("Server", "Alerts", "Backups") for row in rows("configuration.md", name)]
    return {
        bare(name): (kind, bare(default))
        for name, kind, default, meaning, *_ in described
        if bare(name).startswith(PASSED_ON) and ("*live*" not in meaning or bare(name) in BOTH)
    }


def test_what_only_the_environment_says_reaches_every_part(compose: dict[str, Any]) -> None:
    """A variable that compose does not pass on can be set by nobody; secrets come by files."""
    wanted = {f"{name}_FILE" if kind == "secret" else name for name, (kind, _) in of_operators().items()}
    assert {"ALCOVES_MAIL_HOST", "ALCOVES_MAIL_PASSWORD_FILE", "ALCOVES_BACKUP_PASSPHRASE_FILE"} <= wanted
    for name in APP_ROLES:
        assert wanted - environment_of(compose["services"][name]).keys() == set(), name


def test_what_compose_passes_on_stands_in_the_example() -> None:
    example = (PROJECT / "deploy/example.env").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE))
    assert named <= {variable for variable, _ in REFERENCE.findall(COMPOSE)}
    assert {name for name, (kind, _) in of_operators().items() if kind != "secret"} <= named


def test_what_is_not_given_is_as_if_unset() -> None:
    """An empty value, or the default of the code."""
    ours = of_operators()
    for variable, default in REFERENCE.findall(COMPOSE):
        if variable in ours:
            assert default.removeprefix(":-") in {"", ours[variable][1]}, variable


def test_workers_keep_their_names(compose: dict[str, Any]) -> None:
    """Of a container that is made anew: a drain is of a name."""
    assert {compose["services"][name].get("hostname") for name in WORKERS} == WORKERS


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in environment_of(service).items():
            if re.search(
                r"SECRET|PASSWORD|PASSPHRASE|TOKEN|ACCESS_KEY|DATABASE_URL|WEBHOOK_URL|ROOT_USER", variable
            ):
                assert variable.endswith("_FILE"), f"{name}: {variable} must come from a file"
                assert str(value).startswith("/run/secrets/")
    for variable, default in REFERENCE.findall(COMPOSE):
        if re.search(r"SECRET|PASSWORD|PASSPHRASE|TOKEN|ACCESS_KEY|WEBHOOK_URL", variable):
            assert default.startswith(":?"), f"{variable} must have no default"
    assert not re.search(r"://[^/\s:]+:[^/\s@]+@", COMPOSE + DOCKERFILE)


def test_it_refuses_to_start_without_what_only_the_operator_knows() -> None:
    asked = dict(REFERENCE.findall(COMPOSE))
    for variable in ("ALCOVES_SECRETS", "ALCOVES_PUBLIC_URL", "ALCOVES_ALLOWED_HOSTS"):
        assert re.fullmatch(r":\?\S.{20,}", asked[variable]), f"{variable} needs a sentence"


def test_every_secret_has_a_file_that_make_secrets_makes(compose: dict[str, Any]) -> None:
    script = (PROJECT / "deploy/make-secrets").read_text(encoding="utf-8")
    made = set(re.findall(r"^(?:keep|leave) (\w+)", script, re.MULTILINE))
    assert set(compose["secrets"]) == made
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == made


def test_the_app_runs_closed(compose: dict[str, Any]) -> None:
    for name in APP_ROLES:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
    assert re.search(r"^USER alcoves$", DOCKERFILE, re.MULTILINE)


def test_what_runs_on_is_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if service.get("restart") != "no":
            assert "healthcheck" in service, f"{name} has no healthcheck"
    for name in APP_ROLES - {"migrate"}:
        assert "stop_grace_period" in compose["services"][name]


def test_every_variable_is_one_that_somebody_reads(compose: dict[str, Any]) -> None:
    ours = variables_in_code()
    for_containers = {bare(row[0]) for row in rows("configuration.md", "Only for containers")}
    used = {name for service in compose["services"].values() for name in environment_of(service)}
    used |= {variable for variable, _ in REFERENCE.findall(COMPOSE)}
    used |= set(re.findall(r"\b((?:ALCOVES|PYTHON)\w*|DJANGO_SETTINGS_MODULE)=", DOCKERFILE))
    unknown = {name for name in used if name not in for_containers and name.removesuffix("_FILE") not in ours}
    assert not unknown


def inside(name: str, names: set[str]) -> bool:
    """Whether it comes along with another name already, and is only put in a second place."""
    return any(name.startswith(f"{other}/") for other in names)


def test_the_image_takes_code_and_nothing_else() -> None:
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    names = {name for words in copied for name in words if not name.startswith("--")} - {
        "/opt/venv",
        "/opt/postgres",
    }
    allowed = {
        line[1:]
        for line in (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line[0] == "!"
    }
    assert {name for name in names if not inside(name, names)} == allowed
    for name in names:
        root = PROJECT / name
        for path in root.rglob("*") if root.is_dir() else ():
            assert path.suffix not in {
                ".onnx",
                ".bin",
                ".gguf",
                ".pt",
                ".mp4",
                ".mov",
                ".jpg",
                ".heic",
                ".wav",
                ".mp3",
            }


def test_the_lock_is_installed_with_its_hashes() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(
        r"amd64|x86_64|arm64|aarch64|--platform", re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE)
    )


def test_the_entrypoint_knows_every_role(compose: dict[str, Any]) -> None:
    script = (PROJECT / "deploy/entrypoint").read_text(encoding="utf-8")
    known = set(re.findall(r"^(\w+)\)", script, re.MULTILINE))
    assert {compose["services"][name]["command"][0] for name in APP_ROLES} == known
