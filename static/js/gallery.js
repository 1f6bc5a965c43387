// The library page: folders, cards, uploads, and polling while something runs.

import { Problem, bytes, call, clearProblem, clock, groupWord, jobs, make, page, running, send, show, stateElement } from "./api.js";
import { drawWaveform } from "./drawing.js";
import { fileAddress, find, searchAddress, whyElement } from "./finding.js";
import { paintPlaceholder, pictureElement, readVariants } from "./pictures.js";
import { peaksOf } from "./waves.js";

const POLL = 2000;
const AT_ONCE = 8;
const LINGER = 150; // ms that a pointer rests on a card before its video moves: whoever only passes by loads nothing
const PEAKS = 200; // Of a card: more than it has bars, however long the recording is.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const files = new Map();
const hits = new Map(); // Why a file was found, by its id; empty where nothing is searched for.
const sizes = page.library && readVariants();
const state = { folder: new URLSearchParams(location.search).get("folder"), q: "", kind: "", trash: false, cursor: null, round: 0 };
const place = (id) => document.getElementById(id);

// The trash is looked through by name alone; in what is live all is searched that is known of it.
const searches = () => state.q !== "" && !state.trash;

function list(cursor) {
  return searches() ? find(searchAddress(page.library, state.q, state.kind, cursor)) : call(query(cursor));
}

function query(cursor) {
  const wanted = new URLSearchParams({ limit: "60" });
  if (state.q) wanted.set("q", state.q);
  if (state.trash) wanted.set("trashed", "true");
  else wanted.set("folder", state.kind ? "any" : (state.folder ?? "root"));
  if (state.kind) wanted.set("kind", state.kind);
  if (!state.trash) wanted.set("stacks", "closed");
  if (cursor) wanted.set("cursor", cursor);
  return `/api/libraries/${page.library}/files?${wanted}`;
}

async function load() {
  const round = (state.round += 1);
  try {
    const [folders, found] = await Promise.all([call(`/api/libraries/${page.library}/folders`), list(null), sizes]);
    if (round !== state.round) return;
    clearProblem();
    showFolders(folders);
    files.clear();
    hits.clear();
    place("files").replaceChildren();
    add(found);
  } catch (problem) {
    show(problem);
  }
  place("files").setAttribute("aria-busy", "false");
}

function add(found) {
  for (const [id, hit] of found.hits ?? []) hits.set(id, hit);
  place("folders").append(...(found.folders ?? []).map(folderElement));
  for (const file of found.entries) put(file);
  state.cursor = found.nextCursor;
  place("more").hidden = !found.nextCursor;
  const empty = place("empty");
  empty.hidden = files.size > 0 || place("folders").children.length > 0;
  empty.textContent = state.trash ? "The trash is empty." : found.message ? found.message : state.kind ? "Nothing here is of this kind." : page.mayWrite ? "Nothing here yet. Drop files anywhere on this page." : "Nothing here yet.";
}

// Puts a file where its card is, or at the end; an unchanged card is left alone, so that nothing flickers.
function put(file) {
  const before = files.get(file.id);
  if (follows(file)) return hide(file);
  if (before && JSON.stringify(before.file) === JSON.stringify(file)) return;
  const item = make("li", { "data-file": file.id }, state.trash ? trashedCard(file) : card(file));
  if (before) before.item.replaceWith(item);
  else place("files").append(item);
  files.set(file.id, { file, item });
  paint(item, file);
}

// Whether another card stands for this file: as the server leaves such files out of a closed list.
function follows(file) {
  return !state.trash && file.stack && file.stack.primary !== file.id && files.has(file.stack.primary);
}

// It has found its stack while the page was open: its leader has something new to tell.
function hide(file) {
  files.get(file.id)?.item.remove();
  files.delete(file.id);
  ask(file.stack.primary).then(put, show);
}

async function ask(id) {
  const { probe, ...file } = await call(`/api/libraries/${page.library}/files/${id}`);
  return file;
}

