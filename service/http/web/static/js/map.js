// A space as a scatter of two axes, with the Pareto front, the architecture of the page and those compared.
import { getJson } from "./api.js";
import { writeValues } from "./choice.js";
import { writtenValues } from "./conditions.js";
import { byId, el } from "./dom.js";
import { familyShape, groupFamilies, OTHER } from "./families.js";
import { counted, quantity, three, whole } from "./format.js";
import { colours } from "./theme.js";
import { COSTS, fullName } from "./targets.js";

/**
 * @typedef {{space: string, dataset: string, conditions: import("./conditions.js").Values, total: number,
 *   x: Axis, y: Axis,
 *   points: {arch: string[], x: number[], y: number[], image_size: number[] | null}, front: number[]}} SpaceMap
 */
/** @typedef {import("./targets.js").Detail & {name: string}} Axis */
/** @typedef {{x: number, y: number, arch?: string}} Point */

const VENDOR = "static/vendor/";
const SCRIPTS = ["vega-6.4.0/vega.min.js", "vega-lite-6.5.0/vega-lite.min.js"];
const INTERPRETER = "../vendor/vega-interpreter-2.3.2/vega-interpreter.js";
const LOG_ROOM = 1.05; // factor on either side
const NEAR = 24; // px within which a point counts as meant
const TAIL = 0.02; // share of the points at the poor end that may lie outside of the picture
const MOST_TICKS = 8;
const FAMILY_SIZE = 34; // px² of a point
const [STRONG, FAINT] = [0.8, 0.08]; // opacity
const LONG_TAIL = 2; // how much larger they would make an axis for that

/** @type {Promise<{vega: any, vegaLite: any, interpreter: any}> | null} */
let libraries = null;

