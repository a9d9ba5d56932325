// The size space nats_sss: widths of five layers, drawn as blocks.
import { el, svg } from "./dom.js";

const LAYERS = 5;
const [LEAST, MOST, STEP] = [8, 64, 8];
const [WIDTH, HEIGHT, BLOCK] = [420, 120, 44];

/**
 * @param {string} arch widths, a list of them, or an index in the benchmark's order
 * @returns {number[] | null}
 */
export function readSizes(arch) {
  const text = arch.trim().replace(/^\((.*)\)$|^\[(.*)\]$/s, "$1$2").replace(/,\s*$/, "");
  if (text === arch.trim() && /^(0|[1-9]\d{0,4})$/.test(text)) return sizesAt(Number(text));
  const separator = /[:,-]/.exec(text)?.[0] ?? ":";
  const words = text.split(separator).map((word) => word.trim());
  if (!words.every((word) => /^[1-9]\d?$/.test(word))) return null;
  const widths = words.map(Number);
  const good = widths.every((width) => width >= LEAST && width <= MOST && width % STEP === 0);
  return widths.length === LAYERS && good ? widths : null;
}

/**
 * @param {number} index of which each octal digit is a width
 * @returns {number[] | null}
 */
function sizesAt(index) {
  const digits = index.toString(8).padStart(LAYERS, "0");
  return digits.length > LAYERS ? null : [...digits].map((digit) => LEAST + STEP * Number(digit));
}

/**
 * An editor: a slider for each layer.
 * @param {(arch: string) => void} onChange
 * @returns {import("./editors.js").Editor}
 */
export function sizeEditor(onChange) {
  const drawing = svg("svg", { class: "stack", viewBox: `0 0 ${WIDTH} ${HEIGHT + 20}`, role: "img" });
  const rows = Array.from({ length: LAYERS }, (_, i) => {
    const id = `width-${i}`;
    const input = el("input", { type: "range", id, min: LEAST, max: MOST, step: STEP });
    const output = el("output", { for: id });
    input.addEventListener("input", () => {
      refresh();
      onChange(rows.map((row) => row.input.value).join(":"));
    });
    return { input, output, row: el("div", { class: "size" }, el("label", { for: id }, `Width ${i + 1}`), input, output) };
  });

  function refresh() {
    const widths = rows.map((row) => Number(row.input.value));
    rows.forEach((row, i) => row.output.replaceChildren(String(widths[i])));
    drawing.setAttribute("aria-label", `Widths ${widths.join(", ")}`);
    drawing.replaceChildren(...drawBlocks(widths));
  }

  return {
    element: el("div", {}, drawing, el("div", { class: "sizes" }, ...rows.map((row) => row.row))),
    show(arch) {
      const widths = readSizes(arch);
      if (!widths) return false;
      rows.forEach((row, i) => (row.input.value = String(widths[i])));
      refresh();
      return true;
    },
  };
}

/** @param {number[]} widths */
function drawBlocks(widths) {
  const gap = (WIDTH - LAYERS * BLOCK) / LAYERS;
  const line = svg("path", { class: "wire", d: `M0 ${HEIGHT / 2} H${WIDTH}` });
  const blocks = widths.flatMap((width, i) => {
    const height = (HEIGHT * width) / MOST;
    const x = gap / 2 + i * (BLOCK + gap);
    return [
      svg("rect", { x, y: (HEIGHT - height) / 2, width: BLOCK, height, rx: 4 }),
      svg("text", { x: x + BLOCK / 2, y: HEIGHT + 14 }, String(width)),
    ];
  });
  return [line, ...blocks];
}
