// The line of time under a film or a recording: ruler, waveform, moments, playhead. Draws the visible slice and no more.

import { clock, make } from "./api.js";
import { cueAt, showSprite } from "./sprites.js";

const SHORTEST_VISIBLE = 1; // Seconds: every one of the fifty peaks of a second can be seen.
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const TICK_PIXELS = 80;
const RULER = 18;
const DRAG_PIXELS = 4;
const STEP = 5;
const KEYS = "Arrow keys move by 5 seconds, Page Up and Page Down by a tenth of what is visible, comma and full stop by one frame. Plus and minus zoom, f shows the whole length.";

export class Timeline {
  // `onSeek(second)`, `onSpan(start, end)` when a span was drawn, `needPeaks(perSecond)` when finer ones would show more.
  // `frame` is how long one frame is shown, in seconds.
  constructor(place, duration, { onSeek, onSpan, needPeaks, frame }) {
    Object.assign(this, { duration, onSeek, onSpan, needPeaks, frame });
    this.zoom = 1;
    this.left = 0;
    this.played = 0;
    this.levels = [];
    this.moments = [];
    this.span = null;
    this.cues = [];
    this.canvas = make("canvas", { class: "timeline", tabindex: 0, role: "slider", "aria-label": "Position", "aria-description": KEYS, "aria-valuemin": 0, "aria-valuemax": duration });
    this.picture = make("div", { class: "sprite", hidden: true });
    this.when = make("span", { class: "sprite-time" });
    this.hint = make("div", { class: "hover", hidden: true }, this.picture, this.when);
    this.scroll = make("input", { type: "range", class: "scrollbar", min: 0, max: 1000, value: 0, disabled: true, "aria-label": "Visible part", oninput: () => this.scrolled() });
    const zoom = (factor) => () => this.zoomBy(factor, this.played);
    const button = (label, sign, press) => make("button", { type: "button", class: "secondary", "aria-label": label, title: label, onclick: press }, sign);
    this.tools = make("div", { class: "timeline-tools" }, button("Zoom out", "−", zoom(0.5)), button("Zoom in", "+", zoom(2)), button("Whole length", "⤢", () => this.fit()), this.scroll);
    place.replaceChildren(this.hint, this.canvas, this.tools);
    this.listen();
    this.setPlayed(0);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("pointercancel", () => this.cancel());
    for (const name of ["pointerleave", "blur"]) this.canvas.addEventListener(name, () => (this.hint.hidden = true));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Another screen, or other colours.
    window.addEventListener("resize", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get visible() {
    return this.duration / this.zoom;
  }

  get width() {
    return Math.max(1, this.canvas.clientWidth);
  }

  secondAt(x) {
    return Math.min(this.duration, Math.max(0, this.left + (x / this.width) * this.visible));
  }

  xAt(second) {
    return ((second - this.left) / this.visible) * this.width;
  }

  press(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pressed = { x: event.offsetX, second: this.secondAt(event.offsetX), span: this.span, drawn: false };
  }

  move(event) {
    const second = this.secondAt(event.offsetX);
    this.showHint(event.offsetX, second);
    if (!this.pressed) return;
    this.pressed.drawn ||= Math.abs(event.offsetX - this.pressed.x) >= DRAG_PIXELS;
    if (!this.pressed.drawn) return;
    this.span = [Math.min(this.pressed.second, second), Math.max(this.pressed.second, second)];
    this.draw();
  }

  release(event) {
    if (!this.pressed) return;
    this.move(event);
    const pressed = this.pressed;
    this.pressed = null;
    if (pressed.drawn) this.onSpan(...this.span);
    else this.onSeek(pressed.second);
  }

  // A finger that turned out to scroll the page has drawn nothing.
  cancel() {
    if (!this.pressed) return;
    this.span = this.pressed.span;
    this.pressed = null;
    this.hint.hidden = true;
    this.draw();
  }

  key(event) {
    // Those of the browser: zoom, search, back.
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = this.visible / 10;
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -page, PageUp: page, ",": -this.frame, ".": this.frame };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "+" || event.key === "z") this.zoomBy(2, this.played);
    else if (event.key === "-" || event.key === "x") this.zoomBy(0.5, this.played);
    else if (event.key === "f") this.fit();
    else if (event.key === "Home") this.onSeek(0);
    else if (event.key === "End") this.onSeek(this.duration);
    else return;
    event.preventDefault();
  }

