// The player of a film or a recording: which of its versions plays, its subtitles, and what is still being made.

import { Problem, call, clock, make, refill, show } from "./api.js";

export class Player {
  // `told` is the answer of playback-sources; `onTime` hears the position in seconds.
  constructor(base, file, onTime) {
    this.base = base;
    this.kind = file.kind;
    this.onTime = onTime;
    this.element = null;
    this.source = null;
    this.captions = null; // The address of what is shown.
    this.onCaptions = () => {};
    this.before = startOf(location.hash);
    this.told = { sources: [], subtitles: [] };
    this.box = make("div", { class: "player" });
    // The words are spoken when they change; the figures, which change all the time, are only to be read.
    this.words = make("span", { role: "status" });
    this.figures = make("span");
    this.choice = make("span");
    this.bar = make("div", { class: "player-bar" }, this.choice, make("span", { class: "quiet", id: "proxy-state" }, this.words, this.figures));
  }

  async refresh(poster) {
    this.told = await call(`${this.base}/playback-sources`);
    const best = this.told.sources.find((source) => source.default) ?? this.told.sources[0];
    const current = this.told.sources.find((source) => source.url === this.source?.url);
    // A version that came meanwhile is taken at once where nothing plays yet, else only offered.
    const keep = current && (this.chosen || (this.element && !this.element.paused) || current.playable || !best.playable);
    this.play(keep ? current : best, poster);
    if (poster && this.element && this.element.getAttribute("poster") !== poster) this.element.poster = poster;
    this.showSubtitles();
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
    const tag = this.kind === "audio" ? "audio" : "video";
    this.element = make(tag, { controls: true, preload: "metadata", playsinline: true, poster, "aria-label": "Player" });
    this.element.addEventListener("loadedmetadata", () => this.goBack());
    this.element.addEventListener("timeupdate", () => this.onTime(this.element.currentTime));
    this.element.addEventListener("seeking", () => this.onTime(this.element.currentTime));
    this.element.addEventListener("error", () => this.failed());
    // Also by the player's own menu, and the browser's choice of a default.
    this.element.textTracks.addEventListener("change", () => this.tellCaptions());
    this.box.replaceChildren(this.element);
  }

  // They may be ready later than the film can be played. What is shown already is left alone; where its words were
  // corrected meanwhile, the new ones are shown.
  showSubtitles() {
    const shown = this.tracks.map((track) => track.getAttribute("src"));
    if (!this.element || shown.join() === this.told.subtitles.map((one) => one.url).join()) return;
    const label = this.tracks.find((track) => track.track.mode === "showing")?.label;
    this.element.replaceChildren(...this.told.subtitles.map((one) => make("track", { kind: "subtitles", src: one.url, srclang: one.language || "und", label: labelOf(one), default: one.default })));
    const again = this.tracks.find((track) => track.label === label);
    if (again) this.showCaptions(again.getAttribute("src"));
  }

  // Those of this address and no others; null: none.
  showCaptions(url) {
    for (const track of this.tracks) track.track.mode = track.getAttribute("src") === url ? "showing" : "disabled";
    this.tellCaptions();
  }

  tellCaptions() {
    this.captions = this.tracks.find((track) => track.track.mode === "showing")?.getAttribute("src") ?? null;
    this.onCaptions();
  }

  get tracks() {
    return this.element ? [...this.element.querySelectorAll("track")] : [];
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
    refill(this.choice, [this.told.sources, this.source?.url], () => this.choices());
    const words = proxyWords(this.told);
    if (this.words.textContent !== words) this.words.textContent = words;
    this.figures.textContent = proxyFigures(this.told);
  }

  choices() {
    if (this.told.sources.length < 2) return [];
    const options = this.told.sources.map((one) => make("option", { value: one.url, selected: one.url === this.source?.url }, one.label));
    const choose = (event) => {
      this.chosen = true;
      this.play(this.told.sources.find((one) => one.url === event.target.value));
    };
    return [make("label", {}, "Version ", make("select", { id: "source", "data-key": "source", onchange: choose }, ...options))];
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

// What was written down says so: a film may have subtitles of its own in the same language.
function labelOf(subtitles) {
  const named = subtitles.title || subtitles.language;
  return subtitles.transcript ? [subtitles.kept ? "Earlier corrections" : "Transcript", named].filter(Boolean).join(" · ") : named || "Subtitles";
}

// An address may name the second at which to begin: `#t=61.5`.
function startOf(hash) {
  const found = /^#t=(\d+(?:\.\d+)?)$/.exec(hash);
  return found ? { at: Number(found[1]), paused: true, rate: 1 } : null;
}

function proxyWords(told) {
  if (told.proxy_status === "queued") return "A version for every browser waits to be made.";
  if (told.proxy_status === "processing") return "A version for every browser is being made";
  if (told.proxy_status !== "failed") return "";
  return `A version for every browser could not be made. ${told.proxy_error ?? ""}`;
}

function proxyFigures(told) {
  if (told.proxy_status !== "processing") return "";
  const left = told.proxy_eta_seconds ? `, ${clock(told.proxy_eta_seconds)} left` : "";
  return `: ${told.proxy_progress ?? 0} %${left}.`;
}
