// Peaks of a recording in the compact form: a header of 24 bytes, then a byte for each peak. docs/waveforms.md.

const HEADER = 24;
const MAGIC = 0x46574c41; // "ALWF", little-endian.
const LOUDEST = 127;

const known = new Map();

// As `loadPeaks`, each version of a waveform once; null where it did not come.
export function peaksOf(file, points) {
  const key = `${file.waveformUrl} ${points}`;
  if (!known.has(key)) known.set(key, loadPeaks(`/api/libraries/${file.libraryId}/files/${file.id}`, points).catch(() => null));
  return known.get(key);
}

// The coarsest level that has so many peaks, else the finest: {peaks (0 to 1), perSecond}. Null where there is none.
export async function loadPeaks(base, points) {
  const answer = await fetch(`${base}/waveform?points=${Math.ceil(points)}`, { credentials: "same-origin", headers: { Accept: "application/octet-stream" } });
  return answer.ok ? readPeaks(await answer.arrayBuffer()) : null;
}

export function readPeaks(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER || view.getUint32(0, true) !== MAGIC) return null;
  const from = view.getUint16(6, true);
  const perSecond = view.getUint32(8, true) / view.getUint32(12, true);
  const raw = new Uint8Array(buffer, from, Math.min(view.getUint32(16, true), buffer.byteLength - from));
  return { peaks: Float32Array.from(raw, (peak) => peak / LOUDEST), perSecond };
}
