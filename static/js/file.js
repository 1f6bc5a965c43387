// The page of one file: picture or player, details, what was made of it.

import { bytes, call, clearProblem, clock, day, groupWord, make, page, refill, running, show, stateElement } from "./api.js";
import { frame, pictureAddress, pictureElement, readVariants } from "./pictures.js";
import { imageSize } from "./images.js";
import { Moments } from "./moments.js";
import { Player } from "./playing.js";
import { Posters } from "./posters.js";
import { loadSprites } from "./sprites.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";
import { loadPeaks } from "./waves.js";

const POLL = 2000;
const USUAL_RATE = 25;
const FINEST = 50; // Peaks a second.
const base = `/api/libraries/${page.library}/files/${page.file}`;
const place = (id) => document.getElementById(id);
// Told in better words already, or of no interest to people.
const TOLD = new Set(["kind", "mime", "size", "title", "cover", "bit_rate", "width", "height", "duration", "stored_width", "stored_height", "taken_at", "orientation", "frames"]);
const sizes = readVariants();
const shown = { stage: "", rotation: 0, waves: "", sprites: "", round: 0 };

// One at a time: the newest. It comes again while something runs, and after an answer that did not come.
async function load() {
  const round = (shown.round += 1);
  clearTimeout(shown.timer);
  let again = true;
  try {
    again = await look(round);
    if (shown.lost) clearProblem();
    shown.lost = false;
  } catch (problem) {
    again = shown.lost = !(problem.status < 500);
    show(problem);
  }
  if (again && round === shown.round) shown.timer = setTimeout(load, POLL);
}

// Returns whether something is still being made.
async function look(round) {
  const [file, derivatives] = await Promise.all([call(base), call(`${base}/derivatives`), sizes]);
  if (round !== shown.round) return false;
  place("name").textContent = file.name;
  document.title = `${file.name} · Alcoves`;
  place("download").href = `${file.originalUrl}?download=1`;
  if (file.kind === "video" || file.kind === "audio") await showFilm(file);
  else showStage(file);
  showTools(file);
  await showStack(file.stack);
  showDetails(file);
  refill(place("derivatives"), derivatives, () => derivatives.map(row));
  return running(file);
}

function showStage(file) {
  const what = JSON.stringify([file.kind, pictureAddress(file, "preview", file.previewUrl), file.thumbhash, file.motionUrl]);
  if (what === shown.stage) return;
  shown.stage = what;
  place("stage").replaceChildren(stage(file));
}

function stage(file) {
  const poster = pictureAddress(file, "preview", file.previewUrl);
  return poster ? picture(file) : make("p", { class: "quiet" }, file.kind === "image" ? "The preview is not ready yet." : "There is no preview for this kind of file.");
}

// The player and what lies under it stay as they are while the state is polled: only what has changed is put in.
async function showFilm(file) {
  const poster = file.kind === "video" ? pictureAddress(file, "preview", file.previewUrl) : null;
  if (!shown.player) {
    shown.player = new Player(base, file, setPlayed);
    // A film fills its place, however small it is: a player is there to be watched.
    const wide = { width: 4 * file.width, height: 4 * file.height };
    const box = file.kind === "video" ? frame(file, wide, shown.player.box) : shown.player.box;
    place("stage").replaceChildren(box);
    place("versions").replaceChildren(shown.player.bar);
  }
  showCover(file);
  await shown.player.refresh(poster);
  await showPosters(file);
  if (file.duration) await showTimeline(file);
  if (file.probe?.audio?.length) await showTranscript(file);
}

function setPlayed(second) {
  shown.timeline?.setPlayed(second);
  shown.transcript?.setPlayed(second);
}

// It looks by itself how its jobs stand, and is told here of one that begins.
async function showTranscript(file) {
  if (shown.transcript && shown.said === file.transcript_status) return shown.transcript.showBar();
  shown.transcript ??= new Transcript(place("transcript"), base, { player: shown.player, mayWrite: page.mayWrite, wanted: page.transcripts, onChange: load });
  place("transcript-box").hidden = !(await shown.transcript.load());
  shown.said = file.transcript_status;
}

// Who may write says which picture stands for it.
async function showPosters(file) {
  // A recording without a cover has no job for a poster; one may be brought.
  const has = file.kind === "audio" || (file.poster_status && file.poster_status !== "not_needed");
  const told = `${file.poster_status} ${file.posterUrl}`;
  if (!page.mayWrite || !has || shown.poster === told) return;
  shown.poster = told;
  place("poster-box").hidden = false;
  shown.posters ??= new Posters(place("poster"), base, { player: shown.player, film: file.kind === "video", onChange: load });
  await shown.posters.load();
}

