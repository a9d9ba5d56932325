// Names of targets for people. A target is clean, <attack>_linf_<eps> or corruption_<name>; adv. stands
// before those of adversarially trained networks.

const ATTACKS = { fgsm: "FGSM", pgd: "PGD", apgd_ce: "APGD", square: "Square", autoattack: "AutoAttack" };
const ATTACK = /^(\w+)_linf_([\d.]+)$/;
const CORRUPTION = "corruption_";
const ADVERSARIAL = "adv.";
const ROBUST_FIRST = ["pgd_linf_1.0", "adv.autoattack_linf_8"];

export const CLEAN = "clean";
export const COSTS = ["flops", "params"];
export const GROUPS = ["Standard training", "Under attack", "Under corruption", "Adversarially trained"];

/**
 * @param {string} target
 * @returns {string} its group, one of GROUPS
 */
export function groupOf(target) {
  if (target.startsWith(ADVERSARIAL)) return GROUPS[3];
  if (target.startsWith(CORRUPTION)) return GROUPS[2];
  return ATTACK.test(target) ? GROUPS[1] : GROUPS[0];
}

/**
 * @param {string} target
 * @returns {string} its name within its group
 */
export function shortName(target) {
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
 * @returns {string[]} those that are not clean accuracy
 */
export const robustOf = (targets) => targets.filter((target) => target !== CLEAN);

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

/** @param {{label: string}} a @param {{label: string}} b */
const byName = (a, b) => a.label.localeCompare(b.label, "en", { numeric: true });

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
