// Why this number: contributions as a waterfall; and what the forest relies on in general.
import { broken, byId, el, placed } from "./dom.js";
import { factor, points, quantity, signed, three } from "./format.js";

const MOST_FEATURES = 40;
const MOST_IMPORTANCES = 10;

/** @typedef {{feature: string, contribution: number}} Contribution */
/** @typedef {{group: string, contribution: number}} GroupContribution */
/** @typedef {{title: string, text: string, group: string}} FeatureDetail */
/** @typedef {{feature: string, importance: number, std: number | null}} Importance */

/**
 * From the baseline to the prediction, one step for each group of features. On a log scale baseline and
 * contributions are logarithms; steps are shown as factors. The features are listed below, folded.
 * @param {number} baseline
 * @param {GroupContribution[]} groups largest first
 * @param {Contribution[]} contributions largest first
 * @param {Record<string, FeatureDetail>} details of the features
 * @param {number} value
 * @param {import("./targets.js").Detail} detail of the target
 */
export function showWaterfall(baseline, groups, contributions, details, value, detail) {
  const log = detail.scale === "log";
  const rank = detail.scale === "rank";
  byId("waterfall-unit").textContent = log ? "as a factor" : rank ? "as normal scores" : "in percentage points";
  let at = baseline;
  const bars = groups.map((step) => {
    const from = at;
    at += step.contribution;
    return { ...step, from, to: at };
  });
  const end = log ? Math.log(value) : rank ? at : value;
  const ends = [baseline, end, ...bars.map((bar) => bar.to)];
  const room = 0.04 * (Math.max(...ends) - Math.min(...ends)) || 1;
  const low = Math.min(...ends) - room;
  const high = Math.max(...ends) + room;
  const share = (/** @type {number} */ x) => (x - low) / (high - low);
  const whole = (/** @type {string} */ name, /** @type {number} */ x) =>
    row("total", name, placed(el("span", { class: "whole" }), 0, share(x)), log ? quantity(Math.exp(x), detail) : points(x));
  byId("waterfall").replaceChildren(
    table("Contributions of groups of features to the prediction", ["Group", "Contribution", "Points"], [
      whole("mean of training", baseline),
      ...bars.map(({ group, contribution, from, to }) => {
        const bar = el("span", { class: contribution < 0 ? "down" : "up" });
        placed(bar, share(Math.min(from, to)), share(Math.max(from, to)));
        return row("", group, bar, log ? factor(Math.exp(contribution)) : signed(contribution));
      }),
      whole("prediction", end),
    ]),
  );
  const most = Math.max(1e-9, ...contributions.map((each) => Math.abs(each.contribution)));
  byId("contributions").replaceChildren(
    table("Contributions of features to the prediction", ["Feature", "Contribution", "Points"], [
      ...contributions.slice(0, MOST_FEATURES).map(({ feature, contribution }) => {
        const bar = el("span", { class: contribution < 0 ? "down" : "up" });
        placed(bar, 0, Math.abs(contribution) / most);
        return named(feature, details, bar, log ? factor(Math.exp(contribution)) : signed(contribution));
      }),
    ]),
  );
}

/**
 * @param {Importance[]} importances largest first
 * @param {Record<string, FeatureDetail>} details of the features
 */
export function showImportances(importances, details) {
  const shown = importances.slice(0, MOST_IMPORTANCES);
  const most = Math.max(1e-9, ...shown.map((each) => each.importance + (each.std ?? 0)));
  byId("importances").replaceChildren(
    table("Importances of features", ["Feature", "Importance", "Value"], [
      ...shown.map(({ feature, importance, std }) => {
        const bar = placed(el("span"), 0, Math.max(0, importance) / most);
        const spread = el("span", { class: "spread" });
        placed(spread, Math.max(0, importance - (std ?? 0)) / most, (importance + (std ?? 0)) / most);
        return named(feature, details, [bar, spread], three(importance));
      }),
    ]),
  );
}

/**
 * A row of a feature: its title, with its sentence and column name as a hint.
 * @param {string} feature
 * @param {Record<string, FeatureDetail>} details
 * @param {HTMLElement | HTMLElement[]} bars
 * @param {string} value
 */
function named(feature, details, bars, value) {
  const known = details[feature];
  const shown = row("", known ? known.title : feature, bars, value);
  shown.title = known ? `${known.text} (${known.group}; column ${feature})` : feature;
  return shown;
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
