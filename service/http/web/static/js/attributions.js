// Why this number: contributions as a waterfall; and what the forest relies on in general.
import { broken, byId, el, placed } from "./dom.js";
import { points, signed, three } from "./format.js";

const MOST_STEPS = 8;
const MOST_IMPORTANCES = 10;

/** @typedef {{feature: string, contribution: number}} Contribution */
/** @typedef {{feature: string, importance: number, std: number | null}} Importance */

/**
 * From the baseline to the prediction, the largest steps first and all small ones as one.
 * @param {number} baseline
 * @param {Contribution[]} contributions largest first
 * @param {number} value
 */
export function showWaterfall(baseline, contributions, value) {
  const steps = contributions.slice(0, MOST_STEPS).map((each) => ({ ...each }));
  const rest = contributions.slice(MOST_STEPS);
  if (rest.length) {
    const contribution = rest.reduce((sum, each) => sum + each.contribution, 0);
    steps.push({ feature: `${rest.length} others`, contribution });
  }
  let at = baseline;
  const bars = steps.map((step) => {
    const from = at;
    at += step.contribution;
    return { ...step, from, to: at };
  });
  const ends = [baseline, value, ...bars.map((bar) => bar.to)];
  const room = 0.04 * (Math.max(...ends) - Math.min(...ends)) || 1;
  const low = Math.min(...ends) - room;
  const high = Math.max(...ends) + room;
  const share = (/** @type {number} */ x) => (x - low) / (high - low);
  const whole = (/** @type {string} */ name, /** @type {number} */ x) =>
    row("total", name, placed(el("span", { class: "whole" }), 0, share(x)), points(x));
  byId("waterfall").replaceChildren(
    table("Contributions of features to the prediction", ["Feature", "Contribution", "Points"], [
      whole("mean of training", baseline),
      ...bars.map(({ feature, contribution, from, to }) => {
        const bar = el("span", { class: contribution < 0 ? "down" : "up" });
        placed(bar, share(Math.min(from, to)), share(Math.max(from, to)));
        return row("", feature, bar, signed(contribution));
      }),
      whole("prediction", value),
    ]),
  );
}

/** @param {Importance[]} importances largest first */
export function showImportances(importances) {
  const shown = importances.slice(0, MOST_IMPORTANCES);
  const most = Math.max(1e-9, ...shown.map((each) => each.importance + (each.std ?? 0)));
  byId("importances").replaceChildren(
    table("Importances of features", ["Feature", "Importance", "Value"], [
      ...shown.map(({ feature, importance, std }) => {
        const bar = placed(el("span"), 0, Math.max(0, importance) / most);
        const spread = el("span", { class: "spread" });
        placed(spread, Math.max(0, importance - (std ?? 0)) / most, (importance + (std ?? 0)) / most);
        return row("", feature, [bar, spread], three(importance));
      }),
    ]),
  );
}

/**
 * @param {string} caption
 * @param {string[]} heads
 * @param {HTMLElement[]} rows
 */
function table(caption, heads, rows) {
  return el(
    "table",
    { class: "bars" },
    el("caption", { class: "hidden" }, caption),
    el("thead", { class: "hidden" }, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows),
  );
}

/**
 * @param {string} kind
 * @param {string} name
 * @param {HTMLElement | HTMLElement[]} bars
 * @param {string} value
 */
function row(kind, name, bars, value) {
  return el(
    "tr",
    { class: kind || null },
    el("th", { scope: "row" }, broken(name)),
    el("td", {}, el("div", { class: "track", "aria-hidden": "true" }, ...[bars].flat())),
    el("td", {}, value),
  );
}
