// Draws what shows before or instead of a picture: thumbhash placeholders, and waveforms on a canvas.

// ThumbHash by Evan Wallace (MIT): some 25 bytes to at most 32 x 32 pixels. `turn`: degrees clockwise, in quarters. What
// is transparent is white, as in the JPEG that follows.
export function drawThumbhash(canvas, text, turn = 0) {
  const hash = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const more = hash[3] | (hash[4] << 8);
  const hasAlpha = Boolean(head >> 23);
  const landscape = Boolean(more >> 15);
  const limit = hasAlpha ? 5 : 7;
  const across = landscape ? limit : more & 7;
  const down = landscape ? more & 7 : limit;
  const nx = Math.max(3, across);
  const ny = Math.max(3, down);
  let index = 0;
  const start = hasAlpha ? 6 : 5;
  const terms = (columns, rows, scale) => {
    const found = [];
    for (let y = 0; y < rows; y += 1) {
      for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x += 1) {
        found.push((((hash[start + (index >> 1)] >> ((index & 1) << 2)) & 15) / 7.5 - 1) * scale);
        index += 1;
      }
    }
    return found;
  };
  const light = { dc: (head & 63) / 63, ac: terms(nx, ny, ((head >> 18) & 31) / 31), nx, ny };
  const yellow = { dc: ((head >> 6) & 63) / 31.5 - 1, ac: terms(3, 3, (((more >> 3) & 63) / 63) * 1.25), nx: 3, ny: 3 };
  const red = { dc: ((head >> 12) & 63) / 31.5 - 1, ac: terms(3, 3, (((more >> 9) & 63) / 63) * 1.25), nx: 3, ny: 3 };
  const clear = hasAlpha
    ? { dc: (hash[5] & 15) / 15, ac: terms(5, 5, (hash[5] >> 4) / 15), nx: 5, ny: 5 }
    : { dc: 1, ac: [], nx: 0, ny: 0 };
  const ratio = across / down;
  const sides = [Math.max(1, Math.round(ratio > 1 ? 32 : 32 * ratio)), Math.max(1, Math.round(ratio > 1 ? 32 / ratio : 32))];
  [canvas.width, canvas.height] = turn % 180 ? sides.reverse() : sides;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1, at += 4) {
      const [u, v] = before(turn, (x + 0.5) / canvas.width, (y + 0.5) / canvas.height);
      const value = (channel) => sum(channel, u, v);
      const [l, p, q] = [value(light), value(yellow), value(red)];
      const b = l - (2 / 3) * p;
      const r = (3 * l - b + q) / 2;
      const alpha = value(clear);
      image.data.set([...[r, r - q, b].map((part) => 255 * (part * alpha + 1 - alpha)), 255], at);
    }
  }
  context.putImageData(image, 0, 0);
}

// Where a point of the turned picture, 0 to 1, was before the turn.
function before(turn, x, y) {
  return { 90: [y, 1 - x], 180: [1 - x, 1 - y], 270: [1 - y, x] }[turn] ?? [x, y];
}

function sum(channel, x, y) {
  let total = channel.dc;
  for (let row = 0, at = 0; row < channel.ny; row += 1) {
    for (let column = row ? 0 : 1; column * channel.ny < channel.nx * (channel.ny - row); column += 1, at += 1) {
      const factor = (column ? 1 : 0.5) * (row ? 1 : 0.5) * 4;
      total += channel.ac[at] * (factor / 2) * Math.cos(Math.PI * column * x) * Math.cos(Math.PI * row * y);
    }
  }
  return total;
}

// One bar per few pixels, the loudest peak of its share; `played` (0 to 1) is drawn in full colour.
export function drawWaveform(canvas, peaks, { color, played = null } = {}) {
  const box = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(box.width * scale));
  canvas.height = Math.max(1, Math.round(box.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = color ?? getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const step = 4 * scale;
  const count = Math.max(1, Math.floor(canvas.width / step));
  for (let bar = 0; bar < count && peaks.length; bar += 1) {
    const from = Math.floor((bar * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / count));
    let peak = 0;
    for (let at = from; at < to; at += 1) peak = Math.max(peak, peaks[at]);
    const height = Math.max(2 * scale, peak * canvas.height * 0.92);
    context.globalAlpha = played === null || bar / count <= played ? 0.95 : 0.4;
    context.beginPath();
    context.roundRect(bar * step, (canvas.height - height) / 2, step - 1.5 * scale, height, 1.5 * scale);
    context.fill();
  }
}
