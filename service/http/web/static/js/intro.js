// What the page does, for a first visit; closed once, it stays closed.
import { byId } from "./dom.js";

const NAME = "acorn-intro"; // also in early.js

/** Make the button work. */
export function watchIntro() {
  byId("intro-close").addEventListener("click", () => {
    document.documentElement.dataset.intro = "closed";
    localStorage.setItem(NAME, "closed");
  });
}