/** The section of the page. */
export class MapView {
  /**
   * @param {(arch: string, imageSize?: number) => void} onPick called with the architecture that was clicked
   * @param {string} [id] of the drawing; its note, legend and buttons have it before their own
   * @param {HTMLElement | null} [list] that shows the front, with a note on the space
   */
  constructor(onPick, id = "map", list = byId("front-list")) {
    this.onPick = onPick;
    this.id = id;
    this.list = list;
    this.place = byId(id);
    this.tip = el("div", { class: "tip", hidden: true });
    this.named = -1; // the point that the tip names
    /** @type {any} */
    this.view = null;
    /** @type {SpaceMap | null} */
    this.map = null;
    /** @type {Point | null} */
    this.here = null;
    /** @type {(Point & {letter: string})[]} */
    this.compared = [];
    /** @type {import("./families.js").Families | null} */
    this.families = null;
    this.family = ""; // the one that is emphasised
    this.turn = 0;
    this.place.addEventListener("pointermove", (/** @type {PointerEvent} */ e) => this.#hover(e));
    this.place.addEventListener("pointerleave", () => this.#point(-1));
    this.place.addEventListener("click", (/** @type {PointerEvent} */ e) => this.#click(e));
    new ResizeObserver(() => this.#resize()).observe(this.place);
  }

  /**
   * Show another map.
   * @param {string} space
   * @param {string} dataset
   * @param {string} x
   * @param {string} y
   * @param {import("./conditions.js").Values} conditions of all points
   */
  async load(space, dataset, x, y, conditions) {
    const turn = ++this.turn;
    const query = new URLSearchParams({ dataset, x, y, conditions: writeValues(conditions) });
    const [map] = await Promise.all([
      getJson(`spaces/${encodeURIComponent(space)}/map?${query}`),
      loadLibraries(),
    ]);
    if (turn !== this.turn) return; // a newer one is under way
    await this.show(map);
  }

  /** @param {SpaceMap} map */
  async show(map) {
    this.map = map;
    // Image sizes tell networks that people use from cells and the like, which have no families.
    this.families = map.points.image_size && groupFamilies(map.points.arch);
    if (![...(this.families?.names ?? []), OTHER].includes(this.family)) this.family = "";
    this.tip.hidden = true;
    this.#list();
    this.#legend();
    await this.draw();
  }

  /** Show nothing. */
  clear() {
    this.turn += 1;
    this.map = null;
    this.tip.hidden = byId(`${this.id}-saves`).hidden = true;
    this.view?.finalize();
    this.view = null;
    this.place.replaceChildren();
    this.list?.replaceChildren();
    byId(`${this.id}-legend`).replaceChildren();
  }

  /** @param {Point | null} point where the architecture of the page lies */
  mark(point) {
    this.here = point;
    this.view?.data("here", point ? [point] : []).runAsync();
  }

  /** @param {(Point & {letter: string})[]} points where the compared architectures lie */
  markCompared(points) {
    this.compared = points;
    this.view?.data("compared", points).runAsync();
  }

  /** @returns {[string, number | undefined]} an architecture drawn by chance, and its image size */
  random() {
    return this.#network(Math.floor((this.map?.points.arch.length ?? 0) * Math.random()));
  }

  /** @returns {import("./search.js").Network[]} all networks of the map */
  networks() {
    const { arch = [], image_size: sizes = null } = this.map?.points ?? {};
    return arch.map((name, i) => ({ arch: name, image_size: sizes?.[i], text: this.#values(i) }));
  }

  /** Draw, as after a change of colours. */
  async draw() {
    if (!this.map) return;
    const { vega, vegaLite, interpreter } = await loadLibraries();
    if (!this.map) return; // cleared in the meantime
    const runtime = vega.parse(vegaLite.compile(specification(this.map, this.families, this.family)).spec, null, { ast: true });
    this.view?.finalize();
    const canvas = el("div");
    this.place.replaceChildren(canvas, this.tip);
    this.place.classList.add("points");
    this.view = new vega.View(runtime, { expr: interpreter, renderer: "canvas", container: canvas });
    this.view.data("here", this.here ? [this.here] : []).data("compared", this.compared);
    this.view.tooltip(() => {});
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", description(this.map));
    this.#resize();
    await this.view.runAsync();
    byId(`${this.id}-saves`).hidden = false;
    this.place.dataset.drawn = this.map.points.arch.length;
  }

  /** @returns {Promise<string>} the drawing as an SVG document */
  picture() {
    return this.view.toSVG();
  }

  /**
   * Where a point is on the page.
   * @param {number} i
   * @returns {[number, number]} in px from the upper left corner of the section's drawing
   */
  position(i) {
    const [left, top] = this.view.origin();
    const { x, y } = /** @type {SpaceMap} */ (this.map).points;
    return [left + this.view.scale("x")(x[i]), top + this.view.scale("y")(y[i])];
  }

  #resize() {
    const { clientWidth, clientHeight } = this.place;
    if (clientWidth) this.view?.width(clientWidth).height(clientHeight).runAsync();
  }

  /** @param {PointerEvent} event */
  #nearest(event) {
    if (!this.view || !this.map) return -1;
    const box = this.place.getBoundingClientRect();
    const [left, top] = this.view.origin();
    const [px, py] = [event.clientX - box.left - left, event.clientY - box.top - top];
    const [sx, sy] = [this.view.scale("x"), this.view.scale("y")];
    const { x, y } = this.map.points;
    let [best, found] = [NEAR ** 2, -1];
    for (let i = 0; i < x.length; i += 1) {
      const distance = (sx(x[i]) - px) ** 2 + (sy(y[i]) - py) ** 2;
      if (distance < best) [best, found] = [distance, i];
    }
    return found;
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (event.pointerType !== "touch") this.#point(this.#nearest(event));
  }

  /** @param {PointerEvent} event */
  #click(event) {
    // A click has whole pixels where a move may have parts of them: what the tip names is what is meant.
    const named = event.pointerType !== "touch" && !this.tip.hidden;
    const i = named ? this.named : this.#nearest(event);
    if (i >= 0) this.onPick(...this.#network(i));
  }

  /** @param {number} i @returns {[string, number | undefined]} */
  #network(i) {
    const { arch, image_size: sizes } = /** @type {SpaceMap} */ (this.map).points;
    return [arch[i], sizes?.[i]];
  }

  /** @param {number} i @returns {string} the architecture, and its image size if there are several */
  #name(i) {
    const [arch, size] = this.#network(i);
    return size ? `${arch} · ${size} px` : arch;
  }

  /** @param {number} i the point that is meant, or -1 */
  #point(i) {
    if (!this.view || !this.map) return;
    this.tip.hidden = i < 0;
    const { x, y } = this.map.points;
    this.view.data("meant", i < 0 ? [] : [{ x: x[i], y: y[i] }]).runAsync();
    if (i < 0) return;
    this.named = i;
    const family = this.families ? `${this.families.of[i]}: ` : "";
    this.tip.replaceChildren(family, el("code", {}, this.#name(i)), el("br"), this.#values(i));
    const [left, top] = this.position(i);
    const onTheLeft = left > this.place.clientWidth / 2;
    this.tip.style.left = onTheLeft ? "" : `${left + 12}px`;
    this.tip.style.right = onTheLeft ? `${this.place.clientWidth - left + 12}px` : "";
    this.tip.style.top = `${Math.max(0, top - 20)}px`;
  }

  /** @param {number} i */
  #values(i) {
    const { x, y, points: all } = /** @type {SpaceMap} */ (this.map);
    return `${fullName(x.name)} ${written(x, all.x[i])}, ${fullName(y.name)} ${written(y, all.y[i])}`;
  }

  /** A button for each family emphasises it. */
  #legend() {
    const { names = [] } = this.families ?? {};
    const legend = byId(`${this.id}-legend`);
    legend.hidden = !names.length;
    legend.replaceChildren(
      ...[...names, ...(names.length ? [OTHER] : [])].map((name, i) => {
        const [place, shape] = name === OTHER ? [OTHER, "circle"] : [i, familyShape(i)];
        const button = el(
          "button",
          { type: "button", "data-family": place, "data-shape": shape, "aria-pressed": String(name === this.family) },
          el("span", { class: "mark", "aria-hidden": "true" }),
          name,
        );
        button.addEventListener("click", () => this.#emphasise(name));
        return button;
      }),
    );
  }

  /** @param {string} family the one to emphasise; none if it is already */
  #emphasise(family) {
    this.family = this.family === family ? "" : family;
    for (const button of byId(`${this.id}-legend`).children) {
      button.setAttribute("aria-pressed", String(button.textContent === this.family));
    }
    this.draw();
  }

  #list() {
    if (!this.list) return;
    const map = /** @type {SpaceMap} */ (this.map);
    const { total, points: all, front } = map;
    const shown = all.arch.length < total ? `, of which ${whole(all.arch.length)} are drawn` : "";
    const [x, y] = [closeUp(all.x, map.x), closeUp(all.y, map.y)];
    const outside = all.x.filter((_, i) => all.x[i] < x[0] || all.y[i] < y[0]).length;
    const cut = outside ? ` ${whole(outside)} poor ones lie outside of the picture.` : "";
    const conditions = writtenValues(map.conditions);
    const points = this.families
      ? `${counted(total, "point")}, one for each network and image size${conditions && ` (${conditions})`}`
      : counted(total, "function");
    byId(`${this.id}-note`).textContent =
      `${points}${shown}.${cut} No other is better on both axes than those on the line, ` +
      "the Pareto front. Click a point to load it.";
    this.list.replaceChildren(
      ...front.map((i) => {
        const button = el("button", { type: "button" }, el("b", {}, this.#values(i)), el("code", {}, this.#name(i)));
        button.addEventListener("click", () => this.onPick(...this.#network(i)));
        return el("li", {}, button);
      }),
    );
  }
}

/** Load Vega when it is first needed: the numbers of the page come before. */
function loadLibraries() {
  libraries ??= (async () => {
    await Promise.all(SCRIPTS.map((name) => loadScript(VENDOR + name)));
    const { expressionInterpreter } = await import(INTERPRETER);
    const { vega, vegaLite } = /** @type {any} */ (globalThis);
    return { vega, vegaLite, interpreter: expressionInterpreter };
  })();
  return libraries;
}

/** @param {string} address @returns {Promise<void>} */
function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = el("script", { src: address });
    script.async = false; // loaded at a time, run in order
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${address} cannot be loaded`));
    document.head.append(script);
  });
}

/**
 * @param {SpaceMap} map
 * @param {import("./families.js").Families | null} families
 * @param {string} family the one that is emphasised, or nothing
 */
function specification(map, families, family) {
  const [text, quiet, line, edge, card, accent, front] = colours(
    "--text", "--quiet", "--line", "--edge", "--card", "--accent", "--front",
  );
  const { arch, x, y } = map.points;
  const values = arch.map((_, i) => ({ x: x[i], y: y[i] }));
  const encoding = { x: axis("x", map.x, x), y: axis("y", map.y, y) };
  const best = map.front.map((i) => values[i]);
  const points = families ? familyPoints(values, families, family) : plainPoints(values, quiet);
  return {
    autosize: { type: "fit", contains: "padding" },
    width: 400,
    height: 300,
    padding: 4,
    datasets: { ...points.datasets, front: best, meant: [], here: [], compared: [] },
    encoding,
    layer: [
      points.layer,
      { data: { name: "front" }, mark: { type: "line", color: front, strokeWidth: 1.5, clip: true } },
      { data: { name: "front" }, mark: { type: "point", filled: true, size: 30, color: front, opacity: 1, clip: true } },
      { data: { name: "meant" }, mark: { type: "point", size: 110, color: text, strokeWidth: 2, opacity: 1 } },
      { data: { name: "here" }, mark: { type: "point", filled: true, size: 190, color: accent, stroke: card, strokeWidth: 2.5, opacity: 1 } },
      { data: { name: "compared" }, mark: { type: "point", size: 210, color: text, strokeWidth: 2, filled: false, opacity: 1 } },
      {
        data: { name: "compared" },
        mark: { type: "text", dx: 15, dy: -11, fontSize: 14, fontWeight: "bold", color: text },
        encoding: { text: { field: "letter", type: "nominal" } },
      },
    ],
    config: {
      background: card,
      font: "system-ui, DejaVu Sans, sans-serif",
      view: { stroke: line },
      axis: {
        labelColor: quiet, titleColor: text, gridColor: line, domainColor: edge, tickColor: edge,
        titleFontWeight: "normal", titleFontSize: 13, labelFontSize: 12, gridOpacity: 0.7,
      },
    },
  };
}

/**
 * @param {Point[]} values
 * @param {string} color
 */
function plainPoints(values, color) {
  const mark = { type: "point", filled: true, size: 11, color, opacity: 0.4, clip: true };
  return { datasets: { points: values }, layer: { data: { name: "points" }, mark } };
}

/**
 * Points in the colour and shape of their family; the others and those not emphasised stay behind.
 * @param {Point[]} values
 * @param {import("./families.js").Families} families
 * @param {string} family
 */
function familyPoints(values, { names, of }, family) {
  const domain = [...names, OTHER];
  const range = colours(...names.map((_, i) => `--family-${i}`), "--family-other");
  const shapes = domain.map((name, i) => (name === OTHER ? "circle" : familyShape(i)));
  const shown = values
    .map((value, i) => ({ ...value, family: of[i], strength: !family || of[i] === family ? STRONG : FAINT }))
    .sort((a, b) => a.strength - b.strength || Number(b.family === OTHER) - Number(a.family === OTHER));
  const layer = {
    data: { name: "points" },
    mark: { type: "point", filled: true, size: FAMILY_SIZE, clip: true },
    encoding: {
      color: { field: "family", type: "nominal", scale: { domain, range }, legend: null },
      shape: { field: "family", type: "nominal", scale: { domain, range: shapes }, legend: null },
      opacity: { field: "strength", type: "quantitative", scale: null },
    },
  };
  return { datasets: { points: shown }, layer };
}

/**
 * @param {"x" | "y"} field
 * @param {Axis} axis_
 * @param {number[]} values
 */
function axis(field, axis_, values) {
  const { name, unit } = axis_;
  const title = COSTS.includes(name) ? fullName(name) : `${fullName(name)}, predicted (${unit === "percent" ? "%" : unit})`;
  const type = axis_.scale === "log" ? { type: "log" } : { zero: false };
  const scale = { ...type, nice: false, domain: closeUp(values, axis_) };
  return { field, type: "quantitative", title, scale, axis: { tickCount: MOST_TICKS } };
}

/**
 * The range of values; without the last few at the poor end where these would squeeze the others.
 * @param {number[]} values
 * @param {Axis} axis_
 * @returns {[number, number]}
 */
function closeUp(values, { better, scale }) {
  if (scale === "log") return [Math.min(...values) / LOG_ROOM, Math.max(...values) * LOG_ROOM];
  const sorted = [...values].sort((a, b) => a - b);
  let low = sorted[0];
  let high = sorted[sorted.length - 1];
  const cut = Math.floor(TAIL * sorted.length);
  if (better === "higher" && high - low > LONG_TAIL * (high - sorted[cut])) low = sorted[cut];
  const room = 0.03 * (high - low) || 1;
  return [Math.max(0, low - room), high + room];
}

/** @param {SpaceMap} map */
function description({ x, y, points: all, front }) {
  return (
    `Scatter of ${whole(all.arch.length)} architectures: ${fullName(y.name)} over ${fullName(x.name)}, ` +
    `with a Pareto front of ${front.length}, which stands as a list below.`
  );
}

/**
 * @param {Axis} axis_
 * @param {number} value
 */
const written = (axis_, value) => (COSTS.includes(axis_.name) ? three(value) : quantity(value, axis_));
