// Inputs for what a forest reads besides the architecture: a number is a field, a category a select.
import { el, fill } from "./dom.js";
import { capital } from "./targets.js";

/**
 * @typedef {{name: string, kind: "number" | "category", default: string | number, values: string[],
 *   lower: number | null, upper: number | null, whole: boolean}} Condition
 */
/** @typedef {Record<string, string | number>} Values */

export const IMAGE_SIZE = "image_size";

/**
 * @param {HTMLElement} place
 * @param {Condition[]} conditions
 * @param {Values} values one of each
 * @param {(change: Values) => void} onChange
 */
export function showConditions(place, conditions, values, onChange) {
  place.hidden = !conditions.length;
  place.replaceChildren(
    ...conditions.map((condition) => {
      const input = condition.kind === "number" ? numberInput(condition) : categoryInput(condition);
      input.id = `condition-${condition.name}`;
      input.value = String(values[condition.name]);
      input.addEventListener("change", () => {
        if (input.value === "") input.value = String(condition.default);
        onChange({ [condition.name]: condition.kind === "number" ? Number(input.value) : input.value });
      });
      return el("label", {}, `${label(condition.name)} `, input);
    }),
  );
}

/**
 * Show other values in the inputs that are there.
 * @param {HTMLElement} place
 * @param {Values} values
 */
export function updateConditions(place, values) {
  for (const [name, value] of Object.entries(values)) {
    const input = place.querySelector(`#condition-${name}`);
    if (input instanceof HTMLInputElement || input instanceof HTMLSelectElement) input.value = String(value);
  }
}

/**
 * Keep the values that a forest knows; the others become its defaults.
 * @param {Condition[]} conditions
 * @param {Values} values
 * @returns {Values} one of each condition
 */
export function fittingValues(conditions, values) {
  return Object.fromEntries(
    conditions.map((condition) => {
      const value = values[condition.name];
      const known = condition.kind === "number" ? typeof value === "number" : condition.values.includes(String(value));
      return [condition.name, known ? value : condition.default];
    }),
  );
}

/**
 * @param {Values} values
 * @returns {string} such as 288 px, pretraining none
 */
export const writtenValues = (values) =>
  Object.entries(values)
    .map(([name, value]) => (name === IMAGE_SIZE ? `${value} px` : `${label(name).toLowerCase()} ${plain(String(value))}`))
    .join(", ");

/** @param {Condition} condition */
function numberInput({ lower, upper, whole }) {
  return el("input", { type: "number", min: lower, max: upper, step: whole ? 1 : "any", title: `${lower} to ${upper}` });
}

/** @param {Condition} condition */
function categoryInput({ values }) {
  const select = el("select");
  fill(select, values.map((value) => ({ value, label: plain(value) })), values[0]);
  return select;
}

/** @param {string} name */
const label = (name) => capital(plain(name));

/** @param {string} name */
const plain = (name) => name.replaceAll("_", " ");
