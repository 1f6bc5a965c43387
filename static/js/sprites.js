// Small pictures of a film by the second, cut out of sheets that a WebVTT map names.

const CUE = /^(\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d+):(\d\d):(\d\d)\.(\d{3})/;
const AREA = /^(.*)#xywh=(\d+),(\d+),(\d+),(\d+)$/;

export async function loadSprites(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  return answer.ok ? readMap(await answer.text(), new URL(url, location.href)) : [];
}

// Cues in the order of time: {start, end, sheet, x, y, width, height}.
export function readMap(text, base) {
  const cues = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length - 1; at += 1) {
    const time = CUE.exec(lines[at]);
    const area = time && AREA.exec(lines[at + 1]);
    if (!area) continue;
    const [x, y, width, height] = area.slice(2).map(Number);
    cues.push({ start: seconds(time, 1), end: seconds(time, 5), sheet: new URL(area[1], base).href, x, y, width, height });
  }
  return cues;
}

function seconds(found, from) {
  const [hours, minutes, whole, thousandths] = found.slice(from, from + 4).map(Number);
  return hours * 3600 + minutes * 60 + whole + thousandths / 1000;
}

// The cue that holds a second, by halving; the last one beyond the end.
export function cueAt(cues, second) {
  let low = 0;
  let high = cues.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (cues[middle].start <= second) low = middle;
    else high = middle - 1;
  }
  return cues[low];
}

export function showSprite(element, cue) {
  element.style.width = `${cue.width}px`;
  element.style.height = `${cue.height}px`;
  element.style.backgroundImage = `url("${cue.sheet}")`;
  element.style.backgroundPosition = `-${cue.x}px -${cue.y}px`;
}
