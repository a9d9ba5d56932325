// A field that finds networks by parts of their names, as a combobox with a list.
import { broken, el } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {{arch: string, image_size?: number, text: string}} Network text has its predicted values */

const MOST_OPTIONS = 50;

/**
 * @param {(arch: string, imageSize?: number) => void} onPick
 * @returns {import("./editors.js").Editor}
 */
export function networkSearch(onPick) {
  /** @type {Network[]} */
  let networks = [];
  /** @type {Network[]} */
  let matches = [];
  let active = -1;
  const input = el("input", {
    type: "search", id: "network", role: "combobox", autocomplete: "off", spellcheck: "false", autocapitalize: "off",
    placeholder: "part of a name, such as resnet 50", "aria-expanded": "false", "aria-controls": "networks",
    "aria-autocomplete": "list", "aria-describedby": "network-hint",
  });
  const list = el("ul", { id: "networks", role: "listbox", "aria-label": "Networks", hidden: true });
  const hint = el("p", { class: "hint", id: "network-hint" });
  const element = el(
    "div",
    { class: "search", hidden: true },
    el("label", { class: "over", for: "network" }, "Search a network"),
    el("div", { class: "combobox" }, input, list),
    hint,
  );

  function open() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = networks.filter(({ arch }) => words.every((word) => arch.includes(word)));
    const first = words[0] ?? "";
    matches = fitting.sort((a, b) => rank(a, first) - rank(b, first) || byName(a, b)).slice(0, MOST_OPTIONS);
    hint.textContent = input.value && `${counted(fitting.length, "match").replace("matchs", "matches")}.`;
    list.replaceChildren(...matches.map(option));
    list.hidden = !matches.length;
    list.scrollTop = 0;
    activate(-1);
  }

  function close() {
    list.hidden = true;
    activate(-1);
  }

  /** @param {number} place of the option that the keyboard has reached, or -1 */
  function activate(place) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = place;
    const option = list.children[active];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  /** @param {Network} network @param {number} place */
  function option(network, place) {
    const size = network.image_size ? ` · ${network.image_size} px` : "";
    const item = el(
      "li",
      { role: "option", id: `network-${place}`, "aria-selected": "false" },
      el("b", {}, broken(network.arch), size),
      el("span", {}, network.text),
    );
    item.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => event.preventDefault());
    item.addEventListener("click", () => pick(place));
    return item;
  }

  /** @param {number} place */
  function pick(place) {
    const { arch, image_size } = matches[place];
    input.value = arch;
    hint.textContent = "";
    close();
    onPick(arch, image_size);
  }

  input.addEventListener("input", open);
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      if (list.hidden) open();
      activate((active + step + matches.length) % (matches.length || 1));
    } else if (event.key === "Enter") {
      if (!list.hidden) pick(Math.max(active, 0));
    } else if (event.key === "Escape" && !list.hidden) close();
    else return;
    event.preventDefault();
  });

  return {
    element,
    show(arch) {
      if (document.activeElement !== input) input.value = arch;
      return true;
    },
    list(known) {
      networks = known;
      element.hidden = !networks.length;
    },
  };
}

/** @param {Network} network @param {string} word @returns {number} names that begin with the word come first */
const rank = ({ arch }, word) => (arch.startsWith(word) ? 0 : 1);

/** @param {Network} a @param {Network} b @returns {number} 0 for the same network at two sizes, which keep their order */
const byName = (a, b) => a.arch.localeCompare(b.arch, "en", { numeric: true });
