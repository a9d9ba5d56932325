// What the server can be asked for: spaces, and the forests that answer for them.
import { getJson } from "./api.js";

/** @typedef {{name: string, description: string, example: string, datasets: string[], forests: string[]}} Space */
/**
 * @typedef {{name: string, version: string, space: string, dataset: string, targets: string[],
 *   target_details: Record<string, import("./targets.js").Detail>, table_spaces: string[],
 *   conditions: import("./conditions.js").Condition[], default: boolean}} Forest
 */

/** What there is to choose from. */
export class Catalog {
  /**
   * @param {Space[]} spaces
   * @param {Forest[]} forests
   */
  constructor(spaces, forests) {
    this.forests = forests.filter((forest) => forest.default);
    this.everySpace = spaces;
    this.spaces = spaces.filter((space) => this.datasetsOf(space.name).length > 0);
  }

  /** @returns {Promise<Catalog>} that of the server */
  static async load() {
    const [{ spaces }, { forests }] = await Promise.all([getJson("spaces"), getJson("forests")]);
    return new Catalog(spaces, forests);
  }

  /** @param {string} space @returns {Forest[]} those that predict for it: its own first, then the universal one */
  #covering(space) {
    const names = this.everySpace.find(({ name }) => name === space)?.forests ?? [];
    const covering = this.forests.filter(({ name }) => names.includes(name));
    return covering.sort((a, b) => Number(b.space === space) - Number(a.space === space));
  }

  /** @param {string} name @returns {Space | undefined} */
  space(name) {
    return this.spaces.find((space) => space.name === name);
  }

  /** @param {string} space @returns {string[]} datasets that some forest predicts for it, in the order of the space */
  datasetsOf(space) {
    const listed = this.everySpace.find(({ name }) => name === space)?.datasets ?? [];
    const known = this.#covering(space).map((forest) => forest.dataset);
    return [...new Set([...listed.filter((name) => known.includes(name)), ...known])];
  }

  /**
   * The forest that answers: the space's own, or the universal one.
   * @param {string} space
   * @param {string} dataset
   * @returns {Forest | undefined}
   */
  forest(space, dataset) {
    return this.#covering(space).find((forest) => forest.dataset === dataset);
  }

  /**
   * Whether the architectures of a space, or known ones, can be shown.
   * @param {string} space
   * @param {string} dataset
   */
  hasMap(space, dataset) {
    return this.forest(space, dataset)?.table_spaces.includes(space) ?? false;
  }

  /**
   * The dataset to show first when a space is chosen: the present one, unless only others have a map.
   * @param {string} space
   * @param {string} dataset
   */
  firstDataset(space, dataset) {
    if (this.hasMap(space, dataset)) return dataset;
    return this.datasetsOf(space).find((name) => this.hasMap(space, name)) ?? dataset;
  }
}