function card(file) {
  const size = file.width && file.height ? ` · ${file.width} × ${file.height}` : "";
  const hit = hits.get(file.id);
  const link = make(
    "a",
    { class: "card", href: fileAddress(file, hit) },
    thumb(file),
    make(
      "div",
      { class: "facts" },
      make("span", { class: "name", title: file.name }, file.name),
      make("span", { class: "meta" }, `${bytes(file.size)}${size} · ${file.mimeType.replace(/^[^/]*\/(x-)?/, "")}`),
      hit ? whyElement(hit) : null,
      states(file),
    ),
  );
  if (file.hoverUrl) moveOnHover(link, file);
  return link;
}

// A few seconds of the video while it is pointed at or has the focus; loaded then and never before.
function moveOnHover(link, file) {
  let timer = 0;
  const stop = () => {
    clearTimeout(timer);
    link.querySelector("img.moving")?.remove();
  };
  const start = () => {
    stop();
    if (calm.matches) return;
    timer = setTimeout(() => {
      const moving = make("img", { class: "moving", alt: "", decoding: "async" });
      moving.addEventListener("load", () => moving.classList.add("loaded"));
      moving.addEventListener("error", () => moving.remove());
      moving.src = file.hoverUrl;
      const still = link.querySelector(".thumb img, .thumb .icon");
      if (still) still.after(moving);
      else link.querySelector(".thumb").prepend(moving);
    }, LINGER);
  };
  for (const name of ["pointerenter", "focus"]) link.addEventListener(name, start);
  for (const name of ["pointerleave", "blur"]) link.addEventListener(name, stop);
}

// In the trash a card leads nowhere; it offers the way back.
function trashedCard(file) {
  const facts = make(
    "div",
    { class: "facts" },
    make("span", { class: "name", title: file.name }, file.name),
    make("span", { class: "meta" }, bytes(file.size)),
  );
  if (page.mayWrite) facts.append(make("button", { class: "secondary", type: "button", onclick: () => restore(file) }, "Restore"));
  return make("div", { class: "card" }, thumb(file), facts);
}

async function restore(file) {
  await call(`/api/libraries/${page.library}/files/restore`, { method: "POST", body: { fileIds: [file.id] } }).then(load, show);
}

function thumb(file) {
  const box = make("div", { class: `thumb${file.kind === "audio" ? " sound" : ""}` });
  const icon = make("span", { class: `icon ${file.kind}`, "aria-hidden": "true" });
  const image = pictureElement(file, "card", file.thumbUrl, { alt: `Preview of ${file.name}`, loading: "lazy" }, icon);
  paintPlaceholder(box, file);
  if (image ?? !file.waveformUrl) box.append(image ?? icon);
  if (file.waveformUrl) box.append(make("canvas", { class: file.kind === "audio" ? "wave" : "wave strip", role: "img", "aria-label": `Waveform of ${file.name}` }));
  const group = groupWord(file);
  if (group) box.append(make("span", { class: "badge group" }, group));
  if (file.duration) box.append(make("span", { class: "badge" }, clock(file.duration)));
  return box;
}

// One line when all is well; else every job that waits, runs or has failed.
function states(file) {
  const open = jobs(file).filter((job) => !["ready", "not_needed"].includes(job.status));
  const list = make("div", { class: "states" });
  if (open.length) list.append(...open.map((job) => stateElement(job)));
  else if (jobs(file).length) list.append(make("span", { class: "state ready" }, "ready"));
  return list;
}

function paint(item, file) {
  const wave = item.querySelector("canvas.wave");
  if (!wave) return;
  const color = wave.classList.contains("strip") ? "#fff" : undefined;
  peaksOf(file, PEAKS).then((found) => {
    if (found?.peaks.length) drawWaveform(wave, found.peaks, { color });
    else wave.remove();
  });
}

