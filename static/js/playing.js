// The player of a film or a recording: which of its versions plays, its subtitles, and what is still being made.

import { Problem, call, clock, make, show } from "./api.js";

export class Player {
  // `told` is the answer of playback-sources; `onTime` hears the position in seconds.
  constructor(base, file, onTime) {
    this.base = base;
    this.kind = file.kind;
    this.onTime = onTime;
    this.element = null;
    this.source = null;
    this.told = { sources: [], subtitles: [] };
    this.box = make("div", { class: "player" });
    this.bar = make("div", { class: "player-bar" });
  }

  async refresh(poster) {
    this.told = await call(`${this.base}/playback-sources`);
    const best = this.told.sources.find((source) => source.default) ?? this.told.sources[0];
    const current = this.told.sources.find((source) => source.url === this.source?.url);
    // A version that came meanwhile is taken at once where nothing plays yet, else only offered.
    const keep = current && (this.chosen || (this.element && !this.element.paused) || current.playable || !best.playable);
    this.play(keep ? current : best, poster);
    if (poster && this.element && this.element.getAttribute("poster") !== poster) this.element.poster = poster;
    this.showBar();
  }

  play(source, poster) {
    if (!source || source.url === this.source?.url) return;
    this.source = source;
    if (this.element) this.before ??= { at: this.element.currentTime, paused: this.element.paused, rate: this.element.playbackRate };
    else this.build(poster);
    this.element.src = source.url;
    this.showBar();
  }

  // Where it was in the version before, also when one that would not play lay between.
  goBack() {
    const before = this.before;
    this.before = null;
    if (!before) return;
    this.element.currentTime = before.at;
    this.element.playbackRate = before.rate;
    if (!before.paused) this.element.play().catch(() => {});
  }

  build(poster) {
    const tracks = this.told.subtitles.map((one) => make("track", { kind: "subtitles", src: one.url, srclang: one.language ?? "und", label: one.title || one.language || "Subtitles", default: one.default }));
    const tag = this.kind === "audio" ? "audio" : "video";
    this.element = make(tag, { controls: true, preload: "metadata", playsinline: true, poster, "aria-label": "Player" }, ...tracks);
    this.element.addEventListener("loadedmetadata", () => this.goBack());
    this.element.addEventListener("timeupdate", () => this.onTime(this.element.currentTime));
    this.element.addEventListener("seeking", () => this.onTime(this.element.currentTime));
    this.element.addEventListener("error", () => this.failed());
    this.box.replaceChildren(this.element);
  }

  // The next best version, else a sentence.
  failed() {
    const other = this.told.sources.find((source) => source.kind === "proxy" && source.url !== this.source?.url);
    if (other) return this.play(other);
    const waiting = this.told.proxy_status === "queued" || this.told.proxy_status === "processing";
    if (!waiting) show(new Problem("This browser cannot play this type. Download it instead."));
    return undefined;
  }

  showBar() {
    const children = [];
    if (this.told.sources.length > 1) {
      const options = this.told.sources.map((one) => make("option", { value: one.url, selected: one.url === this.source?.url }, one.label));
      const choose = (event) => {
        this.chosen = true;
        this.play(this.told.sources.find((one) => one.url === event.target.value));
      };
      children.push(make("label", {}, "Version ", make("select", { id: "source", onchange: choose }, ...options)));
    }
    const state = proxyState(this.told);
    if (state) children.push(make("span", { class: "quiet", role: "status", id: "proxy-state" }, state));
    this.bar.replaceChildren(...children);
  }

  seek(second) {
    if (!this.element) return;
    this.element.currentTime = second;
    this.onTime(second);
  }

  get position() {
    return this.element?.currentTime ?? 0;
  }
}

function proxyState(told) {
  if (told.proxy_status === "queued") return "A version for every browser waits to be made.";
  if (told.proxy_status === "processing") {
    const left = told.proxy_eta_seconds ? `, ${clock(told.proxy_eta_seconds)} left` : "";
    return `A version for every browser is being made: ${told.proxy_progress ?? 0} %${left}.`;
  }
  return told.proxy_status === "failed" ? "A version for every browser could not be made." : "";
}
