// Which editor or drawing a space has.
import { drawArcs, readGraph } from "./arcs.js";
import { el } from "./dom.js";
import { readGenotype } from "./genotype.js";
import { layerEditor } from "./layers.js";
import { networkSearch } from "./search.js";
import { sizeEditor } from "./sizes.js";
import { topologyEditor } from "./topology.js";

/**
 * @typedef {object} Editor
 * @property {HTMLElement} element
 * @property {(arch: string) => boolean} show shows an architecture, and whether it could read it; if
 *   it could not, the drawing stays as it is
 * @property {(networks: import("./search.js").Network[]) => void} [list] offers known networks; those
 *   of equal names in the order to show
 */

/** @typedef {(onChange: (arch: string, imageSize?: number) => void) => Editor} MakeEditor */

/** @type {Record<string, MakeEditor>} */
const EDITORS = {
  nats_tss: topologyEditor,
  nats_sss: sizeEditor,
  nasbench_macro: layerEditor,
  timm: networkSearch,
  darts: () => drawing(readGenotype),
  graph: () => drawing(readGraph),
};

/**
 * @param {string} space
 * @param {(arch: string, imageSize?: number) => void} onChange
 * @returns {Editor}
 */
export function makeEditor(space, onChange) {
  return (EDITORS[space] ?? (() => drawing(() => [])))(onChange);
}

/** @param {string} space @returns {boolean} whether its specifications are written, not drawn */
export const isText = (space) => !["nats_tss", "nats_sss", "nasbench_macro", "timm"].includes(space);

/**
 * What is only drawn: the text is changed in the field below.
 * @param {(arch: string) => {title: string, steps: import("./arcs.js").Step[]}[]} read
 * @returns {Editor}
 */
function drawing(read) {
  const element = el("div", { class: "graphs", tabindex: 0, role: "group", "aria-label": "Drawing of the network" });
  return {
    element,
    show(arch) {
      const graphs = read(arch);
      element.hidden = !graphs.length;
      element.replaceChildren(...graphs.map(({ title, steps }) => drawArcs(title, steps)));
      return graphs.length > 0;
    },
  };
}
