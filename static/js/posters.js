// Which picture stands for a film or a recording: a candidate, the frame that is shown, a picture of one's own.

import { Problem, call, csrfToken, make, refill, show, stateElement } from "./api.js";

const POLL = 2000;

export class Posters {
  // `onChange` runs when another picture stands for the file.
  constructor(place, base, { player, film, onChange }) {
    Object.assign(this, { place, base: `${base}/poster`, player, film, onChange });
  }

  async load() {
    clearTimeout(this.timer);
    this.put(await call(this.base));
  }

  put(told) {
    if (this.shown !== undefined && this.shown !== told.posterUrl) this.onChange();
    this.shown = told.posterUrl;
    const waiting = told.status === "queued" || told.status === "processing";
    const job = { name: "poster", status: told.status, progress: told.progress, error: told.error };
    refill(this.place, told, () => [
      make("div", { class: "candidates" }, ...told.candidates.filter((one) => one.url).map((one) => this.candidate(one, told))),
      make("p", { class: "tools" }, ...this.actions(told)),
      ...(waiting || told.status === "failed" ? [make("p", { role: "status" }, stateElement(job, ""))] : []),
      ...(told.error ? [make("p", { class: "quiet" }, told.error)] : []),
    ]);
    if (waiting) this.timer = setTimeout(() => this.load().catch(show), POLL);
  }

  candidate(one, told) {
    const chosen = one.chosen && told.source === "selected";
    const choose = () => this.change({ method: "POST", body: { candidate: one.place } });
    return make("button", { type: "button", "data-key": String(one.place), "aria-pressed": String(chosen), "aria-label": `Frame at ${one.place} %`, onclick: choose }, make("img", { src: one.url, alt: "", loading: "lazy" }));
  }

  actions(told) {
    const button = (label, press) => make("button", { type: "button", class: "secondary", "data-key": label, onclick: press }, label);
    const here = () => this.change({ method: "POST", body: { second: Number(this.player.position.toFixed(3)) } });
    const revert = () => call(this.base, { method: "DELETE" }).then(() => this.load()).catch(show);
    const picker = make("input", { type: "file", accept: "image/*", class: "hidden", "aria-label": "Picture for the poster", onchange: (event) => this.bring(event.target.files[0]) });
    return [
      ...(this.film ? [button("Use this frame", here)] : []),
      make("label", { class: "button secondary" }, picker, "Bring a picture"),
      ...(told.source === "auto" ? [] : [button("Choose by itself", revert)]),
    ];
  }

  change(request) {
    return call(this.base, request).then((told) => this.put(told)).catch(show);
  }

  async bring(file) {
    if (!file) return;
    try {
      const headers = { "X-CSRFToken": csrfToken(), "Content-Type": file.type || "application/octet-stream" };
      const answer = await fetch(`${this.base}/upload`, { method: "POST", credentials: "same-origin", headers, body: file });
      const told = await answer.json();
      if (!answer.ok) throw new Problem(told.message);
      this.put(told);
    } catch (problem) {
      show(problem);
    }
  }
}
