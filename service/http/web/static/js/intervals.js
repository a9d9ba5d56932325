// All targets of a forest, group by group: accuracies on one scale from 0 to 100 percent, quantities of
// devices on a logarithmic scale of their own.
import { broken, byId, el, placed } from "./dom.js";
import { points, quantity, roughSpan, span } from "./format.js";
import { detailOf, GROUPS, groupOf, isAccuracy, isPercent, shortName, targetOptions } from "./targets.js";

const TICKS = [0, 25, 50, 75, 100];
const LOG_ROOM = 1.5; // factor on either side

/** @param {Record<string, import("./scale.js").Estimate>} targets */
export function showTargets(targets) {
  const names = targetOptions(Object.keys(targets)).map((option) => option.value);
  byId("all").hidden = names.length < 2;
  const groups = GROUPS.map((group) => names.filter((name) => groupOf(name) === group));
  const [plain, attack, corruption, adversarial, sets, devices] = groups;
  byId("targets").replaceChildren(
    el(
      "div",
      { class: "groups" },
      ...[
        [[GROUPS[0], plain], [GROUPS[1], attack], [GROUPS[4], sets]],
        [[GROUPS[2], corruption], [GROUPS[3], adversarial]],
        [[GROUPS[5], devices]],
      ].map((column) => table(/** @type {[string, string[]][]} */ (column), targets)),
    ),
  );
}

/**
 * @param {[string, string[]][]} groups
 * @param {Record<string, import("./scale.js").Estimate>} targets
 */
function table(groups, targets) {
  const filled = groups.filter(([, names]) => names.length);
  if (!filled.length) return el("div");
  return el(
    "table",
    { class: "bars wide" },
    el("caption", { class: "hidden" }, filled.map(([group]) => group).join(", ")),
    ...filled.map(([group, names]) =>
      el(
        "tbody",
        {},
        el("tr", {}, el("th", { scope: "rowgroup", colspan: "3" }, group)),
        ...names.map((name) => row(name, targets[name], share(name, names, targets))),
      ),
    ),
    filled.some(([, names]) => names.some(isAccuracy)) ? el("tfoot", { "aria-hidden": "true" }, axis()) : "",
  );
}

/**
 * Where a value is on the scale of its target: 0 to 100 percent, or all quantities of its unit on a log scale.
 * @param {string} name
 * @param {string[]} names of its group
 * @param {Record<string, import("./scale.js").Estimate>} targets
 * @returns {(value: number) => number}
 */
function share(name, names, targets) {
  if (isAccuracy(name)) return (value) => value / 100;
  const similar = names.filter((other) => detailOf(other).unit === detailOf(name).unit);
  const low = Math.log(Math.min(...similar.map((other) => targets[other].lower)) / LOG_ROOM);
  const high = Math.log(Math.max(...similar.map((other) => targets[other].upper)) * LOG_ROOM);
  return (value) => (Math.log(value) - low) / (high - low);
}

/**
 * @param {string} name
 * @param {import("./scale.js").Estimate} estimate
 * @param {(value: number) => number} place on the scale
 */
function row(name, estimate, place) {
  const { value, lower, upper } = estimate;
  const [written, interval] = isPercent(name)
    ? [points(value), span(estimate)]
    : [quantity(value, detailOf(name)), roughSpan(estimate)];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, broken(shortName(name))),
    el(
      "td",
      {},
      el(
        "div",
        { class: "track", "aria-hidden": "true" },
        placed(el("span", { class: "interval" }), place(lower), place(upper)),
        placed(el("span", { class: "mean" }), place(value)),
      ),
    ),
    el("td", {}, el("b", {}, written), " ", el("span", { class: "together" }, `(${interval})`)),
  );
}

function axis() {
  const marks = TICKS.map((x) => placed(el("span", {}, String(x)), x / 100));
  return el("tr", { class: "axis" }, el("td"), el("td", {}, el("div", { class: "track" }, ...marks)), el("td"));
}
