// How each figure is drawn: one function of its data for each name. A panel without one shows its data as text.

import { asTable, badge, bytes, element, hour, link, meter, notes, number, place, span, table, tile, when } from "./building.js";
import { bytesTip, chart, color, forget, inBytes, statusColor } from "./charts.js";
import { throughput, failures, statuses, types, uploads } from "./work.js";
import { backups, machine, models } from "./keeping.js";

export const forgetCharts = forget;

export function draw(name, body, data, page) {
  forget(body);
  const parts = (DRAWN[name] || plain)(data, page).flat(Infinity).filter(Boolean);
  body.replaceChildren(...parts);
  parts.forEach((part) => part.later?.());
}

const plain = (data) => [element("pre", {}, JSON.stringify(data, null, 2))];

function warnings({ warnings: found }) {
  if (!found.length) return [element("p", { class: "dash-good", role: "status" }, "Nothing is wrong.")];
  const line = (one) => element("li", { class: `dash-${one.severity}`, "data-key": one.key },
    element("strong", {}, one.severity === "critical" ? "Critical" : "Warning"), element("span", {}, one.sentence),
    one.link ? element("a", { href: one.link }, "Go there") : null);
  return [element("ul", { class: "dash-warnings", "aria-live": "polite" }, found.map(line))];
}

function overview({ files, folders, originals, bytes: sizes, libraries, users, jobs, accepted, workers }) {
  return [element("div", { class: "dash-tiles" },
    tile(number(files.live), "files", false, place("files", { place: "live" })),
    tile(number(files.trashed), "in the trash", false, place("files", { place: "trash" })),
    tile(number(files.held), "set aside", files.held > 0, place("originals", { held: "yes" })),
    tile(number(folders), "folders", false, place("folders")),
    tile(number(originals), "originals", false, place("originals")),
    tile(bytes(sizes.originals), "of originals"), tile(bytes(sizes.derivatives), "made from them"),
    tile(bytes(sizes.imageCache), "image cache", false, place("cachedImages")),
    tile(number(libraries), "libraries", false, place("libraries")), tile(number(users), "people", false, place("users")),
    tile(number(jobs.queued), "jobs wait", false, place("queues")), tile(number(jobs.processing), "jobs run", false, place("workers")),
    tile(number(jobs.failed - accepted), accepted ? `jobs failed, ${number(accepted)} more accepted` : "jobs failed", jobs.failed > accepted, place("failures")),
    tile(number(workers), "workers alive", workers === 0, place("workers")))];
}

function paused(pause) {
  if (!pause) return "";
  const title = `${pause.what === "all" ? "everything" : pause.what} paused by ${pause.by || "somebody"}${pause.reason ? `: ${pause.reason}` : ""}`;
  return element("span", { class: "dash-badge dash-warning", title }, "paused",
    element("span", { class: "sr-only" }, `: ${title}`));
}

function queues({ queues: found, lanes, notes: told }) {
  const counts = [
    { title: "Wait", number: true, of: (one) => number(one.waiting) }, { title: "Run", number: true, of: (one) => number(one.running) },
    { title: "Messages", number: true, of: (one) => number(one.messages) },
    { title: "Oldest waits", number: true, of: (one) => span(one.oldestSeconds) }, { title: "", of: (one) => paused(one.pause) },
  ];
  const most = Math.max(1, ...found.map((one) => one.waiting));
  const bar = (one) => meter((100 * one.waiting) / most, `${one.queue}: ${one.waiting} wait`, false);
  return [notes(told), element("h3", {}, "Lanes"), table("Lanes", [{ title: "Lane", of: (one) => link(place("queues"), one.lane) }, ...counts], lanes),
    element("h3", {}, "Queues"), table("Queues", [{ title: "Queue", of: (one) => link(place("derivatives", { queue: one.queue, status__exact: "queued" }), one.queue) }, { title: "Lane", of: (one) => one.lane },
      ...counts.slice(0, 1), { title: "", of: bar }, ...counts.slice(1)], found)];
}

