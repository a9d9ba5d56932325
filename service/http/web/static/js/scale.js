// A value and its interval on a scale that is as narrow as the interval asks for.
import { el, placed } from "./dom.js";
import { three } from "./format.js";

const STEPS = [0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5].flatMap((power) => [power, 2 * power, 5 * power]);
const LEAST_TICKS = 2;
const MOST_TICKS = 5;
const LEAST_ROOM = 0.5; // percent points on either side
const ROOM = 1.2; // intervals on either side
const LOG_STEPS = [1, 1.5, 2, 3, 5, 7]; // of each power of ten
const LEAST_APART = 0.28; // of the width, between two marks of a log scale

/** @typedef {{value: number, lower: number, upper: number}} Estimate */

/**
 * @param {HTMLElement} place
 * @param {Estimate} estimate
 * @param {string} [kind] percent, linear or log
 */
export function drawScale(place, { value, lower, upper }, kind = "percent") {
  if (kind === "log") {
    const room = (upper / lower) ** ROOM;
    const [low, high] = [lower / room, upper * room];
    const marks = logTicks(low, high);
    draw(place, [lower, value, upper], low, high, Math.log, marks.length < LEAST_TICKS ? ticks(low, high) : marks);
    return;
  }
  const room = Math.max(LEAST_ROOM, ROOM * (upper - lower));
  const low = Math.max(0, lower - room);
  const high = kind === "percent" ? Math.min(100, upper + room) : upper + room;
  draw(place, [lower, value, upper], low, high, (x) => x, ticks(low, high));
}

/**
 * @param {HTMLElement} place
 * @param {number[]} estimate lower, value and upper
 * @param {number} low
 * @param {number} high
 * @param {(x: number) => number} even which makes the scale even
 * @param {number[]} marks
 */
function draw(place, [lower, value, upper], low, high, even, marks) {
  const share = (/** @type {number} */ x) => (even(x) - even(low)) / (even(high) - even(low));
  place.replaceChildren(
    el("div", { class: "axis" }),
    placed(el("div", { class: "band" }), share(lower), share(upper)),
    placed(el("div", { class: "dot" }), share(value)),
    ...marks.map((x) => placed(el("span", { class: "tick" }, three(x)), share(x))),
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

/**
 * Round numbers inside [low, high] that are some way apart on a log scale.
 * @param {number} low above 0
 * @param {number} high
 */
function logTicks(low, high) {
  const width = Math.log(high / low);
  /** @type {number[]} */
  const marks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const step of LOG_STEPS) {
      const mark = step * 10 ** power;
      const last = marks[marks.length - 1] ?? 0;
      if (mark >= low && mark <= high && Math.log(mark / last) > LEAST_APART * width) marks.push(mark);
    }
  }
  return marks;
}
