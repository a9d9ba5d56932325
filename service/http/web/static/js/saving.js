// Saving what the page shows as files. They are made in the browser, and offered as blob: addresses.
import { byId, el, svg } from "./dom.js";
import { writeCsv } from "./csv.js";
import { said } from "./said.js";
import { colours } from "./theme.js";

/** @typedef {import("./prediction.js").Prediction} Prediction */
/** @typedef {import("./targets.js").Detail} Detail */
/** @typedef {{predictions: Prediction[], target_details: Record<string, Detail>}} Answer of POST /predict */

const COLUMNS = ["arch", "target", "value", "lower", "upper", "unit", "in_domain"];
const MOST_LETTERS = 60; // of an architecture in the name of a file
const SHARPNESS = 2; // pixels of a PNG for each pixel of the page
const FONT = "system-ui, DejaVu Sans, sans-serif";
// Sizes of a drawn table, px
const [ROW, MARGIN, SIZE, LEAST_BARS, GAP] = [24, 16, 14, 320, 12];

/**
 * Save a file.
 * @param {Blob} content
 * @param {string} name
 */
export function save(content, name) {
  const address = URL.createObjectURL(content);
  el("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

/**
 * @param {import("./choice.js").Choice} choice
 * @returns {string} a name for files of it, without an ending
 */
export const fileName = ({ space, dataset, arch }) =>
  ["acorn", space, dataset, arch.slice(0, MOST_LETTERS)]
    .map((part) => part.replace(/[^\w.]+/g, "-").replace(/^-|-$/g, ""))
    .filter(Boolean)
    .join("-");

/**
 * @param {Answer} answer
 * @returns {Blob}
 */
export const asJson = (answer) => new Blob([`${JSON.stringify(answer, null, 2)}\n`], { type: "application/json" });

/**
 * @param {Answer} answer
 * @returns {Blob} a table with a row for each target
 */
export function asCsv({ predictions, target_details: details }) {
  const rows = predictions.flatMap(({ arch, targets, in_domain }) =>
    Object.entries(targets).map(([target, { value, lower, upper }]) =>
      [arch, target, value, lower, upper, details[target].unit, in_domain].map(String),
    ),
  );
  return new Blob([writeCsv([COLUMNS, ...rows])], { type: "text/csv" });
}

/**
 * Make the buttons of a chart work.
 * @param {string} chart id of the buttons, without the ending
 * @param {() => Promise<string>} draw the chart as an SVG document
 * @param {() => string} name of the file, without an ending
 */
export function watchChart(chart, draw, name) {
  const watch = (/** @type {string} */ ending, /** @type {(svg: string) => Blob | Promise<Blob>} */ convert) =>
    byId(`${chart}-${ending}`).addEventListener("click", async () => {
      save(await convert(await draw()), `${name()}-${chart}.${ending}`);
      said("Saved.");
    });
  watch("svg", (text) => new Blob([text], { type: "image/svg+xml" }));
  watch("png", asPng);
}

/**
 * Draw a table of bars as it is on the page.
 * @param {HTMLTableElement} table
 * @param {string} title
 * @returns {string} an SVG document
 */
export function drawBars(table, title) {
  const [text, ground] = colours("--text", "--card");
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => ({
    name: row.cells[0].textContent ?? "",
    bars: /** @type {HTMLElement[]} */ ([...row.cells[1].querySelectorAll(".track > span")]),
    value: row.cells[2].textContent ?? "",
    weight: row.classList.contains("total") ? 700 : 400,
  }));
  const names = widest(rows.map((row) => row.name));
  const others = names + widest(rows.map((row) => row.value)) + 2 * GAP;
  const track = Math.max(LEAST_BARS, widest([title]) - others);
  const width = Math.ceil(others + track + 2 * MARGIN);
  const height = 2 * MARGIN + ROW * (rows.length + 1);
  const words = (/** @type {string} */ content, /** @type {import("./dom.js").Attributes} */ attributes) =>
    svg("text", { fill: text, "dominant-baseline": "central", ...attributes }, content);
  const drawing = svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT, "font-size": SIZE },
    svg("rect", { width, height, fill: ground }),
    words(title, { x: MARGIN, y: MARGIN + ROW / 2, "font-weight": 700 }),
    ...rows.flatMap(({ name, bars, value, weight }, i) => {
      const y = MARGIN + ROW * (i + 1.5);
      return [
        words(name, { x: MARGIN, y, "font-weight": weight }),
        ...bars.map((bar) =>
          svg("rect", {
            x: MARGIN + names + GAP + (track * parseFloat(bar.style.left)) / 100,
            y: y - ROW / 3,
            width: Math.max(2, (track * parseFloat(bar.style.width)) / 100),
            height: (2 * ROW) / 3,
            rx: 2,
            fill: getComputedStyle(bar).backgroundColor,
          }),
        ),
        words(value, { x: width - MARGIN, y, "font-weight": weight, "text-anchor": "end" }),
      ];
    }),
  );
  return new XMLSerializer().serializeToString(drawing);
}

/** @param {string[]} texts @returns {number} px that the widest takes in bold letters */
function widest(texts) {
  const context = /** @type {CanvasRenderingContext2D} */ (el("canvas").getContext("2d"));
  context.font = `700 ${SIZE}px ${FONT}`;
  return Math.max(0, ...texts.map((each) => context.measureText(each).width));
}

/**
 * Draw an SVG document as pixels; the page's policy admits images from data: addresses.
 * @param {string} text
 * @returns {Promise<Blob>}
 */
async function asPng(text) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = el("canvas", { width: SHARPNESS * image.width, height: SHARPNESS * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((/** @type {Blob | null} */ blob) =>
      blob ? resolve(blob) : reject(new Error("the picture is too large for this browser")),
    ),
  );
}
