// The cell of nats_tss: four nodes, six edges, one of five operations on each.
import { el, svg } from "./dom.js";

const OPERATIONS = /** @type {const} */ ([
  ["none", "none"],
  ["skip_connect", "skip"],
  ["nor_conv_1x1", "conv 1×1"],
  ["nor_conv_3x3", "conv 3×3"],
  ["avg_pool_3x3", "avg pool 3×3"],
]);
const NAMES = OPERATIONS.map(([name]) => /** @type {string} */ (name));
const LABELS = new Map(/** @type {[string, string][]} */ (OPERATIONS.map((pair) => [...pair])));

// In the order of the specification: those into node 1, into node 2, into node 3.
const EDGES = /** @type {const} */ ([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]);
const NODES = /** @type {const} */ ([[36, 136], [210, 34], [210, 238], [384, 136]]);
const NODE_LABELS = ["in", "1", "2", "out"];
const BELOW = 326; // where the edge from first to last node is pulled to
const RADIUS = 19;
const [PILL_WIDTH, PILL_HEIGHT] = [104, 30];

// NASLib's numbers of operations, and its order of edges: those out of node 0, 1 and 2.
const NASLIB = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"];
const NASLIB_PLACES = [0, 1, 3, 2, 4, 5]; // of each edge of EDGES

/**
 * Operations of the six edges.
 * @param {string} arch a cell, or NASLib's tuple of numbers
 * @returns {string[] | null} null where it is no cell, or an index, which only the server knows
 */
export function readCell(arch) {
  if (/^\s*(\([0-4\s,]*\)|\[[0-4\s,]*\])\s*$/.test(arch)) {
    const numbers = arch.match(/\d+/g) ?? [];
    if (numbers.length !== EDGES.length) return null;
    const operations = NASLIB_PLACES.map((place) => NASLIB[Number(numbers[place])]);
    return operations.every(Boolean) ? operations : null;
  }
  const found = [...arch.matchAll(/([a-z_0-9]+)\s*~\s*([0-2])/g)];
  const sources = found.map((match) => match[2]).join("");
  const operations = found.map((match) => match[1]);
  if (sources !== "001012" || !operations.every((name) => NAMES.includes(name))) return null;
  return operations;
}

/** @param {string[]} operations */
export function writeCell(operations) {
  const nodes = [1, 2, 3].map((node) => {
    const into = EDGES.flatMap(([from, to], i) => (to === node ? [`${operations[i]}~${from}`] : []));
    return `|${into.join("|")}|`;
  });
  return nodes.join("+");
}

/**
 * An editor: choose an edge, then its operation.
 * @param {(arch: string) => void} onChange
 * @returns {import("./editors.js").Editor}
 */
export function topologyEditor(onChange) {
  /** @type {string[]} */
  let operations = Array(EDGES.length).fill("none");
  let chosen = 0;

  const edges = EDGES.map((_, i) => drawEdge(i));
  const drawing = svg(
    "svg",
    { class: "cell", viewBox: "0 0 420 306", role: "group", "aria-label": "The cell" },
    svg("defs", {}, arrow()),
    ...edges.map((edge) => edge.group),
    ...NODES.map(([x, y], i) =>
      svg("g", { class: "node" }, svg("circle", { cx: x, cy: y, r: RADIUS }), svg("text", { x, y }, NODE_LABELS[i])),
    ),
  );
  const legend = el("legend");
  const radios = OPERATIONS.map(([name, label]) => {
    const input = el("input", { type: "radio", name: "operation", value: name });
    input.addEventListener("change", () => put(chosen, name));
    return { input, label: el("label", { "data-op": name }, input, el("span", {}, label)) };
  });
  const palette = el("fieldset", { class: "palette" }, legend, ...radios.map((radio) => radio.label));
  const hint = "Click an edge, then an operation. By keyboard: Tab to an edge, 1 to 5 or the arrows change it.";
  const element = el("div", {}, drawing, palette, el("p", { class: "hint" }, hint));

  edges.forEach(({ group }, i) => {
    group.addEventListener("click", () => choose(i));
    group.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const at = NAMES.indexOf(operations[i]);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Enter" || event.key === " ") choose(i);
      else if (/^[1-5]$/.test(event.key)) put(i, NAMES[Number(event.key) - 1]);
      else if (step) put(i, NAMES[(at + step + NAMES.length) % NAMES.length]);
      else return;
      event.preventDefault();
    });
  });

  /** @param {number} i */
  function choose(i) {
    chosen = i;
    refresh();
  }

  /** @param {number} i @param {string} name */
  function put(i, name) {
    chosen = i;
    operations = operations.with(i, name);
    refresh();
    onChange(writeCell(operations));
  }

  function refresh() {
    edges.forEach(({ group, text }, i) => {
      const label = LABELS.get(operations[i]) ?? "";
      group.dataset.op = operations[i];
      group.setAttribute("aria-pressed", String(i === chosen));
      group.setAttribute("aria-label", `${edgeName(i)}: ${label}`);
      text.textContent = label;
    });
    legend.textContent = `Operation of the ${edgeName(chosen).toLowerCase()}`;
    for (const { input } of radios) input.checked = input.value === operations[chosen];
  }

  return {
    element,
    show(arch) {
      const read = readCell(arch);
      element.classList.toggle("dim", read === null);
      if (read === null) return false;
      operations = read;
      refresh();
      return true;
    },
  };
}

/** @param {number} i */
function edgeName(i) {
  const [from, to] = EDGES[i];
  return `Edge from ${NODE_LABELS[from]} to ${NODE_LABELS[to]}`;
}

/** @param {number} i */
function drawEdge(i) {
  const [from, to] = EDGES[i];
  const [ax, ay] = NODES[from];
  const [bx, by] = NODES[to];
  const around = from === 0 && to === 3;
  let d;
  if (around) d = `M${ax} ${ay + RADIUS} C${ax + 20} ${BELOW} ${bx - 20} ${BELOW} ${bx} ${by + RADIUS + 5}`;
  else {
    const length = Math.hypot(bx - ax, by - ay);
    const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
    const end = RADIUS + 5; // room for the arrow
    d = `M${ax + ux * RADIUS} ${ay + uy * RADIUS} L${bx - ux * end} ${by - uy * end}`;
  }
  const x = (ax + bx) / 2;
  const y = around ? 0.25 * (ay + RADIUS + 2) + 0.75 * BELOW : (ay + by) / 2;
  const text = svg("text", { x, y });
  const group = svg(
    "g",
    { class: "edge", role: "button", tabindex: 0 },
    svg("path", { class: "hit", d }),
    svg("path", { class: "wire", d, "marker-end": "url(#arrow)" }),
    svg("rect", { x: x - PILL_WIDTH / 2, y: y - PILL_HEIGHT / 2, width: PILL_WIDTH, height: PILL_HEIGHT, rx: 8 }),
    text,
  );
  return { group, text };
}

function arrow() {
  const box = { id: "arrow", viewBox: "0 0 8 8", refX: 4, refY: 4, markerWidth: 10, markerHeight: 10 };
  return svg(
    "marker",
    { ...box, orient: "auto", markerUnits: "userSpaceOnUse" },
    svg("path", { class: "arrow", d: "M0 0 8 4 0 8Z" }),
  );
}