const STATES = { alive: "good", offline: "critical", draining: "warning", drained: "warning" };

function doing(worker) {
  if (worker.state === "offline") return `last seen ${when(worker.seen)}`;
  if (!worker.doing.length) return "idle";
  return worker.doing.map((one) => element("div", {}, link(one.link, one.deriver || one.task),
    ` ${one.queue}${one.progress === null ? "" : `, ${one.progress} %`}${one.seconds === null ? "" : `, ${span(one.seconds)}`}`));
}

function workers({ workers: found, leases, notes: told }) {
  const columns = [{ title: "Worker", of: (one) => link(place("workers"), one.name) }, { title: "Lane", of: (one) => one.lane },
    { title: "", of: (one) => badge(one.state, STATES[one.state] || "warning") },
    { title: "Busy", number: true, of: (one) => `${one.doing.length} of ${one.slots}` }, { title: "Does now", words: true, of: doing }];
  const held = [{ title: "Worker", words: true, of: (one) => one.worker }, { title: "Job", of: (one) => link(one.link, one.deriver) },
    { title: "Done", number: true, of: (one) => `${one.progress} %` }];
  return [notes(told), table("Workers", columns, found, "No worker has told of itself yet."),
    leases.length ? [element("h3", {}, "Leases"), table("Leases", held, leases)] : null];
}

function slowest({ now, day }) {
  const job = { title: "Job", words: true, of: (one) => link(one.link, one.deriver) };
  const took = (title) => ({ title, number: true, of: (one) => span(one.seconds) });
  return [element("h3", {}, "Now"), table("Slowest now", [job, took("For"), { title: "Done", number: true, of: (one) => `${one.progress} %` },
      { title: "Left", number: true, of: (one) => span(one.etaSeconds) }, { title: "Worker", words: true, of: (one) => one.worker }], now, "Nothing runs."),
    element("h3", {}, "Ended within a day"), table("Slowest of the day", [job, took("Took"),
      { title: "", of: (one) => badge(one.status, one.status === "failed" ? "critical" : "good") },
      { title: "At (UTC)", of: (one) => hour(one.finished) }], day, "Nothing ended in the last 24 hours.")];
}

const PARTS = [["originals", "Originals"], ["derivatives", "Derivatives"], ["imageCache", "Image cache"]];

function storage({ parts, kinds, derivers, libraries, notes: told }) {
  const names = Object.fromEntries([...PARTS, ["avatars", "Pictures of people"]]);
  const bars = chart("Bytes by library and part", { type: "bar", data: { labels: libraries.map((one) => one.name),
    datasets: PARTS.map(([key, label], place) => ({ label, data: libraries.map((one) => one[key]), backgroundColor: color(place) })) },
    options: { indexAxis: "y", scales: { x: { stacked: true, ...inBytes }, y: { stacked: true } }, plugins: { tooltip: bytesTip } } });
  const size = (title, of) => ({ title, number: true, of });
  const small = (title, key, rows) => element("div", {}, element("h3", {}, title),
    table(title, [{ title: key, of: (one) => one[key.toLowerCase()] }, size("Bytes", (one) => bytes(one.bytes))], rows));
  return [notes(told), element("div", { class: "dash-tiles" }, parts.map((one) => tile(bytes(one.bytes), names[one.part]))),
    libraries.length ? bars : null,
    asTable("Storage by library", [{ title: "Library", words: true, of: (one) => link(one.id && place("files", { library__id__exact: one.id }), one.name) },
      { title: "Its originals", words: true, of: (one) => one.kinds.map((kind) => `${kind.kind} ${bytes(kind.bytes)}`).join(", ") },
      ...PARTS.map(([key, label]) => size(label, (one) => bytes(one[key]))), size("All", (one) => bytes(one.total))], libraries),
    element("div", { class: "dash" }, small("Originals by kind", "Kind", kinds), small("Derivatives by deriver", "Deriver", derivers))];
}

const DRAWN = { warnings, overview, queues, workers, slowest, throughput, failures, statuses, types, uploads, storage, machine, models, backups };
