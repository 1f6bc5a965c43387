// Panels of what was done: jobs by the hour, failures, statuses, types, and what came day by day.

import { asTable, bytes, element, hour, link, number, percent, place, span, table } from "./building.js";
import { bytesTip, chart, color, inBytes, statusColor } from "./charts.js";

const SHOWN = 9;

export function throughput({ hours, derivers, outcomes, total }) {
  if (!total) return [element("p", { class: "dash-quiet" }, "No job ended in the last 24 hours.")];
  const rest = derivers.slice(SHOWN);
  const shown = derivers.slice(0, SHOWN);
  if (rest.length) shown.push({ deriver: "others", counts: hours.map((_, hour) => rest.reduce((sum, one) => sum + one.counts[hour], 0)) });
  const labels = hours.map(hour);
  const bars = chart("Jobs that ended in each of the last 24 hours, by deriver", { type: "bar", data: { labels,
    datasets: shown.map((one, place) => ({ label: one.deriver, data: one.counts, backgroundColor: color(place) })) },
    options: { scales: { x: { stacked: true }, y: { stacked: true, beginAtZero: true } } } });
  const told = Object.entries(outcomes).map(([name, count]) => `${number(count)} ${name.replace("_", " ")}`).join(", ");
  return [element("p", { class: "dash-quiet" }, `${number(total)} in 24 hours: ${told}. Hours are UTC.`), bars,
    asTable("Jobs by deriver", [{ title: "Deriver", of: (one) => one.deriver }, { title: "24 hours", number: true, of: (one) => number(one.total) },
      { title: "Last hour", number: true, of: (one) => number(one.counts.at(-1)) },
      { title: "Mean time", number: true, of: (one) => span(one.meanSeconds) }], derivers)];
}

export function failures({ derivers }) {
  const rate = (one) => element("span", { class: one.rate >= 0.1 && one.failed > 1 ? "dash-badge dash-critical" : "" },
    one.ended ? `${percent(one.rate)} (${number(one.failed)} of ${number(one.ended)})` : "–");
  return [table("Failure rates", [{ title: "Deriver", of: (one) => link(place("failures"), one.deriver) }, { title: "24 hours", number: true, of: (one) => rate(one.day) },
    { title: "7 days", number: true, of: (one) => rate(one.week) },
    { title: "Done again", number: true, of: (one) => number(one.week.sentBack) }], derivers, "No job ended in the last 7 days.")];
}

const STATUSES = ["ready", "not_needed", "processing", "queued", "failed"];

export function statuses({ derivers }) {
  if (!derivers.length) return [element("p", { class: "dash-quiet" }, "Nothing was asked for yet.")];
  const name = (status) => status.replace("_", " ");
  const bars = chart("Derivatives by deriver and status", { type: "bar", data: { labels: derivers.map((one) => one.deriver),
    datasets: STATUSES.map((status) => ({ label: name(status), data: derivers.map((one) => one[status]), backgroundColor: statusColor(status) })) },
    options: { indexAxis: "y", scales: { x: { stacked: true, beginAtZero: true }, y: { stacked: true, ticks: { autoSkip: false } } } } }, true);
  return [bars, asTable("Derivatives by status", [{ title: "Deriver", of: (one) => one.deriver },
    ...STATUSES.map((status) => ({ title: name(status), number: true,
      of: (one) => link(one[status] && place("derivatives", { deriver: one.deriver, status__exact: status }), number(one[status])) })),
    { title: "all", number: true, of: (one) => number(one.total) }], derivers)];
}

export function types({ states, kinds, types: found, others }) {
  if (!kinds.length) return [element("p", { class: "dash-quiet" }, "There are no files yet.")];
  const round = chart("Files by kind", { type: "doughnut", data: { labels: kinds.map((one) => one.kind),
    datasets: [{ data: kinds.map((one) => one.files), backgroundColor: kinds.map((_, place) => color(place)), borderWidth: 0 }] } });
  const told = states.map((one) => `${number(one.files)} ${one.state}`).join(", ");
  const columns = [{ title: "Type", of: (one) => one.type }, { title: "Files", number: true, of: (one) => number(one.files) }];
  const rest = others ? [{ type: "others", files: others }] : [];
  return [element("p", { class: "dash-quiet" }, `${told}.`), round, table("Files by type", columns, found.slice(0, 6)),
    found.length > 6 || others ? element("details", {}, element("summary", {}, "More types"), table("More types", columns, [...found.slice(6), ...rest])) : null];
}

export function uploads({ days, files }, page) {
  const choice = element("select", { "aria-label": "How many days" },
    [30, 90, 365].map((count) => element("option", { value: count, selected: days.length === count }, `${count} days`)));
  choice.addEventListener("change", () => page.ask(`?days=${choice.value}`));
  const mixed = chart("Files that came each day, and bytes that lay there at its end", { type: "bar", data: { labels: days.map((one) => one.day),
    datasets: [{ type: "line", label: "stored", data: days.map((one) => one.cumulative), yAxisID: "size", borderColor: color(1), backgroundColor: color(1),
      pointRadius: 0, borderWidth: 2, tension: 0.2 },
    { label: "files", data: days.map((one) => one.files), yAxisID: "count", backgroundColor: color(0) }] },
    options: { interaction: { mode: "index", intersect: false },
      scales: { count: { beginAtZero: true, title: { display: true, text: "files" } },
        size: { position: "right", beginAtZero: true, grid: { drawOnChartArea: false }, ...inBytes }, x: { ticks: { maxTicksLimit: 10 } } },
      plugins: { tooltip: { callbacks: { label: (item) => (item.dataset.yAxisID === "size" ? bytesTip.callbacks.label(item) : `${number(item.raw)} files`) } } } } });
  const size = (title, key) => ({ title, number: true, of: (one) => bytes(one[key]) });
  return [element("p", { class: "dash-quiet" }, choice, ` ${number(files)} files came.`), mixed,
    asTable("Uploads by day", [{ title: "Day (UTC)", of: (one) => one.day }, { title: "Files", number: true, of: (one) => number(one.files) },
      size("Their bytes", "bytes"), size("Grew by", "stored"), size("Lay there", "cumulative")], [...days].reverse())];
}
