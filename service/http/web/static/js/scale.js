// An accuracy and its interval on a scale that is as narrow as the interval asks for.
import { el, placed } from "./dom.js";

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
const MOST_TICKS = 5;
const LEAST_ROOM = 0.5; // percent points on either side
const ROOM = 1.2; // intervals on either side

/** @typedef {{value: number, lower: number, upper: number}} Estimate */

/**
 * @param {HTMLElement} place
 * @param {Estimate} estimate in percent
 */
export function drawScale(place, { value, lower, upper }) {
  const room = Math.max(LEAST_ROOM, ROOM * (upper - lower));
  const low = Math.max(0, lower - room);
  const high = Math.min(100, upper + room);
  const share = (/** @type {number} */ x) => (x - low) / (high - low);
  place.replaceChildren(
    el("div", { class: "axis" }),
    placed(el("div", { class: "band" }), share(lower), share(upper)),
    placed(el("div", { class: "dot" }), share(value)),
    ...ticks(low, high).map((x) => placed(el("span", { class: "tick" }, String(x)), share(x))),
  );
}

/**
 * Round numbers inside [low, high].
 * @param {number} low
 * @param {number} high
 * @param {number} [most]
 */
export function ticks(low, high, most = MOST_TICKS) {
  const step = STEPS.find((each) => (high - low) / each <= most) ?? STEPS[STEPS.length - 1];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(2)));
}
