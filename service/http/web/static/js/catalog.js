// What the server can be asked for: spaces, and the forests that answer for them.
import { getJson } from "./api.js";

/** @typedef {{name: string, description: string, example: string, datasets: string[]}} Space */
/**
 * @typedef {{name: string, version: string, space: string, dataset: string, targets: string[],
 *   table_rows: number, default: boolean}} Forest
 */

const UNIVERSAL = "universal";

/** What there is to choose from. */
export class Catalog {
  /**
   * @param {Space[]} spaces
   * @param {Forest[]} forests
   */
  constructor(spaces, forests) {
    this.forests = forests.filter((forest) => forest.default);
    this.spaces = spaces.filter((space) => this.datasetsOf(space.name).length > 0);
  }

  /** @returns {Promise<Catalog>} that of the server */
  static async load() {
    const [{ spaces }, { forests }] = await Promise.all([getJson("spaces"), getJson("forests")]);
    return new Catalog(spaces, forests);
  }

  /** @param {string} name @returns {Space | undefined} */
  space(name) {
    return this.spaces.find((space) => space.name === name);
  }

  /** @param {string} space @returns {string[]} datasets that some forest predicts for it */
  datasetsOf(space) {
    const covering = this.forests.filter((forest) => [space, UNIVERSAL].includes(forest.space));
    return [...new Set(covering.map((forest) => forest.dataset))].sort(smallFirst);
  }

  /**
   * The forest that answers: the space's own, or the universal one.
   * @param {string} space
   * @param {string} dataset
   * @returns {Forest | undefined}
   */
  forest(space, dataset) {
    const fitting = this.forests.filter((forest) => forest.dataset === dataset);
    return [space, UNIVERSAL]
      .map((name) => fitting.find((forest) => forest.space === name))
      .find((forest) => forest);
  }

  /**
   * Whether the whole space can be shown.
   * @param {string} space
   * @param {string} dataset
   */
  hasMap(space, dataset) {
    return this.forest(space, dataset)?.space === space;
  }
}

/** @param {string} a @param {string} b */
const smallFirst = (a, b) => a.length - b.length || a.localeCompare(b);
