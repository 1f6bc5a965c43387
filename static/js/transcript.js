// What is said in a film or a recording: follows the player, jumps to a line, finds words, turns captions on, is corrected.

import { call, clock, make, refill, show, stateElement } from "./api.js";

const POLL = 2000;
const FORMS = { vtt: "WebVTT", srt: "SubRip", txt: "Text" };

export class Transcript {
  // `place` holds everything; `player` is sought in and shows captions. `wanted`: whether the library has them made.
  // `onChange` runs when there are other captions.
  constructor(place, base, { player, mayWrite, wanted, onChange }) {
    Object.assign(this, { base: `${base}/transcripts`, player, mayWrite, wanted, onChange, tracks: [], lines: [], played: 0 });
    this.bar = make("div", { class: "tools" });
    this.word = make("input", { type: "search", placeholder: "Find in the transcript", "aria-label": "Find in the transcript", oninput: () => this.sift() });
    this.follow = make("input", { type: "checkbox", checked: true, onchange: () => this.scroll() });
    this.tools = make("div", { class: "tools", hidden: true }, this.word, make("label", {}, this.follow, " Follow"));
    this.none = make("p", { class: "quiet", role: "status", hidden: true });
    this.list = make("ol", { class: "lines", hidden: true, tabindex: -1 });
    // Who looks around in it is left alone until asked.
    for (const turn of ["wheel", "touchmove"]) this.list.addEventListener(turn, () => (this.follow.checked = false), { passive: true });
    player.onCaptions = () => this.showBar();
    place.replaceChildren(this.bar, this.tools, this.none, this.list);
  }

  // Returns whether there is anything to show.
  async load() {
    clearTimeout(this.timer);
    this.tracks = await call(this.base);
    this.chosen = (this.track ?? this.tracks.find((one) => one.default) ?? this.tracks[0])?.track;
    this.showBar();
    await this.loadLines();
    if (this.tracks.some(isOpen)) this.timer = setTimeout(() => this.load().catch(show), POLL);
    return this.tracks.some((one) => one.status || one.transcript || this.wanted);
  }

  get track() {
    return this.tracks.find((one) => one.track === this.chosen);
  }

