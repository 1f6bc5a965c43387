// Talks to the API as the person who is logged in, and writes numbers as people read them.

export const page = JSON.parse(document.getElementById("page")?.textContent ?? "{}");

// `status` is that of the answer; none where there was no answer.
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function csrfToken() {
  const found = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  return found ? decodeURIComponent(found[1]) : "";
}

export async function call(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem("The server cannot be reached. Check the connection and try again.");
  }
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const data = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Problem(data?.message ?? `The server answered ${response.status}. Try again.`, response.status);
  return data;
}

// Sends one file as the body of a request. XMLHttpRequest, because fetch tells nothing of how far an upload is.
export function send(file, folder, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/libraries/${page.library}/files`);
    request.responseType = "json";
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Upload-Name", encodeURIComponent(file.name));
    request.setRequestHeader("X-Upload-Last-Modified", String(file.lastModified));
    if (folder) request.setRequestHeader("X-Upload-Folder-Id", folder);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / Math.max(1, event.total)));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.response?.message ?? `The server answered ${request.status}. Try again.`));
    });
    request.addEventListener("error", () => reject(new Problem("The connection was lost. Try again.")));
    request.send(file);
  });
}

export function show(problem) {
  const place = document.getElementById("problem");
  place.textContent = problem instanceof Problem ? problem.message : `Something went wrong on this page (${problem}). Load it again.`;
  place.hidden = false;
}

export function clearProblem() {
  document.getElementById("problem").hidden = true;
}

// The only way elements are made here: text goes in as text, so no file name can become markup.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Puts other children in, only where `told` is news, and leaves the focus where it was: on what has the same `data-key`.
export function refill(place, told, build) {
  const news = JSON.stringify(told);
  if (place.dataset.told === news) return;
  place.dataset.told = news;
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(...build());
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

export function bytes(count) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const power = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : String(part))).join(":");
}

export function day(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";
}

// What a card says of the files it stands for.
export function groupWord(file) {
  if (file.stack) return { live_photo: "LIVE", burst: `BURST ${file.stack.count}`, raw: "RAW" }[file.stack.kind];
  return file.motionUrl ? "MOTION" : "";
}

export const WORDS = { queued: "waiting", processing: "running", ready: "ready", not_needed: "not needed", failed: "failed" };

// The jobs of a file, as the flattened columns tell them.
export function jobs(file) {
  return Object.keys(file)
    .filter((key) => key.endsWith("_status") && file[key])
    .map((key) => {
      const name = key.slice(0, -"_status".length);
      return { name, status: file[key], progress: file[`${name}_progress`], eta: file[`${name}_eta_seconds`], error: file[`${name}_error`] };
    });
}

export function running(file) {
  return jobs(file).some((job) => job.status === "queued" || job.status === "processing");
}

export function stateElement(job, label = job.name) {
  const words = job.status === "processing" ? `${job.progress ?? 0} %` : WORDS[job.status];
  const left = job.status === "processing" && job.eta ? ` · ${clock(job.eta)} left` : "";
  const element = make("span", { class: `state ${job.status}`, title: job.error }, `${label ? `${label} ` : ""}${words}${left}`);
  if (job.status === "processing") element.append(make("progress", { max: 100, value: job.progress ?? 0, "aria-label": `${job.name} ${words}` }));
  return element;
}
