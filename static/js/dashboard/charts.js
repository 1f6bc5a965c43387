// Charts of the theme's Chart.js, in colours that are told apart on white and on dark. A table beside each says the same.

import { bytes, element } from "./building.js";

const LIGHT = ["#2f6fde", "#d9730d", "#1b8a5a", "#a8327f", "#7a5af0", "#b38600", "#0e8a99", "#c0392b", "#5b6b7f", "#6d8f1f"];
const DARK = ["#7aa7ff", "#ffa65c", "#63d29b", "#f08bcf", "#b6a3ff", "#f2d064", "#5fd3e0", "#ff9d94", "#a9b6c6", "#bfe06b"];
const STATUS = {
  light: { ready: "#1b8a5a", not_needed: "#8b97a6", queued: "#2f6fde", processing: "#d9730d", failed: "#c0392b" },
  dark: { ready: "#63d29b", not_needed: "#8492a4", queued: "#7aa7ff", processing: "#ffa65c", failed: "#ff9d94" },
};
const drawn = new Map();

const dark = () => document.documentElement.classList.contains("dark");
export const color = (place) => (dark() ? DARK : LIGHT)[place % LIGHT.length];
export const statusColor = (status) => STATUS[dark() ? "dark" : "light"][status];

export function forget(body) {
  for (const [canvas, chart] of drawn) {
    if (body.contains(canvas)) { chart.destroy(); drawn.delete(canvas); }
  }
}

// The canvas has to be in the page before its size is known: `later` draws it then.
export function chart(label, configuration, tall = false) {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const box = element("div", { class: `dash-chart${tall ? " dash-tall" : ""}` }, canvas);
  box.later = () => drawn.set(canvas, new window.Chart(canvas, themed(configuration)));
  return box;
}

function themed({ type, data, options = {} }) {
  const ink = dark() ? "#c4cdd9" : "#3d4754";
  const line = dark() ? "#323c49" : "#e3e7ec";
  const scales = Object.fromEntries(Object.entries(options.scales || {}).map(([name, scale]) =>
    [name, { ...scale, grid: { color: line, ...scale.grid }, ticks: { color: ink, ...scale.ticks }, title: { color: ink, ...scale.title } }]));
  const legend = { position: "bottom", labels: { color: ink, boxWidth: 12, boxHeight: 12 } };
  return { type, data, options: { responsive: true, maintainAspectRatio: false, animation: false, ...options, scales,
    plugins: { ...options.plugins, legend: { ...legend, ...(options.plugins?.legend || {}) } } } };
}

export const inBytes = { ticks: { callback: (value) => bytes(value) } };
export const bytesTip = { callbacks: { label: (item) => `${item.dataset.label}: ${bytes(item.raw)}` } };
