// What a search found on the library page: files with the reason for each, and folders.

import { call, clock, make } from "./api.js";

const SOURCES = { sound: "is heard", object: "is to be seen", person: "person", transcript: "is said", keyword: "keyword", meaning: "looks like it" };

export function searchAddress(library, q, kind, cursor) {
  const wanted = new URLSearchParams({ q, library, limit: "60", facets: "false" });
  if (kind) wanted.set("type", kind);
  if (cursor) wanted.set("cursor", cursor);
  return `/api/search?${wanted}`;
}

// As lists of files come, with the hit of each file by its id, and with what is to be said where there is none.
export async function find(address) {
  const found = await call(address);
  const files = found.entries.filter((hit) => hit.file);
  return {
    entries: files.map((hit) => hit.file),
    hits: new Map(files.map((hit) => [hit.file.id, hit])),
    folders: found.entries.filter((hit) => hit.folder).map((hit) => hit.folder),
    nextCursor: found.nextCursor,
    message: found.message ?? "Nothing of this is known here. Use fewer or other words.",
  };
}

// The best reason that the name of the file does not show already.
export function whyElement(hit) {
  const where = hit.where.find((one) => one.source !== "name" && one.text);
  if (!where) return null;
  const second = where.second === null ? "" : ` at ${clock(where.second)}`;
  const source = SOURCES[where.source] ?? where.source;
  return make("span", { class: "meta why", title: where.text }, `${source}${second}: `, ...marked(where));
}

// Ranges count characters as people do; strings of JavaScript count halves of some of them.
function marked({ text, ranges }) {
  const letters = Array.from(text);
  const part = (start, end) => letters.slice(start, end).join("");
  const parts = [];
  let at = 0;
  for (const [start, end] of ranges) {
    parts.push(part(at, start), make("mark", {}, part(start, end)));
    at = end;
  }
  return [...parts, part(at, letters.length)];
}

export function fileAddress(file, hit) {
  const start = hit?.second ? `#t=${hit.second}` : "";
  return `/files/${file.libraryId}/${file.id}${start}`;
}
