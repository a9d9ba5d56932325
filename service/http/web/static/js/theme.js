// Light, dark, or as the system has it.
import { byId } from "./dom.js";

const NAME = "acorn-theme"; // also in early.js
const NEXT = { "": "light", light: "dark", dark: "" };
const LABELS = { "": "auto", light: "light", dark: "dark" };

/**
 * Make the button work.
 * @param {() => void} onChange called whenever the colours have changed
 */
export function watchTheme(onChange) {
  const button = byId("theme");
  const root = document.documentElement;
  const show = () => {
    button.textContent = `Theme: ${LABELS[/** @type {keyof typeof LABELS} */ (root.dataset.theme ?? "")]}`;
  };
  button.addEventListener("click", () => {
    const next = NEXT[/** @type {keyof typeof NEXT} */ (root.dataset.theme ?? "")];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    localStorage.setItem(NAME, next);
    show();
    onChange();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}

/**
 * Colours of the page, for what is not drawn by CSS.
 * @param {string[]} names of custom properties
 * @returns {string[]}
 */
export function colours(...names) {
  const probe = document.body.appendChild(document.createElement("span"));
  const found = names.map((name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}