// The picture that lies in a recording, or was brought for it.
function showCover(file) {
  const address = file.kind === "audio" ? (pictureAddress(file, "preview", file.previewUrl) ?? "") : "";
  const before = place("stage").querySelector("img.cover");
  if (address === (before?.getAttribute("src") ?? "")) return;
  before?.remove();
  if (address) place("stage").prepend(make("img", { class: "cover", src: address, alt: "Cover" }));
}

async function showTimeline(file) {
  if (!shown.timeline) {
    place("timeline").hidden = false;
    shown.timeline = new Timeline(place("timeline"), file.duration, {
      onSeek: (second) => shown.player.seek(second),
      onSpan: (start, end) => shown.moments.setSpan(start, end),
      needPeaks: (perSecond) => addPeaks(file, perSecond),
      frame: 1 / (file.probe?.video?.fps || USUAL_RATE),
    });
    place("moments-box").hidden = false;
    shown.moments = new Moments(place("moments"), base, { player: shown.player, timeline: shown.timeline, duration: file.duration, mayWrite: page.mayWrite });
    await shown.moments.load();
  }
  if (file.waveformUrl && file.waveformUrl !== shown.waves) {
    shown.waves = file.waveformUrl;
    shown.finest = 0;
    addPeaks(file, (shown.timeline.width * (window.devicePixelRatio || 1)) / file.duration);
  }
  if (file.spritesUrl && file.spritesUrl !== shown.sprites) {
    shown.sprites = file.spritesUrl;
    shown.timeline.cues = await loadSprites(file.spritesUrl);
    shown.timeline.draw();
  }
}

// Finer peaks are fetched when the zoom shows them, each level once: what was asked for on the way is asked again when
// the answer is drawn.
async function addPeaks(file, perSecond) {
  if (!shown.waves || shown.asking || perSecond <= shown.finest) return;
  shown.asking = true;
  const level = await loadPeaks(base, perSecond * file.duration).catch(() => null);
  shown.asking = false;
  shown.finest = Math.max(perSecond, level ? level.perSecond : 0);
  if (level?.perSecond >= FINEST) shown.finest = Infinity;
  if (level) shown.timeline.addPeaks(level);
}

// A motion photo plays where it stands, and is a picture again when it has ended.
function picture(file) {
  const none = make("p", { class: "quiet" }, "This picture cannot be shown. What was made of it is told below.");
  const image = pictureElement(file, "preview", file.previewUrl, { alt: file.name }, none);
  const box = frame(file, imageSize(file, "preview"), image);
  if (!file.motionUrl) return box;
  const film = () => make("video", { src: file.motionUrl, autoplay: true, controls: true, "aria-label": "Player", onended: () => place("stage").replaceChildren(stage(file)) });
  box.append(make("button", { class: "badge group", type: "button", onclick: () => place("stage").replaceChildren(film()) }, "▶ MOTION"));
  return box;
}

function showTools(file) {
  shown.rotation = file.rotation;
  const hide = (id, hidden) => place(id) && (place(id).hidden = hidden);
  hide("turn", file.kind !== "image");
  hide("encode", !["video", "audio"].includes(file.kind));
  hide("new-poster", file.kind !== "video");
}

// The other members, as links; who may write chooses which one stands for all, or takes them apart.
async function showStack(stack) {
  place("stack").hidden = !stack;
  if (!stack) return;
  const path = `/api/libraries/${page.library}/stacks/${stack.id}`;
  const { entries } = await call(path);
  const choose = (id) => call(path, { method: "PATCH", body: { primary: id } }).then(load).catch(show);
  const lead = (file) => make("button", { class: "plain", type: "button", onclick: () => choose(file.id) }, "show this one");
  place("members").replaceChildren(
    ...entries.map((file) =>
      make(
        "li",
        {},
        file.id === page.file ? make("strong", {}, file.name) : make("a", { href: `/files/${file.libraryId}/${file.id}` }, file.name),
        " ",
        file.id === stack.primary ? make("span", { class: "quiet" }, groupWord(file)) : page.mayWrite ? lead(file) : null,
      ),
    ),
  );
  const apart = () => call(path, { method: "DELETE" }).then(load).then(() => offerBack(() => choose(page.file))).catch(show);
  place("apart")?.replaceChildren(make("button", { class: "secondary", type: "button", onclick: apart }, "Take apart"));
}

