// Panels of what holds it all: this machine, models, backups.

import { badge, bytes, element, link, meter, notes, number, place, span, table, when } from "./building.js";

function line(label, value, share = null, fills = true) {
  return element("tr", {}, element("th", { scope: "row", class: "dash-words" }, label),
    element("td", { class: "dash-words" }, value, share === null ? null : meter(share, label, fills)));
}

function lines(caption, rows) {
  return element("div", { class: "dash-scroll" },
    element("table", {}, element("caption", { class: "sr-only" }, caption), element("tbody", {}, rows.filter(Boolean))));
}

export function machine({ disks, scratch, imageCache, postgres, redis, parts, notes: told }) {
  const disk = (one) => line(one.places.join(", "), `${bytes(one.free)} of ${bytes(one.total)} free`, 100 - (one.freePercent ?? 0));
  const part = ([name, one]) => element("span", {}, badge(name, one.ok ? "good" : "critical"), one.ok ? " " : ` ${one.message} `);
  return [notes(told), lines("This machine", [
    ...(disks || []).map(disk),
    scratch && line("promised in scratch", `${bytes(scratch.promised)}, and ${bytes(scratch.reserve)} kept in reserve`),
    imageCache && line("image cache", `${number(imageCache.images)} pictures, ${bytes(imageCache.bytes)} of ${bytes(imageCache.limit)}`, imageCache.percent),
    postgres && line(`Postgres ${postgres.version}`, `${bytes(postgres.bytes)}, ${postgres.connections} of ${postgres.limit} connections`,
      (100 * postgres.connections) / postgres.limit),
    redis && line(`Redis ${redis.version || ""}`, `${bytes(redis.bytes)}${redis.limit ? ` of ${bytes(redis.limit)}` : ""}, ${redis.clients} clients`),
    parts && line("parts", element("span", {}, Object.entries(parts).map(part))),
  ])];
}

const STATES = { here: ["here", "good"], missing: ["missing", "warning"], licence: ["licence to accept", "warning"] };

export function models({ pipelines, downloads }) {
  const columns = [{ title: "For", of: (one) => link(place("models"), one.pipeline) }, { title: "Model", words: true, of: (one) => one.title },
    { title: "", of: (one) => badge(...STATES[one.state]) }, { title: "Size", number: true, of: (one) => bytes(one.bytes) }];
  const coming = [{ title: "File", words: true, of: (one) => link(place("downloads", { state: one.state }), one.name) },
    { title: "", words: true, of: (one) => [badge(one.state, one.state === "failed" ? "critical" : "warning"), one.error ? ` ${one.error}` : ""].map((part) => part) },
    { title: "Done", number: true, of: (one) => [`${bytes(one.done)}${one.total ? ` of ${bytes(one.total)}` : ""}`,
      one.total ? meter((100 * one.done) / one.total, one.name, false) : ""] }];
  return [table("Models", columns, pipelines), element("h3", {}, "On their way"), table("Downloads", coming, downloads, "No model is on its way.")];
}

const HOLDS = { none: "the database alone", originals: "with originals", all: "with all files" };

function looked(one) {
  return `${when(one.finished)}: ${number(one.looked)} looked at, ${number(one.found)} bad`;
}

function under(one) {
  return `${one.percent} %${one.secondsLeft === null ? "" : `, ${span(one.secondsLeft)} left`}${one.whole ? "" : ", some of them"}`;
}

export function backups({ lastGood, last, running, schedule, lastVerification, lastSizes, verifying, findings, maintenance }) {
  const good = lastGood ? `${when(lastGood.finished)}, ${HOLDS[lastGood.blobs]}, ${bytes(lastGood.bytes)}${lastGood.encrypted ? ", encrypted" : ""}` : "never";
  return [lines("Backups", [
    line("last good backup", link(place("backups"), good)),
    lastGood && line("it was verified", lastGood.verified ? when(lastGood.verified) : "not yet"),
    last && (last.state !== "done" || last.damaged) && line("last try", element("span", {}, badge(last.damaged ? "damaged" : last.state, "critical"), ` ${when(last.finished)} ${last.error}`)),
    last && last.state === "done" && !last.damaged && last.missing > 0 && line("last try", element("span", {}, badge("incomplete", "warning"), ` ${when(last.finished)} ${last.error}`)),
    running && line("now", `${running.percent} %`, running.percent, false),
    line("schedule", schedule),
    line("every byte read", lastVerification ? looked(lastVerification) : "never"),
    lastSizes && line("sizes compared", looked(lastSizes)),
    verifying && line(verifying.deep ? "reading bytes now" : "comparing sizes now", under(verifying), verifying.percent, false),
    ...findings.map((one) => line(`${one.what}, ${one.kind}`, link(place("findings", { state__in: "open,repairing", kind: one.kind }), element("span", {}, badge(`${one.more ? "over " : ""}${number(one.count)}`, "critical"), one.repairing ? ` ${number(one.repairing)} being repaired` : "")))),
    line("maintenance", maintenance?.on ? badge(`on: ${maintenance.reason}`, "warning") : "off"),
  ])];
}
