// A picture on a page: its colour and its ThumbHash first, then the size of the registry that fits the place. The place
// has its shape from the beginning, so nothing jumps and nothing is ever grey.

import { call, make } from "./api.js";
import { drawThumbhash } from "./drawing.js";
import { imageSize, imageUrl, learnVariants } from "./images.js";

// The table of sizes, once for a page.
export async function readVariants() {
  learnVariants((await call("/api/capabilities")).imageVariants);
}

// `plain` is the address of a preview that was made when the file came in, for files of which there is no such size.
export function pictureAddress(file, variant, plain) {
  return imageUrl(file, variant) ?? plain;
}

// What stands behind a picture until it has loaded.
export function paintPlaceholder(box, file) {
  if (file.color) box.style.background = file.color;
  if (!file.thumbhash) return;
  const canvas = make("canvas", { class: "hash", "aria-hidden": "true" });
  drawThumbhash(canvas, file.thumbhash, file.rotation);
  box.prepend(canvas);
}

// Null where there is nothing to see. Where the size cannot be made the plain picture stands in, at last `instead`.
export function pictureElement(file, variant, plain, attributes, instead) {
  const address = pictureAddress(file, variant, plain);
  if (!address) return null;
  const image = make("img", { ...imageSize(file, variant), ...attributes, decoding: "async" });
  image.addEventListener("load", () => image.classList.add("loaded"));
  image.addEventListener("error", () => {
    if (plain && image.getAttribute("src") !== plain) image.src = plain;
    else image.replaceWith(instead);
  });
  image.src = address;
  if (image.complete && image.naturalWidth) image.classList.add("loaded");
  return image;
}

// A box in the shape of the whole picture: never larger than it is, never higher than the window.
export function frame(file, { width, height }, ...children) {
  const box = make("div", { class: "frame" }, ...children);
  if (width && height) {
    box.classList.add("shaped");
    box.style.setProperty("--ratio", String(width / height));
    box.style.setProperty("--width", `${width}px`);
  }
  paintPlaceholder(box, file);
  return box;
}