function showFolders(all) {
  const byId = new Map(all.map((folder) => [folder.id, folder]));
  const trail = [];
  for (let at = byId.get(state.folder); at; at = byId.get(at.parentId)) trail.unshift(at);
  const link = (folder, text) => make("a", { href: address(folder), onclick: (event) => go(event, folder) }, text);
  place("crumbs").replaceChildren(...(trail.length ? [link(null, "Top"), ...trail.map((folder) => link(folder.id, folder.name))] : []));
  const here = state.q || state.kind || state.trash ? [] : all.filter((folder) => folder.parentId === (state.folder ?? null));
  place("folders").replaceChildren(...here.map(folderElement));
}

function folderElement(folder) {
  return make(
    "li",
    {},
    make(
      "a",
      { class: "folder", href: address(folder.id), onclick: (event) => go(event, folder.id) },
      make("span", { class: "icon folder", "aria-hidden": "true" }),
      make("span", { class: "name" }, folder.name),
    ),
  );
}

function address(folder) {
  return `/?library=${page.library}${folder ? `&folder=${folder}` : ""}`;
}

function go(event, folder) {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", address(folder));
  state.folder = folder;
  state.q = place("q").value = "";
  load();
}

async function poll() {
  const open = [...files.values()].filter((entry) => running(entry.file)).slice(0, AT_ONCE);
  if (open.length && !document.hidden) {
    for (const answer of await Promise.allSettled(open.map((entry) => ask(entry.file.id)))) {
      if (answer.status === "fulfilled" && files.has(answer.value.id)) put(answer.value);
    }
  }
  setTimeout(poll, POLL);
}

async function upload(list) {
  for (const file of list) {
    const bar = make("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    const words = make("span", {}, "0 %");
    const row = make("div", { class: "upload" }, make("span", { class: "name" }, file.name), words, bar);
    place("uploads").append(row);
    try {
      if (file.size > page.maxUploadBytes) throw new Problem(`This file is larger than the limit of ${bytes(page.maxUploadBytes)}.`);
      const made = await send(file, state.folder, (share) => {
        bar.value = share;
        words.textContent = share < 1 ? `${Math.floor(share * 100)} %` : "storing …";
      });
      row.remove();
      put(await ask(made.id));
      place("empty").hidden = true;
    } catch (problem) {
      row.classList.add("failed");
      bar.remove();
      words.textContent = problem.message;
      row.append(make("button", { class: "plain", type: "button", onclick: () => row.remove() }, "Dismiss"));
    }
  }
}

function listen() {
  let timer = 0;
  place("q").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      state.q = event.target.value.trim();
      load();
    }, 250);
  });
  place("kind").addEventListener("change", (event) => {
    state.trash = event.target.value === "trash";
    state.kind = state.trash ? "" : event.target.value;
    load();
  });
  place("search").addEventListener("submit", (event) => event.preventDefault());
  place("switch")?.addEventListener("change", (event) => location.assign(`/?library=${encodeURIComponent(event.target.value)}`));
  place("more").addEventListener("click", () => list(state.cursor).then(add, show));
  window.addEventListener("popstate", () => {
    state.folder = new URLSearchParams(location.search).get("folder");
    load();
  });
  window.addEventListener("resize", () => files.forEach(({ item, file }) => paint(item, file)));
  if (page.mayWrite) listenForFiles();
}

function listenForFiles() {
  const picker = place("picker");
  const take = () => {
    if (picker.files.length) upload([...picker.files]);
    picker.value = "";
  };
  picker.addEventListener("change", take);
  take(); // Chosen before this script was there.
  place("new-folder").addEventListener("click", async () => {
    const name = prompt("Name of the new folder");
    if (!name) return;
    await call(`/api/libraries/${page.library}/folders`, { method: "POST", body: { name, parentId: state.folder } }).then(load, show);
  });
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (carries(event)) place("drop").hidden = (depth += 1) === 0;
  });
  window.addEventListener("dragleave", (event) => {
    if (carries(event)) place("drop").hidden = (depth -= 1) <= 0;
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    place("drop").hidden = true;
    if (event.dataTransfer.files.length) upload([...event.dataTransfer.files]);
  });
}

if (page.library) {
  listen();
  load().then(() => setTimeout(poll, POLL));
}