  // Who moves by keys sees the picture of the place too.
  step(by) {
    this.onSeek(Math.min(this.duration, Math.max(0, this.played + by)));
    this.showHint(this.xAt(this.played), this.played);
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.secondAt(event.offsetX));
    } else if (this.zoom > 1 && (event.deltaX || event.shiftKey)) {
      event.preventDefault();
      this.moveTo(this.left + ((event.deltaX || event.deltaY) / this.width) * this.visible);
    }
  }

  // The second that is held stays where it is on the screen.
  zoomBy(factor, anchor) {
    const share = (anchor - this.left) / this.visible;
    const before = share < 0 || share > 1 ? 0.5 : share;
    this.zoom = Math.max(1, Math.min(this.duration / SHORTEST_VISIBLE, this.zoom * factor));
    this.moveTo(anchor - before * this.visible);
  }

  fit() {
    this.zoom = 1;
    this.moveTo(0);
  }

  moveTo(left) {
    this.left = Math.min(Math.max(0, left), this.duration - this.visible);
    const room = this.duration - this.visible;
    this.scroll.value = room > 0 ? String(Math.round((1000 * this.left) / room)) : "0";
    this.scroll.disabled = room <= 0;
    this.draw();
  }

  scrolled() {
    this.left = (Number(this.scroll.value) / 1000) * (this.duration - this.visible);
    this.draw();
  }

  showHint(x, second) {
    const cue = this.cues.length ? cueAt(this.cues, second) : null;
    this.hint.hidden = false;
    this.picture.hidden = !cue;
    if (cue) showSprite(this.picture, cue);
    this.when.textContent = clock(second);
    const half = this.hint.offsetWidth / 2;
    this.hint.style.left = `${Math.min(this.width - half, Math.max(half, x))}px`;
  }

  setPlayed(second) {
    this.played = second;
    this.canvas.setAttribute("aria-valuenow", String(Math.round(second * 100) / 100));
    this.canvas.setAttribute("aria-valuetext", clock(second));
    const off = second < this.left || second > this.left + this.visible;
    if (this.zoom > 1 && off && !this.pressed) this.moveTo(second - this.visible * 0.1);
    else this.draw();
  }

  // Peaks of one level: {peaks, perSecond}. Coarser and finer ones live side by side.
  addPeaks(level) {
    this.levels = [...this.levels.filter((one) => one.perSecond !== level.perSecond), level].sort((a, b) => a.perSecond - b.perSecond);
    this.draw();
  }

  // The coarsest level that still has a peak for each column, else the finest there is.
  levelFor(columnsPerSecond) {
    return this.levels.find((level) => level.perSecond >= columnsPerSecond) ?? this.levels.at(-1);
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }

  paint() {
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [this.width, Math.max(1, this.canvas.clientHeight)];
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(height * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const colour = colours(this.canvas);
    Object.assign(this.canvas.dataset, { visible: String(Math.round(this.visible * 1000) / 1000), levels: this.levels.length, sprites: this.cues.length });
    this.paintMoments(context, height, colour);
    this.paintWave(context, width, height, colour, scale);
    this.paintRuler(context, width, colour);
    this.paintHead(context, height, colour);
  }

  paintWave(context, width, height, colour, scale) {
    const perSecond = width / this.visible;
    const level = this.levelFor(perSecond * scale);
    if (!level) return;
    if (level.perSecond < perSecond) this.needPeaks?.(perSecond * scale);
    const [middle, room] = [RULER + (height - RULER) / 2, (height - RULER) / 2 - 2];
    const head = this.xAt(this.played);
    const columns = columnsOf(level, this.left, this.visible, Math.round(width * scale));
    columns.forEach((peak, column) => {
      const x = column / scale;
      context.globalAlpha = x <= head ? 0.95 : 0.45;
      context.fillStyle = colour.accent;
      const tall = Math.max(0.5, peak * room);
      context.fillRect(x, middle - tall, 1 / scale, 2 * tall);
    });
    context.globalAlpha = 1;
  }

  paintMoments(context, height, colour) {
    const bar = ([start, end], fill, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = fill;
      context.fillRect(this.xAt(start), RULER, Math.max(2, this.xAt(end) - this.xAt(start)), height - RULER);
    };
    for (const moment of this.moments) bar([moment.start, moment.end], colour.warm, 0.28);
    if (this.span) bar(this.span, colour.accent, 0.25);
    context.globalAlpha = 1;
  }

  paintRuler(context, width, colour) {
    const step = TICKS.find((tick) => (tick / this.visible) * width >= TICK_PIXELS) ?? TICKS.at(-1);
    context.fillStyle = colour.quiet;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    for (let index = Math.ceil(this.left / step); index * step <= this.left + this.visible; index += 1) {
      const [second, x] = [index * step, this.xAt(index * step)];
      context.fillRect(x, 0, 1, 5);
      context.fillText(step < 1 ? second.toFixed(1) : clock(second), x + 3, 3);
    }
  }

  paintHead(context, height, colour) {
    context.fillStyle = colour.ink;
    context.fillRect(this.xAt(this.played) - 1, 0, 2, height);
  }
}

// The loudest peak of each column of the visible slice; only that slice is looked at.
export function columnsOf(level, left, visible, count) {
  const { peaks, perSecond } = level;
  const found = new Float32Array(count);
  for (let column = 0; column < count; column += 1) {
    const from = Math.floor((left + (visible * column) / count) * perSecond);
    const to = Math.max(from + 1, Math.floor((left + (visible * (column + 1)) / count) * perSecond));
    let loudest = 0;
    for (let at = from; at < to && at < peaks.length; at += 1) loudest = Math.max(loudest, peaks[at]);
    found[column] = loudest;
  }
  return found;
}

function colours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return { accent: read("accent"), warm: read("warm"), quiet: read("quiet"), ink: read("ink") };
}
