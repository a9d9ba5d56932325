// Names and units of targets for people. A target is clean, <attack>_linf_<eps>, corruption_<name>, a test
// set of ImageNet, or <quantity>.<device>; adv. stands before those of adversarially trained networks.

/** @typedef {{unit: string, better: string, scale: string}} Detail */

const ATTACKS = { fgsm: "FGSM", pgd: "PGD", apgd_ce: "APGD", square: "Square", autoattack: "AutoAttack" };
const ATTACK = /^(\w+)_linf_([\d.]+)$/;
const CORRUPTION = "corruption_";
const ADVERSARIAL = "adv.";
const ROBUST_FIRST = ["pgd_linf_1.0", "adv.autoattack_linf_8", "imagenet_r"];
const TEST_SETS = {
  real: "ReaL labels", v2: "ImageNet-V2", imagenet_a: "ImageNet-A", imagenet_r: "ImageNet-R", sketch: "ImageNet-Sketch",
};
const OF_DEVICE = /^(throughput|latency|energy|arithmetic_intensity)\.(.+)$/;
const ACCURACY = { unit: "percent", better: "higher", scale: "linear" };

/** @type {Record<string, Detail>} those of the forest that is shown */
let details = {};

export const CLEAN = "clean";
export const COSTS = ["flops", "params"];
export const GROUPS = ["Standard training", "Under attack", "Under corruption", "Adversarially trained", "Other test sets", "On devices"];

/** @param {Record<string, Detail>} ofForest unit and direction of every target of the forest that is shown */
export const describeTargets = (ofForest) => void (details = ofForest);

/** @param {string} target */
export const detailOf = (target) => details[target] ?? ACCURACY;

/** @param {string} target */
export const isRank = (target) => detailOf(target).scale === "rank";

/** @param {string} target */
export const isPercent = (target) => detailOf(target).unit === ACCURACY.unit;

/** @param {string} target an accuracy, or a rank by one: both are from 0 to 100 */
export const isAccuracy = (target) => isPercent(target) || isRank(target);

/** @param {string} target */
export const isLog = (target) => detailOf(target).scale === "log";

/**
 * @param {string} target
 * @returns {string} its group, one of GROUPS
 */
export function groupOf(target) {
  if (target.startsWith(ADVERSARIAL)) return GROUPS[3];
  if (target.startsWith(CORRUPTION)) return GROUPS[2];
  if (target in TEST_SETS) return GROUPS[4];
  if (!isAccuracy(target)) return GROUPS[5];
  return ATTACK.test(target) ? GROUPS[1] : GROUPS[0];
}

/**
 * @param {string} target
 * @returns {string} its name within its group
 */
export function shortName(target) {
  if (target in TEST_SETS) return TEST_SETS[/** @type {keyof typeof TEST_SETS} */ (target)];
  const [, quantity, device] = OF_DEVICE.exec(target) ?? [];
  if (quantity) return `${capital(quantity.replaceAll("_", " "))}, ${device}`;
  const plain = target.replace(ADVERSARIAL, "").replace(CORRUPTION, "");
  const attack = ATTACK.exec(plain);
  if (!attack) return capital(plain.replaceAll("_", " "));
  const name = ATTACKS[/** @type {keyof typeof ATTACKS} */ (attack[1])] ?? capital(attack[1]);
  return `${name} ${Number(attack[2])}/255`;
}

/**
 * @param {string} target or a cost
 * @returns {string} its name where nothing else tells the group
 */
export function fullName(target) {
  if (target === "params") return "Parameters (million)";
  if (target === "flops") return "FLOPs (million)";
  return target.startsWith(ADVERSARIAL) ? `${shortName(target)}, adv. trained` : shortName(target);
}

/**
 * @param {string[]} targets
 * @returns {string[]} accuracies other than the clean one
 */
export const robustOf = (targets) => targets.filter((target) => target !== CLEAN && isAccuracy(target));

/**
 * @param {string[]} targets
 * @returns {string[]} quantities of devices, such as throughput
 */
export const devicesOf = (targets) => targets.filter((target) => !isAccuracy(target));

/**
 * @param {string[]} targets
 * @returns {string} the robust target to show first, or nothing
 */
export function firstRobust(targets) {
  const robust = robustOf(targets);
  return ROBUST_FIRST.find((target) => robust.includes(target)) ?? robust[0] ?? "";
}

/**
 * @param {string[]} targets
 * @returns {{value: string, label: string, group: string}[]} options for a select
 */
export function targetOptions(targets) {
  const options = targets.map((value) => ({ value, label: fullName(value), group: groupOf(value) }));
  return GROUPS.flatMap((group) => options.filter((option) => option.group === group).sort(byName));
}

/**
 * @param {string[]} targets
 * @returns {{value: string, label: string, group: string}[]} the devices of each quantity
 */
export const deviceOptions = (targets) =>
  devicesOf(targets).map((value) => {
    const [, quantity = "other", label = value] = OF_DEVICE.exec(value) ?? [];
    return { value, label, group: capital(quantity.replaceAll("_", " ")) };
  });

/** @param {{label: string}} a @param {{label: string}} b */
const byName = (a, b) => a.label.localeCompare(b.label, "en", { numeric: true });

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
