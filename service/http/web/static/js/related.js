// What other networks say about this one: similar ones, and the best one that is one edit away.
import { byId, el } from "./dom.js";
import { factor, quantity, roughSpan, signed, span, three } from "./format.js";
import { capital, detailOf, isPercent } from "./targets.js";

/** @typedef {import("./scale.js").Estimate} Estimate */
/** @typedef {{space: string, arch: string, conditions?: import("./conditions.js").Values}} Network */
/** @typedef {Network & {labelled: boolean, predicted: Record<string, Estimate>}} Near */
/** @typedef {Estimate & {change: string, arch: string}} Change */
/**
 * @typedef {{best: Record<string, Change | null>, neighbours: number | null, compared: number,
 *   reason: string | null}} Changes
 */

const LONGEST_NAME = 110;

/**
 * @param {{space: string, nearest: Near[] | null, changes: Changes | null,
 *   targets: Record<string, Estimate>}} prediction
 * @param {string} target that is explained
 * @param {(network: Network) => void} onPick
 */
export function showRelated({ space, nearest, changes, targets }, target, onPick) {
  byId("related").hidden = !nearest || !changes;
  if (!nearest || !changes) return;
  const own = targets[target];
  const labelled = nearest.some((each) => each.labelled);
  byId("near-note").textContent = nearest.length
    ? `${labelled ? "Networks of the training data" : "Networks of the population"} that the trees treat most ` +
      "like this one, with what the forest predicts for them."
    : "The forest stores no networks to compare with.";
  byId("near-list").replaceChildren(
    ...nearest.map((near) => item(near, near.predicted[target], own, target, "", onPick)),
  );
  const best = changes.best[target];
  byId("change-note").textContent = noteOf(changes, target, space, own);
  byId("change-list").replaceChildren(
    ...(best ? [item({ space, arch: best.arch }, best, own, target, capital(best.change), onPick)] : []),
  );
}

/**
 * @param {Changes} changes
 * @param {string} target
 * @param {string} space
 * @param {Estimate} own
 */
function noteOf({ best, neighbours, compared, reason }, target, space, own) {
  if (!compared) return reason ? `None: ${reason}.` : "";
  const all = compared === neighbours ? `all ${compared}` : `${compared} of ${neighbours}`;
  const found = best[target]
    ? `The best of ${all} networks that differ in one choice`
    : `None of ${all} networks that differ in one choice has a better prediction`;
  const from = space === "nats_tss" || space === "nasbench_macro" ? " from the canonical form" : "";
  const rest = reason ? " The others would have to be computed." : "";
  const after = best[target];
  const overlaps = after && after.lower <= own.upper && own.lower <= after.upper;
  return `${found}${from}.${overlaps ? " The intervals overlap: the gain is uncertain." : ""}${rest}`;
}

/**
 * @param {Network} network
 * @param {Estimate} estimate
 * @param {Estimate} own that of the network of the page
 * @param {string} target
 * @param {string} title before the numbers, or nothing
 * @param {(network: Network) => void} onPick
 */
function item(network, estimate, own, target, title, onPick) {
  const detail = detailOf(target);
  const interval = isPercent(target) ? span(estimate) : roughSpan(estimate);
  const name = network.arch.length > LONGEST_NAME ? `${network.arch.slice(0, LONGEST_NAME)}…` : network.arch;
  const button = el(
    "button",
    { type: "button", title: "Show this network" },
    ...(title ? [el("span", { class: "edit" }, title)] : []),
    el("b", {}, quantity(estimate.value, detail), " ", el("small", {}, difference(estimate, own, detail))),
    el("span", { class: "quiet" }, interval),
    el("code", {}, name),
  );
  button.addEventListener("click", () => onPick(network));
  return el("li", {}, button);
}

/**
 * @param {Estimate} other
 * @param {Estimate} own
 * @param {import("./targets.js").Detail} detail
 * @returns {string} how much the other value differs
 */
function difference(other, own, { unit, scale }) {
  if (scale === "log") return factor(other.value / own.value);
  const change = other.value - own.value;
  return unit === "percent" ? signed(change) : `${change < 0 ? "−" : "+"}${three(Math.abs(Math.round(change)))}`;
}
