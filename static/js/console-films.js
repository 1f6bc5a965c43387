// Films on the console's pages: a slider shows the small picture of each second.

import { cueAt, loadSprites, showSprite } from "./sprites.js";

for (const film of document.querySelectorAll(".console-film")) {
  const [frame, slider] = [film.querySelector(".frame"), film.querySelector("input")];
  loadSprites(film.dataset.map).then((cues) => {
    if (!cues.length) return film.remove();
    slider.max = Math.floor(cues.at(-1).end);
    const show = () => showSprite(frame, cueAt(cues, Number(slider.value)));
    slider.addEventListener("input", show);
    frame.addEventListener("pointermove", (event) => {
      const box = frame.getBoundingClientRect();
      slider.value = Math.round(((event.clientX - box.left) / box.width) * slider.max);
      show();
    });
    show();
  });
}
