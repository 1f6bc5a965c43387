// The moments of a film or a recording: marked, named, exported, split, shared.

import { call, clock, make, refill, show, stateElement } from "./api.js";

const SPAN = 5;
const POLL = 2000;

export class Moments {
  // `place` holds the list and the form; `timeline` shows the spans; `player` knows the position.
  constructor(place, base, { player, timeline, duration, mayWrite }) {
    Object.assign(this, { place, base: `${base}/moments`, player, timeline, duration, mayWrite });
    this.list = make("ul", { class: "moments" });
    this.form = mayWrite ? this.build() : null;
    place.replaceChildren(...[this.form, this.list].filter(Boolean));
  }

  build() {
    const number = (label) => make("input", { type: "number", step: "0.001", min: 0, max: this.duration, required: true, "aria-label": label });
    this.name = make("input", { type: "text", maxlength: 200, required: true, placeholder: "Name", "aria-label": "Name of the moment" });
    this.start = number("Start in seconds");
    this.end = number("End in seconds");
    for (const input of [this.start, this.end]) input.addEventListener("input", () => this.drawSpan());
    const here = (label, set) => make("button", { type: "button", class: "secondary", onclick: set }, label);
    return make(
      "form",
      { class: "moment-form", onsubmit: (event) => this.create(event) },
      this.name,
      make("label", {}, "from ", this.start),
      here("Start here", () => this.setSpan(this.player.position, Math.max(Number(this.end.value) || 0, Math.min(this.duration, this.player.position + SPAN)))),
      make("label", {}, "to ", this.end),
      here("End here", () => this.setSpan(Math.min(Number(this.start.value) || 0, this.player.position), this.player.position)),
      make("button", { class: "main" }, "Make a moment"),
    );
  }

  setSpan(start, end) {
    if (!this.form) {
      this.timeline.span = null;
      this.timeline.draw();
      return;
    }
    this.start.value = start.toFixed(3);
    this.end.value = Math.min(this.duration, Math.max(end, start)).toFixed(3);
    this.drawSpan();
  }

  drawSpan() {
    this.timeline.span = this.start.value && this.end.value ? [Number(this.start.value), Number(this.end.value)] : null;
    this.timeline.draw();
  }

  async create(event) {
    event.preventDefault();
    const body = { name: this.name.value, start: Number(this.start.value), end: Number(this.end.value) };
    try {
      await call(this.base, { method: "POST", body });
      this.form.reset();
      this.drawSpan();
      await this.load();
    } catch (problem) {
      show(problem);
    }
  }

  async load() {
    clearTimeout(this.timer);
    this.entries = await call(this.base);
    this.timeline.moments = this.entries;
    this.timeline.draw();
    refill(this.list, this.entries, () => this.entries.map((moment) => this.row(moment)));
    const open = this.entries.some((one) => ["queued", "processing"].includes(one.exportStatus));
    if (open) this.timer = setTimeout(() => this.load().catch(show), POLL);
  }

  row(moment) {
    const job = { name: "export", status: moment.exportStatus, progress: moment.exportProgress, eta: moment.exportEtaSeconds, error: moment.exportError };
    const span = `${exact(moment.start)} – ${exact(moment.end)}`;
    return make(
      "li",
      { class: "moment" },
      moment.posterUrl ? make("img", { src: moment.posterUrl, alt: "", width: 96, loading: "lazy" }) : null,
      make("div", {}, make("button", { type: "button", class: "plain name", onclick: () => this.player.seek(Number(moment.start)) }, moment.name), make("div", { class: "quiet" }, span), ...moment.tags.map(tag), job.status ? stateElement(job, "") : null, moment.stale ? make("div", { class: "quiet" }, "The clip is of the span before; export it again.") : null, moment.exportError ? make("div", { class: "quiet" }, moment.exportError) : null),
      make("div", { class: "tools" }, ...this.actions(moment)),
    );
  }

  actions(moment) {
    const path = `${this.base}/${moment.id}`;
    const act = (label, work, kind = "secondary") => make("button", { type: "button", class: kind, "data-key": `${label} ${moment.id}`, onclick: () => work().then(() => this.load()).catch(show) }, label);
    const download = moment.downloadUrl ? [make("a", { class: "button", href: moment.downloadUrl, download: true }, "Download")] : [];
    if (!this.mayWrite) return download;
    const busy = ["queued", "processing"].includes(moment.exportStatus);
    const fresh = moment.exportStatus === "ready" && !moment.stale;
    return [
      ...download,
      ...(busy || fresh ? [] : [act("Export", () => call(`${path}/export`, { method: "POST" }))]),
      act("Split here", () => call(`${path}/split`, { method: "POST", body: { at: Number(this.player.position.toFixed(3)) } })),
      act("Share", () => this.share(path)),
      act("Delete", () => call(path, { method: "DELETE" }), "secondary danger"),
    ];
  }

  async share(path) {
    const share = await call(`${path}/shares`, { method: "POST", body: {} });
    prompt("Anybody with this link sees the clip. Copy it:", share.url);
  }
}

function exact(value) {
  const seconds = Number(value);
  const rest = Math.round((seconds - Math.floor(seconds)) * 1000);
  return `${clock(Math.floor(seconds))}${rest ? `.${String(rest).padStart(3, "0")}` : ""}`;
}

function tag(one) {
  const element = make("span", { class: "tag" }, one.name);
  element.style.setProperty("--tag", one.color);
  return element;
}

