// Families of networks by the letters of their names, and a colour and a shape for the largest.

/** @typedef {{names: string[], of: string[]}} Families the drawn families, and the one of each network */

export const OTHER = "other";

const MOST = 9; // besides all others
const LEAST_LETTERS = 4; // of a name that may be a part of another's
const SHAPES = ["circle", "square", "triangle-up"];
const PORTED = /^(tf|gluon|legacy|test)_/; // where the weights come from
const VERSION = /[v-z]$/; // as in efficientnetv2 and regnety

/**
 * @param {string[]} networks
 * @returns {Families}
 */
export function groupFamilies(networks) {
  const letters = networks.map(familyLetters);
  const counts = new Map();
  for (const family of letters) counts.set(family, (counts.get(family) ?? 0) + 1);
  const byCount = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const relative = new Map(byCount.map((family, place) => [family, byCount.slice(0, place).find(contains(family)) ?? family]));
  const merged = letters.map((family) => relative.get(relative.get(family)) ?? family);
  const sizes = new Map();
  for (const family of merged) sizes.set(family, (sizes.get(family) ?? 0) + 1);
  const names = [...sizes.keys()].sort((a, b) => sizes.get(b) - sizes.get(a)).slice(0, MOST);
  return { names, of: merged.map((family) => (names.includes(family) ? family : OTHER)) };
}

/** @param {string} network */
export const familyLetters = (network) =>
  (/^[a-z]+/.exec(network.replace(PORTED, ""))?.[0] ?? OTHER).replace(VERSION, "");

/** @param {number} place of a family among the drawn ones */
export const familyShape = (place) => SHAPES[place % SHAPES.length];

/**
 * Whether a name has another at its start or end, as seresnet has resnet.
 * @param {string} family
 * @returns {(other: string) => boolean}
 */
const contains = (family) => (other) =>
  other.length >= LEAST_LETTERS && (family.startsWith(other) || family.endsWith(other));
