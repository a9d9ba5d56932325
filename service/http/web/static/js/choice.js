// What is chosen, in the address as well, so that it can be shared and survives a reload.

/**
 * @typedef {{space: string, arch: string, dataset: string, interval: number, robust: string,
 *   explained: string, x: string, y: string}} Choice
 */

const IN_ADDRESS = /** @type {const} */ (["space", "dataset", "arch"]);

/** @returns {Partial<Choice>} what the address says */
export function fromAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(
    IN_ADDRESS.filter((name) => query.has(name)).map((name) => [name, query.get(name)]),
  );
}

/** @param {Choice} choice */
export function toAddress(choice) {
  const query = new URLSearchParams(IN_ADDRESS.map((name) => [name, choice[name]]));
  history.replaceState(null, "", `#${query}`);
}
