// The first thing to see: two numbers, how sure they are, and whether to believe them.
import { byId, el } from "./dom.js";
import { duration, points, quantity, roughSpan, span, three } from "./format.js";
import { drawScale } from "./scale.js";
import { CLEAN, detailOf, fullName, isAccuracy, isPercent, isRank } from "./targets.js";

/**
 * @typedef {{id: string, space: string, arch: string,
 *   targets: Record<string, import("./scale.js").Estimate>, in_domain: boolean,
 *   domain_score: number | null, feature_source: "table" | "cache" | "computed",
 *   submitted: {params: number, flops: number},
 *   attributions: Record<string, {feature: string, contribution: number}[]> | null,
 *   attribution_groups: Record<string, {group: string, contribution: number}[]> | null,
 *   baseline: Record<string, number> | null,
 *   nearest: import("./related.js").Near[] | null, changes: import("./related.js").Changes | null,
 *   proxy_percentiles: Record<string, import("./proxies.js").ProxyPercentile> | null,
 *   seconds: {queue: number, features: number, forest: number}}} Prediction
 */

const MOSTLY = 0.6; // the share of the numbers that has to be in sight
let inSight = true; // whether they are

const SOURCES = {
  table: "known before",
  cache: "known from an earlier request",
  computed: "computed for this request",
};

/**
 * @param {Prediction} prediction
 * @param {import("./choice.js").Choice} choice
 */
export function showPrediction(prediction, choice) {
  showNumber("clean", prediction.targets[CLEAN], choice.interval);
  byId("robust-number").hidden = !choice.robust;
  if (choice.robust) showNumber("robust", prediction.targets[choice.robust], choice.interval);
  byId("device-number").hidden = !choice.device;
  byId("numbers").classList.toggle("three", Boolean(choice.device));
  if (choice.device) showNumber("device", prediction.targets[choice.device], choice.interval, choice.device);
  byId("numbers").setAttribute("aria-busy", "false");
  showVerdict(prediction);
  showFacts(prediction);
  showTwin(prediction, choice);
  showStrip(prediction, choice);
  byId("said").textContent = summary(prediction, choice);
}

/**
 * Say that the server is at work, and for how long.
 * @param {number} seconds
 */
export function showWaiting(seconds) {
  clear(
    "This network is new to the server; its features are being computed, " +
      `for ${duration(seconds)} so far.`,
  );
}

/** Say that there is nothing to show. */
export function showNothing() {
  clear("No prediction; see the message below the specification.");
}

/**
 * Take away what belongs to an architecture that is no longer shown.
 * @param {string} reason
 */
function clear(reason) {
  byId("numbers").setAttribute("aria-busy", "true");
  for (const which of ["clean", "robust", "device"]) {
    byId(`${which}-value`).replaceChildren("––.–");
    byId(`${which}-interval`).textContent = "\u00a0";
    byId(`${which}-scale`).replaceChildren();
  }
  for (const id of ["facts", "waterfall", "strip"]) byId(id).replaceChildren();
  refreshStrip();
  byId("twin").hidden = byId("related").hidden = byId("proxies").hidden = true;
  byId("verdict").className = "verdict";
  byId("verdict").replaceChildren(reason);
}

/**
 * @param {"clean" | "robust" | "device"} which
 * @param {import("./scale.js").Estimate | undefined} estimate none where the forest has no such target
 * @param {number} interval
 * @param {string} [target] other than an accuracy
 */
function showNumber(which, estimate, interval, target = CLEAN) {
  const value = byId(`${which}-value`);
  if (!estimate) {
    value.replaceChildren("–");
    byId(`${which}-interval`).textContent = "not a target of this forest";
    byId(`${which}-scale`).replaceChildren();
    return;
  }
  const percent = isPercent(target);
  const { unit, scale } = detailOf(target);
  const written = percent ? points(estimate.value) : three(isRank(target) ? Math.round(estimate.value) : estimate.value);
  const timed = el("span", { elementtiming: `${which}-accuracy` }, written);
  value.replaceChildren(timed, percent ? el("small", {}, "%") : "");
  const level = `${percent ? "" : `${unit}; `}${Math.round(100 * interval)}% interval `;
  byId(`${which}-interval`).replaceChildren(
    level,
    el("span", { class: "together" }, percent ? span(estimate) : roughSpan(estimate)),
  );
  drawScale(byId(`${which}-scale`), estimate, isAccuracy(target) ? "percent" : scale);
}

/** @param {Prediction} prediction */
function showVerdict({ in_domain, domain_score }) {
  const forest = isRank(CLEAN) ? "The ranks are among networks" : "The forest was trained on networks";
  const score =
    domain_score === null ? "" : ` Outlier score ${three(domain_score)}; 0 is typical, 1 an outlier.`;
  const verdict = byId("verdict");
  verdict.className = `verdict ${in_domain ? "known" : "unknown"}`;
  verdict.replaceChildren(
    el("b", {}, in_domain ? "✓ Known" : "? Unknown"),
    el(
      "span",
      {},
      in_domain
        ? `${forest} like this one.${isRank(CLEAN) ? " They are expected, from size and depth; no accuracy is known." : ""}${score}`
        : `This network is unlike those that the forest was trained on; the interval may be wrong.${score}`,
    ),
  );
}

/** @param {Prediction} prediction */
function showFacts({ submitted, feature_source, seconds }) {
  const facts = {
    Parameters: `${three(submitted.params)} M`,
    FLOPs: `${three(submitted.flops)} M`,
    Features: SOURCES[feature_source],
    Time: duration(seconds.features + seconds.forest),
  };
  byId("facts").replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value)),
    ),
  );
}

/**
 * @param {Prediction} prediction
 * @param {import("./choice.js").Choice} choice
 */
function showTwin({ space, arch }, choice) {
  const place = byId("twin");
  place.hidden = arch === choice.arch.trim() || space !== "nats_tss";
  place.replaceChildren("It is equivalent to ", el("code", {}, arch));
}

/**
 * The numbers once more, for narrow screens on which they are out of sight.
 * @param {Prediction} prediction
 * @param {import("./choice.js").Choice} choice
 */
function showStrip({ targets, in_domain }, choice) {
  const told = [CLEAN, choice.robust, choice.device]
    .filter((name) => targets[name])
    .map((name) => el("span", {}, `${fullName(name)} `, el("b", {}, quantity(targets[name].value, detailOf(name)))));
  byId("strip").replaceChildren(...told, el("span", {}, in_domain ? "✓ known" : "? unknown"));
  refreshStrip();
}

/** Show the strip only while the numbers themselves are out of sight. */
export function watchStrip() {
  const note = (/** @type {IntersectionObserverEntry[]} */ [numbers]) => {
    inSight = numbers.isIntersecting;
    refreshStrip();
  };
  new IntersectionObserver(note, { threshold: MOSTLY }).observe(byId("numbers"));
}

function refreshStrip() {
  const strip = byId("strip");
  strip.hidden = inSight || !strip.childElementCount;
}

/**
 * One sentence, for those who listen.
 * @param {Prediction} prediction
 * @param {import("./choice.js").Choice} choice
 */
function summary({ targets, in_domain }, choice) {
  const told = [CLEAN, choice.robust, choice.device]
    .filter((name) => targets[name])
    .map((name) => `${fullName(name)} ${quantity(targets[name].value, detailOf(name))}`);
  return `${told.join(", ")}; ${in_domain ? "known" : "unknown"} to the forest.`;
}
