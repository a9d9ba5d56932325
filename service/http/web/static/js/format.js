// Numbers as people read them.

const HUNDREDTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const THREE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const [SMALLEST, LARGEST] = [0.001, 1e6]; // of numbers without an exponent
const WHOLE = new Intl.NumberFormat("en");

/** @param {number} value an accuracy in percent, or a difference of two */
export const points = (value) => HUNDREDTHS.format(value);

/** @param {number} value */
export const signed = (value) => `${value < 0 ? "−" : "+"}${points(Math.abs(value))}`;

/** @param {number} value of any size */
export const three = (value) => THREE.format(value);

/** @param {number} value of a size that may be far from 1, such as that of a proxy */
export function anySize(value) {
  const size = Math.abs(value);
  if (size === 0 || (size >= SMALLEST && size < LARGEST)) return three(value);
  return value.toExponential(2).replace(/-/g, "−").replace("e+", "e");
}

/**
 * @param {number} value
 * @param {{unit: string}} detail of its target
 * @returns {string} the value and its unit
 */
export function quantity(value, { unit }) {
  if (unit === "percentile") return `${unit} ${Math.round(value)}`;
  return unit === "percent" ? `${points(value)}%` : `${three(value)} ${unit}`;
}

/** @param {number} value a factor */
export const factor = (value) => `× ${three(value)}`;

/** @param {number} value */
export const whole = (value) => WHOLE.format(value);

/** @param {{lower: number, upper: number}} interval */
export const span = ({ lower, upper }) => `${points(lower)} – ${points(upper)}`;

/** @param {{lower: number, upper: number}} interval in a unit other than percent */
export const roughSpan = ({ lower, upper }) => `${three(lower)} – ${three(upper)}`;

/**
 * @param {number} n
 * @param {string} noun
 */
export const counted = (n, noun) => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;

/** @param {number} value a duration in seconds */
export function duration(value) {
  if (value < 0.001) return "under 1 ms";
  if (value < 1) return `${Math.round(1000 * value)} ms`;
  return value < 90 ? `${Math.ceil(value)} s` : `${Math.ceil(value / 60)} min`;
}
