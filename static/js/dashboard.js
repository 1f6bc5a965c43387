// The dashboard: each panel loads on its own, again and again while somebody looks. Drawing is in dashboard/panels.js.

import { draw, forgetCharts } from "./dashboard/panels.js";
import { element } from "./dashboard/building.js";

const TIMEOUT = 20_000;
const AT_ONCE = 3;
const LONGEST_PAUSE = 120;
const away = document.getElementById("away");
const panels = [...document.querySelectorAll("[data-figure]")].map((node) => ({
  node, name: node.dataset.figure, url: node.dataset.url, every: Number(node.dataset.every) * 1000,
  due: 0, busy: false, data: null, query: "",
}));
let failures = 0;
let pausedUntil = 0;
let gone = false;

class ServerAway extends Error {}

async function ask(panel) {
  let answer;
  try {
    answer = await fetch(panel.url + panel.query, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT) });
  } catch (error) {
    if (error.name === "TimeoutError") return { message: `This did not come within ${TIMEOUT / 1000} seconds. It is asked again.` };
    throw new ServerAway();
  }
  if ([401, 403, 404].includes(answer.status)) { gone = true; throw new ServerAway(); }
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  if (told?.code === "figure_failed") return told;
  if (told?.message) throw new ServerAway(told.message);
  throw new ServerAway();
}

async function refresh(panel) {
  panel.busy = true;
  try {
    const told = await ask(panel);
    serverIsBack();
    show(panel, told);
  } catch (error) {
    if (!(error instanceof ServerAway)) throw error;
    serverIsAway(error.message);
  } finally {
    panel.busy = false;
    panel.due = Date.now() + panel.every;
  }
}

function show(panel, told) {
  const { node } = panel;
  const body = node.querySelector(".dash-body");
  node.setAttribute("aria-busy", "false");
  node.classList.remove("dash-stale");
  if (told.message) {
    node.dataset.state = "failed";
    panel.data = null;
    forgetCharts(body);
    body.replaceChildren(element("p", { class: "dash-failed", role: "status" }, told.message));
    node.querySelector(".dash-asof").textContent = `asked at ${new Date().toISOString().slice(11, 19)} UTC`;
    return;
  }
  node.querySelector(".dash-asof").textContent = `as of ${new Date(told.asOf).toISOString().slice(11, 19)} UTC`;
  node.dataset.state = "ready";
  const text = JSON.stringify(told.data);
  if (text === panel.data) return;
  panel.data = text;
  redraw(panel, told.data);
}

// What a person has opened or stands on stays so.
function redraw(panel, data) {
  const body = panel.node.querySelector(".dash-body");
  const open = [...body.querySelectorAll("details")].map((one) => one.open);
  const stops = () => [...body.querySelectorAll("a, summary, select")];
  const stand = stops().indexOf(document.activeElement);
  const scrolled = [...body.querySelectorAll(".dash-scroll")].map((one) => one.scrollLeft);
  draw(panel.name, body, data, { ask: (query) => { panel.query = query; panel.due = 0; tick(); }, query: panel.query });
  body.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
  body.querySelectorAll(".dash-scroll").forEach((one, place) => { one.scrollLeft = scrolled[place] ?? 0; });
  if (stand >= 0) stops()[stand]?.focus({ preventScroll: true });
}

function serverIsBack() {
  failures = 0;
  pausedUntil = 0;
  gone = false;
  away.hidden = true;
}

function serverIsAway(message) {
  if (Date.now() < pausedUntil) return;
  failures += 1;
  const pause = Math.min(LONGEST_PAUSE, 5 * 2 ** Math.min(failures, 6));
  pausedUntil = Date.now() + pause * 1000;
  away.hidden = false;
  const what = message || "The server does not answer.";
  away.textContent = gone
    ? "You are not logged in any more, or may not see these figures. Load this page again."
    : `${what} It is asked again in ${pause} seconds; what you see is older.`;
  panels.forEach((panel) => panel.data !== null && panel.node.classList.add("dash-stale"));
}

function tick() {
  if (document.hidden || Date.now() < pausedUntil) return;
  const free = AT_ONCE - panels.filter((panel) => panel.busy).length;
  panels.filter((panel) => !panel.busy && panel.due <= Date.now()).slice(0, Math.max(0, failures ? 1 : free)).forEach(refresh);
}

// Charts are drawn in the colours of the theme.
new MutationObserver(() => panels.forEach((panel) => panel.data !== null && redraw(panel, JSON.parse(panel.data))))
  .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
document.addEventListener("visibilitychange", tick);
window.setInterval(tick, 250);
tick();
