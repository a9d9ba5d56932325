// The space nasbench_macro: one of three blocks in each of eight layers, in three stages.
import { el, svg } from "./dom.js";

const BLOCKS = ["identity", "MB3 3×3", "MB6 5×5"]; // inverted residuals: expansion, kernel
const SHORT = ["id", "3×3", "5×5"];
const STAGES = [1, 1, 2, 2, 2, 3, 3, 3];
const LAYERS = STAGES.length;
const [WIDTH, HEIGHT, BLOCK] = [420, 96, 38];

/**
 * An editor: a choice for each layer.
 * @param {(arch: string) => void} onChange
 * @returns {import("./editors.js").Editor}
 */
export function layerEditor(onChange) {
  const drawing = svg("svg", { class: "stack", viewBox: `0 0 ${WIDTH} ${HEIGHT + 20}`, role: "img" });
  const selects = STAGES.map(() => {
    const select = el("select", {}, ...BLOCKS.map((block, i) => el("option", { value: i }, block)));
    select.addEventListener("change", () => {
      refresh();
      onChange(digits());
    });
    return select;
  });
  const labels = selects.map((select, i) => el("label", {}, `Layer ${i + 1}, stage ${STAGES[i]} `, select));

  const digits = () => selects.map((select) => select.value).join("");

  function refresh() {
    drawing.setAttribute("aria-label", `Blocks ${digits()}`);
    drawing.replaceChildren(...drawBlocks(selects.map((select) => Number(select.value))));
  }

  return {
    element: el("div", {}, drawing, el("div", { class: "layers" }, ...labels)),
    show(arch) {
      if (!new RegExp(`^[0-2]{${LAYERS}}$`).test(arch.trim())) return false;
      selects.forEach((select, i) => (select.value = arch.trim()[i]));
      refresh();
      return true;
    },
  };
}

/** @param {number[]} blocks */
function drawBlocks(blocks) {
  const gap = (WIDTH - LAYERS * BLOCK) / LAYERS;
  const line = svg("path", { class: "wire", d: `M0 ${HEIGHT / 2} H${WIDTH}` });
  const drawn = blocks.flatMap((block, i) => {
    const height = [8, 0.55 * HEIGHT, HEIGHT][block];
    const x = gap / 2 + i * (BLOCK + gap);
    return [
      svg("rect", { x, y: (HEIGHT - height) / 2, width: BLOCK, height, rx: 4, "data-op": block }),
      svg("text", { x: x + BLOCK / 2, y: HEIGHT + 14 }, SHORT[block]),
    ];
  });
  return [line, ...drawn];
}
