// All targets of a forest on one scale from 0 to 100 percent, group by group.
import { byId, el, placed } from "./dom.js";
import { points, span } from "./format.js";
import { GROUPS, groupOf, shortName, targetOptions } from "./targets.js";

const TICKS = [0, 25, 50, 75, 100];

/** @param {Record<string, import("./scale.js").Estimate>} targets */
export function showTargets(targets) {
  const names = targetOptions(Object.keys(targets)).map((option) => option.value);
  byId("all").hidden = names.length < 2;
  const groups = GROUPS.map((group) => names.filter((name) => groupOf(name) === group));
  const [plain, attack, corruption, adversarial] = groups;
  byId("targets").replaceChildren(
    el(
      "div",
      { class: "groups" },
      ...[
        [[GROUPS[0], plain], [GROUPS[1], attack]],
        [[GROUPS[2], corruption], [GROUPS[3], adversarial]],
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
        ...names.map((name) => row(name, targets[name])),
      ),
    ),
    el("tfoot", { "aria-hidden": "true" }, axis()),
  );
}

/**
 * @param {string} name
 * @param {import("./scale.js").Estimate} estimate
 */
function row(name, estimate) {
  const { value, lower, upper } = estimate;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, shortName(name)),
    el(
      "td",
      {},
      el(
        "div",
        { class: "track", "aria-hidden": "true" },
        placed(el("span", { class: "interval" }), lower / 100, upper / 100),
        placed(el("span", { class: "mean" }), value / 100),
      ),
    ),
    el("td", {}, el("b", {}, points(value)), " ", el("span", { class: "together" }, `(${span(estimate)})`)),
  );
}

function axis() {
  const marks = TICKS.map((x) => placed(el("span", {}, String(x)), x / 100));
  return el("tr", { class: "axis" }, el("td"), el("td", {}, el("div", { class: "track" }, ...marks)), el("td"));
}
