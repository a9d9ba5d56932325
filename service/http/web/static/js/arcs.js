// Any directed graph as a list of steps, with an arc from each step to those that read it.
import { el, svg } from "./dom.js";

/** @typedef {{label: string, inputs: number[], end?: boolean}} Step */

const ROW = 22;
const LEFT = 64;
const WIDTH = 220;
const WIDEST = 78; // a curve goes three quarters as far as what pulls it
const MOST_STEPS = 120;

/**
 * @param {string} title
 * @param {Step[]} steps each after those that it reads
 */
export function drawArcs(title, steps) {
  const shown = steps.slice(0, MOST_STEPS);
  const y = (/** @type {number} */ i) => ROW * (i + 0.5);
  const arcs = shown.flatMap((step, i) =>
    step.inputs.map((j) => {
      if (j === i - 1) return svg("path", { d: `M${LEFT} ${y(j)} V${y(i)}` });
      const bend = Math.min(WIDEST, 10 + 12 * Math.sqrt(i - j));
      return svg("path", { d: `M${LEFT} ${y(j)} C${LEFT - bend} ${y(j) + 4} ${LEFT - bend} ${y(i) - 4} ${LEFT} ${y(i)}` });
    }),
  );
  const dots = shown.map((step, i) =>
    svg(
      "g",
      { class: step.end ? "end" : null },
      svg("circle", { cx: LEFT, cy: y(i), r: 4.5 }),
      svg("text", { x: LEFT + 13, y: y(i) }, step.label),
    ),
  );
  const height = ROW * shown.length;
  const more = steps.length - shown.length;
  return el(
    "div",
    { class: "graph" },
    el("h3", {}, title),
    svg(
      "svg",
      { width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title },
      ...arcs,
      ...dots,
    ),
    ...(more > 0 ? [el("p", { class: "quiet" }, `and ${more} more`)] : []),
  );
}

/**
 * The layers of a network of the space graph, in an order in which each follows its inputs.
 * @param {string} arch
 * @returns {{title: string, steps: Step[]}[]} nothing where it is no graph
 */
export function readGraph(arch) {
  /** @type {{name: string, op: string, inputs: string[]}[]} */
  let nodes;
  try {
    nodes = JSON.parse(arch).nodes.map((/** @type {any} */ node) => ({ inputs: [], ...node }));
  } catch {
    return [];
  }
  /** @type {Map<string, number>} */
  const places = new Map([["input", 0]]);
  /** @type {Step[]} */
  const steps = [{ label: "images", inputs: [], end: true }];
  let waiting = nodes;
  while (waiting.length) {
    const ready = waiting.filter((node) => node.inputs.every((name) => places.has(name)));
    if (!ready.length) return []; // a cycle, or a name that is not there: the server says which
    for (const { name, op, inputs } of ready) {
      steps.push({ label: `${name}: ${op}`, inputs: inputs.map((each) => places.get(each) ?? 0) });
      places.set(name, steps.length - 1);
    }
    waiting = waiting.filter((node) => !places.has(node.name));
  }
  return [{ title: `${nodes.length} layers`, steps }];
}
