// DARTS genotypes: the two cells of a genotype as graphs of operations. Matched, never evaluated.

const NODE_PAIRS = 2;

/** @typedef {import("./arcs.js").Step} Step */

/**
 * @param {string} arch
 * @returns {{title: string, steps: Step[]}[]} one graph a cell; none where it is no genotype
 */
export function readGenotype(arch) {
  const cells = ["normal", "reduce"].map((kind) => ({
    title: kind === "normal" ? "Normal cell" : "Reduction cell",
    steps: cellSteps(arch, kind),
  }));
  return cells.every((cell) => cell.steps.length) ? cells : [];
}

/**
 * @param {string} arch
 * @param {string} kind
 * @returns {Step[]}
 */
function cellSteps(arch, kind) {
  const list = new RegExp(`${kind}\\s*=\\s*\\[([^\\]]*)\\]`).exec(arch)?.[1] ?? "";
  const edges = [...list.matchAll(/\(\s*['"](\w+)['"]\s*,\s*(\d)\s*\)/g)];
  if (!edges.length || edges.length % NODE_PAIRS) return [];
  /** @type {Step[]} */
  const steps = [
    { label: "cell before last", inputs: [], end: true },
    { label: "cell before", inputs: [], end: true },
  ];
  const outputs = [0, 1]; // the step that is each node's output
  for (let i = 0; i < edges.length; i += NODE_PAIRS) {
    const node = outputs.length;
    const inputs = edges.slice(i, i + NODE_PAIRS).map(([, name, source]) => {
      steps.push({ label: name.replaceAll("_", " "), inputs: [outputs[Number(source)] ?? 0] });
      return steps.length - 1;
    });
    steps.push({ label: `node ${node}`, inputs, end: true });
    outputs.push(steps.length - 1);
  }
  steps.push({ label: "concatenation", inputs: outputs.slice(NODE_PAIRS), end: true });
  return steps;
}