// Until the page is left, what was taken apart by mistake is one click away from being together again.
function offerBack(choose) {
  place("stack").hidden = false;
  place("members").replaceChildren(make("li", { class: "quiet" }, "Each stands alone now."));
  place("apart").replaceChildren(make("button", { class: "secondary", type: "button", onclick: choose }, "Put together again"));
}

function showDetails(file) {
  const probe = file.probe ?? {};
  const camera = [probe.camera?.make, probe.camera?.model].filter(Boolean).join(" ");
  const pairs = [
    ["Type", file.mimeType],
    ["Size", `${bytes(file.size)} (${file.size.toLocaleString()} bytes)`],
    ["Pixels", file.width && `${file.width} × ${file.height}`],
    ["Duration", file.duration && clock(file.duration)],
    ["Bit rate", probe.bit_rate && `${Math.round(probe.bit_rate / 1000).toLocaleString()} kbit/s`],
    ["Loudness", file.loudness && (file.loudness.integrated === null ? "silence" : `${file.loudness.integrated.toFixed(1)} LUFS`)],
    ["Title", probe.title ?? probe.tags?.title],
    ["Artist", probe.tags?.artist],
    ["Album", probe.tags?.album],
    ["Genre", probe.tags?.genre],
    ["Year", probe.tags?.date],
    ["Taken", day(file.capturedAt)],
    ["Camera", camera],
    ["Added", day(file.createdAt)],
    ["SHA-256", file.hash],
    ...Object.entries(probe).filter(([name, value]) => value && !TOLD.has(name) && ["string", "number"].includes(typeof value)).map(([name, value]) => [name.replaceAll("_", " "), String(value)]),
  ];
  place("details").replaceChildren(...pairs.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function row(derivative) {
  const job = { name: derivative.deriver, status: derivative.status, progress: derivative.progress, eta: derivative.etaSeconds, error: derivative.errorMessage };
  const outputs = derivative.outputs.flatMap((output) => [make("a", { href: output.url }, output.name), ` ${bytes(output.size)} `]);
  return make(
    "tr",
    {},
    make("td", {}, [derivative.deriver, derivative.variant].filter(Boolean).join(" · ")),
    make("td", {}, stateElement(job, ""), derivative.errorMessage ? make("div", { class: "quiet" }, derivative.errorMessage) : null),
    make("td", {}, `${derivative.readyVersion} of ${derivative.requestedVersion}`),
    make("td", {}, derivative.madeBy.version ? `${derivative.madeBy.deriver} ${derivative.madeBy.version}` : ""),
    make("td", {}, ...outputs),
    // What has a name besides is asked for where it is shown: a track of sound, a picture of one's own.
    make("td", {}, page.mayWrite && !derivative.variant ? action(derivative) : null),
  );
}

function action(derivative) {
  const open = ["queued", "processing"].includes(derivative.status);
  const ask = open
    ? () => call(`${base}/derivatives/${derivative.deriver}/cancel`, { method: "POST" })
    : () => call(`${base}/reprocess`, { method: "POST", body: { deriver: derivative.deriver } });
  const press = (event) => {
    event.target.disabled = true;
    clearProblem();
    ask().then(load).catch(show).finally(() => (event.target.disabled = false));
  };
  return make("button", { class: "secondary", type: "button", "data-key": derivative.deriver, onclick: press }, open ? "Cancel" : "Make anew");
}

place("rename")?.addEventListener("click", () => {
  const name = prompt("New name", place("name").textContent);
  if (name) call(base, { method: "PATCH", body: { name } }).then(load).catch(show);
});
place("turn")?.addEventListener("click", () => {
  call(base, { method: "PATCH", body: { rotation: (shown.rotation + 90) % 360 } }).then(load).catch(show);
});
place("encode")?.addEventListener("click", () => call(`${base}/proxy`, { method: "POST", body: { force: true } }).then(load).catch(show));
place("new-poster")?.addEventListener("click", () => call(`${base}/reprocess`, { method: "POST", body: { deriver: "poster" } }).then(load).catch(show));
place("trash")?.addEventListener("click", () => {
  if (confirm("Move this file to the trash?")) call(base, { method: "DELETE" }).then(() => location.assign(place("back").href), show);
});
load();
