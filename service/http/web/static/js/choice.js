// What is chosen, in the address as well, so that it can be shared and survives a reload.

/** @typedef {import("./conditions.js").Values} Values */
/** @typedef {import("./comparison.js").Compared} Compared */
/**
 * @typedef {{space: string, arch: string, dataset: string, interval: number, robust: string,
 *   explained: string, x: string, y: string, device: string, conditions: Values, compared: Compared[]}} Choice
 */

const IN_ADDRESS = /** @type {const} */ (["space", "dataset", "arch"]);

/** @returns {Partial<Choice>} what the address says */
export function fromAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  return {
    ...Object.fromEntries(IN_ADDRESS.filter((name) => query.has(name)).map((name) => [name, query.get(name)])),
    conditions: readValues(query.get("conditions") ?? ""),
    compared: query.getAll("compare").map((text) => {
      const [, values, arch] = /([^\n]*)\n?(.*)/s.exec(text) ?? ["", "", ""];
      return { arch, conditions: readValues(values) };
    }),
  };
}

/** @param {Choice} choice */
export function toAddress(choice) {
  const query = new URLSearchParams(IN_ADDRESS.map((name) => [name, choice[name]]));
  if (Object.keys(choice.conditions).length) query.set("conditions", writeValues(choice.conditions));
  for (const { arch, conditions } of choice.compared) query.append("compare", `${writeValues(conditions)}\n${arch}`);
  history.replaceState(null, "", `#${query}`);
}

/** @param {Values} values @returns {string} as the command line writes them: image_size=288,pretraining=none */
export const writeValues = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

/** @param {string} text @returns {Values} */
const readValues = (text) =>
  Object.fromEntries(
    text
      .split(",")
      .filter((part) => part.includes("="))
      .map((part) => part.split(/=(.*)/s))
      .map(([name, value]) => [name, value.trim() === "" || Number.isNaN(Number(value)) ? value : Number(value)]),
  );
