// Two to four architectures side by side: every target with its interval, the best value marked.
import { writtenValues } from "./conditions.js";
import { broken, byId, el, placed } from "./dom.js";
import { points, roughSpan, span, three } from "./format.js";
import { detailOf, GROUPS, groupOf, isLog, isPercent, shortName, targetOptions } from "./targets.js";

/** @typedef {{arch: string, conditions: import("./conditions.js").Values}} Compared */
/** @typedef {import("./prediction.js").Prediction} Prediction */

export const MOST_COMPARED = 4;

const LETTERS = "ABCD";
const LONGEST_NAME = 60;
const ROOM = 0.05; // share of a scale on either side

/** @param {number} place */
export const letter = (place) => LETTERS[place];

/** @param {Compared} a @param {Compared} b */
export const isSame = (a, b) => a.arch === b.arch && JSON.stringify(a.conditions) === JSON.stringify(b.conditions);

/**
 * @param {Compared[]} compared
 * @param {Prediction[]} predictions of each
 * @param {{onPick: (compared: Compared) => void, onRemove: (place: number) => void}} actions
 */
export function showComparison(compared, predictions, { onPick, onRemove }) {
  byId("comparison").hidden = !compared.length;
  const names = targetOptions(Object.keys(predictions[0]?.targets ?? {})).map((option) => option.value);
  const groups = GROUPS.map((group) => [group, names.filter((name) => groupOf(name) === group)]);
  const columns = predictions.length + 1;
  byId("comparison-hint").hidden = compared.length > 1;
  byId("comparison-table").replaceChildren(
    el(
      "table",
      { class: "comparison" },
      el("caption", { class: "hidden" }, "Predictions of the compared architectures"),
      el("thead", {}, el("tr", {}, el("td"), ...compared.map((each, place) => heading(each, place, onPick, onRemove)))),
      el(
        "tbody",
        {},
        facts("Parameters", predictions.map(({ submitted }) => `${three(submitted.params)} M`)),
        facts("FLOPs", predictions.map(({ submitted }) => `${three(submitted.flops)} M`)),
        facts("Domain", predictions.map(({ in_domain }) => (in_domain ? "✓ known" : "? unknown"))),
      ),
      ...groups
        .filter(([, targets]) => targets.length)
        .map(([group, targets]) =>
          el(
            "tbody",
            {},
            el("tr", {}, el("th", { scope: "rowgroup", colspan: columns }, /** @type {string} */ (group))),
            ...(/** @type {string[]} */ (targets)).map((name) => row(name, predictions)),
          ),
        ),
    ),
  );
}

/**
 * @param {Compared} compared
 * @param {number} place
 * @param {(compared: Compared) => void} onPick
 * @param {(place: number) => void} onRemove
 */
function heading(compared, place, onPick, onRemove) {
  const { arch, conditions } = compared;
  const name = arch.length > LONGEST_NAME ? `${arch.slice(0, LONGEST_NAME)}…` : arch;
  const load = el("button", { type: "button", class: "plain name", title: "Show this network above" }, name);
  load.addEventListener("click", () => onPick(compared));
  const remove = el("button", { type: "button", class: "plain", "aria-label": `Remove ${letter(place)}, ${name}` }, "✕");
  remove.addEventListener("click", () => onRemove(place));
  return el(
    "th",
    { scope: "col" },
    el("div", { class: "head" }, el("span", { class: "letter" }, letter(place)), remove),
    load,
    el("span", { class: "quiet" }, writtenValues(conditions)),
  );
}

/** @param {string} name @param {string[]} values */
const facts = (name, values) => el("tr", {}, el("th", { scope: "row" }, name), ...values.map((value) => el("td", {}, value)));

/**
 * @param {string} name of a target
 * @param {Prediction[]} predictions
 */
function row(name, predictions) {
  const estimates = predictions.map(({ targets }) => targets[name]);
  const sign = detailOf(name).better === "higher" ? 1 : -1;
  const best = Math.max(...estimates.map(({ value }) => sign * value));
  const place = scale(name, estimates);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, broken(shortName(name)), isPercent(name) ? "" : ` (${detailOf(name).unit})`),
    ...estimates.map((estimate) => {
      const { value, lower, upper } = estimate;
      const [written, interval] = isPercent(name)
        ? [`${points(value)}%`, span(estimate)]
        : [three(value), roughSpan(estimate)];
      const isBest = estimates.length > 1 && sign * value === best;
      return el(
        "td",
        { class: isBest ? "best" : null },
        el("b", {}, written),
        ...(isBest ? [el("span", { class: "star", role: "img", "aria-label": "best", title: "best value" }, "★")] : []),
        el("span", { class: "quiet" }, interval),
        el(
          "div",
          { class: "track", "aria-hidden": "true" },
          placed(el("span", { class: "interval" }), place(lower), place(upper)),
          placed(el("span", { class: "mean" }), place(value)),
        ),
      );
    }),
  );
}

/**
 * Where a value is on the common scale of a row.
 * @param {string} name
 * @param {import("./scale.js").Estimate[]} estimates
 * @returns {(value: number) => number}
 */
function scale(name, estimates) {
  const even = isLog(name) ? Math.log : (/** @type {number} */ value) => value;
  const low = even(Math.min(...estimates.map(({ lower }) => lower)));
  const high = even(Math.max(...estimates.map(({ upper }) => upper)));
  return (value) => ROOM + (1 - 2 * ROOM) * ((even(value) - low) / (high - low || 1));
}