  // All pages, once for each revision. Another track may be chosen, or another revision come, before the last is here.
  async loadLines() {
    const track = this.track;
    const wanted = track?.transcript ? `${track.track} ${track.transcript.revision}` : "";
    if (this.shown === wanted) return;
    this.shown = wanted;
    const segments = [];
    for (let cursor = wanted ? "" : null; cursor !== null; ) {
      const answer = await call(`${this.base}/${track.track}?words=0${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      if (this.shown !== wanted) return;
      segments.push(...answer.segments);
      cursor = answer.nextCursor;
    }
    this.put(segments, track?.transcript);
  }

  put(segments, transcript) {
    Object.assign(this, { segments, revision: transcript?.revision });
    this.lines = segments.map((one) => this.line(one, transcript?.language));
    this.current = null;
    this.list.replaceChildren(...this.lines);
    this.tools.hidden = this.list.hidden = !segments.length;
    this.sift();
    this.mark();
  }

  line(one, language) {
    const words = make("span", { dir: "auto", lang: language }, one.text);
    const jump = make("button", { type: "button", class: "plain", onclick: () => this.jump(one.start) }, make("span", { class: "quiet" }, clock(one.start)), words);
    const correct = make("button", { type: "button", class: "plain pen", "aria-label": `Correct the line at ${clock(one.start)}`, title: "Correct", onclick: () => this.correct(one) }, "✎");
    return make("li", {}, jump, this.mayWrite ? correct : null);
  }

  // Without a text the line goes. Somebody else may have been quicker: then that is told, and what they wrote is shown.
  async correct(one) {
    const text = prompt("What is said", one.text);
    if (text === null || text === one.text) return;
    const change = text.trim() ? { op: "change", id: one.id, text } : { op: "remove", id: one.id };
    await call(`${this.base}/${this.chosen}`, { method: "PATCH", body: { revision: this.revision, changes: [change] } }).catch(show);
    await this.load().catch(show);
    this.onChange();
  }

  jump(second) {
    this.player.seek(second);
    this.player.element?.play().catch(() => {});
  }

  sift() {
    const wanted = this.word.value.trim().toLocaleLowerCase();
    for (const [index, line] of this.lines.entries()) line.hidden = !this.segments[index].text.toLocaleLowerCase().includes(wanted);
    const found = this.lines.filter((line) => !line.hidden).length;
    const words = this.lines.length ? (found ? "" : "Nothing of this is said here.") : this.emptyWords();
    this.none.textContent = words;
    this.none.hidden = !words;
  }

  emptyWords() {
    const track = this.track;
    if (track?.error && track.status === "failed") return track.error;
    return track?.transcript ? "Nobody speaks here." : "";
  }

  setPlayed(second) {
    this.played = second;
    this.mark();
  }

  // The line that is said now, or was last.
  mark() {
    const line = this.lines[lastBefore(this.segments ?? [], this.played)] ?? null;
    if (line === this.current) return;
    this.current?.removeAttribute("aria-current");
    line?.setAttribute("aria-current", "true");
    this.current = line;
    this.scroll();
  }

  // It is brought into the middle of the list, and the page stays where it is.
  scroll() {
    const line = this.current;
    if (line && this.follow.checked && !line.hidden) this.list.scrollTop = line.offsetTop - (this.list.clientHeight - line.offsetHeight) / 2;
  }

  showBar() {
    const captions = this.captions();
    const state = [this.tracks, this.chosen, captions?.url, captions?.url === this.player.captions];
    refill(this.bar, state, () => [...this.choices(), ...this.captionsButton(captions), ...this.downloads(), ...this.kept(), ...this.job()]);
    if (!this.lines.length) this.sift();
  }

  choices() {
    if (this.tracks.length < 2) return [];
    const options = this.tracks.map((one) => make("option", { value: one.track, selected: one.track === this.chosen }, trackWords(one)));
    const choose = (event) => {
      this.chosen = Number(event.target.value);
      this.showBar();
      this.loadLines().catch(show);
    };
    return [make("label", {}, "Track ", make("select", { "data-key": "track", onchange: choose }, ...options))];
  }

  // Of the chosen track, as the player has it.
  captions() {
    return this.player.kind === "video" ? this.player.told.subtitles.find((one) => one.transcript && !one.kept && one.track === this.chosen) : undefined;
  }

  captionsButton(captions) {
    if (!captions) return [];
    const on = captions.url === this.player.captions;
    const press = () => this.player.showCaptions(on ? null : captions.url);
    return [make("button", { type: "button", class: "secondary", "data-key": "captions", "aria-pressed": String(on), onclick: press }, "Captions")];
  }

  downloads() {
    const urls = this.track?.transcript?.segmentCount ? this.track.transcript.urls : {};
    return Object.keys(FORMS).filter((form) => urls[form]).map((form) => make("a", { href: urls[form], download: true, "data-key": form }, FORMS[form]));
  }

  // Corrections of another upload of the same file, beside those that were made later: to be read, and deleted.
  kept() {
    return (this.track?.kept ?? []).flatMap((one) => {
      const words = ["Earlier corrections", one.editedBy?.name].filter(Boolean).join(" by ");
      const link = make("a", { href: one.urls.txt, download: true, "data-key": `kept ${one.id}` }, words);
      const remove = make("button", { type: "button", class: "secondary", "data-key": `drop ${one.id}`, onclick: () => this.dropKept(one) }, "Delete them");
      return this.mayWrite ? [link, remove] : [link];
    });
  }

  async dropKept(one) {
    if (!confirm("Delete these earlier corrections for good?")) return;
    await call(`${this.base}/${this.chosen}/kept/${one.id}`, { method: "DELETE" }).catch(show);
    await this.load().catch(show);
    this.onChange();
  }

  job() {
    const track = this.track;
    if (!track) return [];
    const job = { name: "transcript", status: track.status, progress: track.progress, eta: track.etaSeconds, error: track.error };
    if (isOpen(track)) return [stateElement(job, "")];
    const failed = track.status === "failed" ? [stateElement(job, "")] : [];
    if ((track.transcript && !failed.length) || !this.mayWrite || !this.wanted) return failed;
    const ask = () => call(`${this.base}/${track.track}`, { method: "POST", body: {} }).then(() => this.load()).catch(show);
    return [...failed, make("button", { type: "button", class: "secondary", "data-key": "ask", onclick: ask }, "Write down what is said")];
  }
}

function isOpen(track) {
  return track.status === "queued" || track.status === "processing";
}

function trackWords(track) {
  return [`${track.track}`, track.title, track.transcript?.language ?? track.tagged].filter(Boolean).join(" · ");
}

// The index of the last segment that has begun; -1 before the first. They are in the order of their beginnings.
function lastBefore(segments, second) {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle].start <= second + 0.01) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
