// Parts of pages that stay true: <div data-live="URL" data-live-seconds="3"> gets its content anew from {"html": ...}.
// What somebody types, opens or has the focus on survives; hidden tabs ask for nothing.

const QUIET = 2; // Answers that may be missing before it is said.

class Live {
  constructor(element) {
    this.element = element;
    this.pause = Number(element.dataset.liveSeconds || 3) * 1000;
    this.missed = 0;
    this.timer = null;
    this.last = null;
    this.told = document.createElement("p");
    this.told.className = "live-lost";
    this.told.setAttribute("role", "status");
    this.told.hidden = true;
    element.before(this.told);
  }

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.ask()));
    if (!document.hidden) this.wait();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  wait() {
    this.stop();
    if (!document.hidden) this.timer = setTimeout(() => this.ask(), this.pause);
  }

  async ask() {
    this.stop();
    try {
      const answer = await fetch(this.element.dataset.live, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        redirect: "manual",
        signal: AbortSignal.timeout(Math.max(10000, this.pause * 3)),
      });
      if (!answer.ok) throw new Error(String(answer.status || "logged out"));
      this.take((await answer.json()).html);
      this.missed = 0;
      this.told.hidden = true;
    } catch (error) {
      this.missed += 1;
      if (this.missed >= QUIET) this.lose(error);
    }
    this.wait();
  }

  lose(error) {
    const out = error.message === "logged out" || error.message === "403";
    this.told.textContent = out
      ? "You are logged out, or may not see this any more. Load the page again."
      : "The server does not answer: what you see is old. It is asked again all the time.";
    this.told.hidden = false;
  }

  take(html) {
    if (html === this.last) return;
    // An open form is not pulled away under the hand of somebody who fills it in.
    const kept = this.keep();
    this.last = html;
    // Parsed apart, so that no script and no handler of it ever runs here.
    const parsed = new DOMParser().parseFromString(html, "text/html");
    this.element.replaceChildren(...parsed.body.childNodes);
    this.restore(kept);
  }

  keep() {
    const fields = {};
    for (const field of this.element.querySelectorAll("input[id]:not([type=hidden]), select[id], textarea[id]")) {
      if (field.value !== field.defaultValue) fields[field.id] = field.value;
    }
    const open = [...this.element.querySelectorAll("details[open][id]")].map((one) => one.id);
    const active = document.activeElement;
    const focus = active && active.id && this.element.contains(active) ? active.id : "";
    const range = focus && "selectionStart" in active ? [active.selectionStart, active.selectionEnd] : null;
    return { fields, open, focus, range };
  }

  restore({ fields, open, focus, range }) {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, value] of Object.entries(fields)) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    const field = focus && document.getElementById(focus);
    if (!field) return;
    field.focus({ preventScroll: true });
    if (range && range[0] !== null) {
      try {
        field.setSelectionRange(...range);
      } catch {
        // Fields of numbers have no selection.
      }
    }
  }
}

for (const element of document.querySelectorAll("[data-live]")) new Live(element).start();
