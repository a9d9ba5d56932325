// The whole space as a scatter of two axes, with the Pareto front and the architecture of the page.
import { getJson } from "./api.js";
import { byId, el } from "./dom.js";
import { counted, points, three, whole } from "./format.js";
import { colours } from "./theme.js";
import { COSTS, fullName } from "./targets.js";

/**
 * @typedef {{space: string, dataset: string, total: number,
 *   x: {name: string, better: string}, y: {name: string, better: string},
 *   points: {arch: string[], x: number[], y: number[]}, front: number[]}} SpaceMap
 */
/** @typedef {{x: number, y: number, arch?: string}} Point */

const VENDOR = "static/vendor/";
const SCRIPTS = ["vega-6.4.0/vega.min.js", "vega-lite-6.5.0/vega-lite.min.js"];
const INTERPRETER = "../vendor/vega-interpreter-2.3.2/vega-interpreter.js";
const NEAR = 24; // px within which a point counts as meant
const TAIL = 0.02; // share of the points at the poor end that may lie outside of the picture
const MOST_TICKS = 8;
const LONG_TAIL = 2; // how much larger they would make an axis for that

/** @type {Promise<{vega: any, vegaLite: any, interpreter: any}> | null} */
let libraries = null;

/** The section of the page. */
export class MapView {
  /** @param {(arch: string) => void} onPick called with the architecture that was clicked */
  constructor(onPick) {
    this.onPick = onPick;
    this.place = byId("map");
    this.tip = el("div", { class: "tip", hidden: true });
    this.named = ""; // the architecture that the tip names
    /** @type {any} */
    this.view = null;
    /** @type {SpaceMap | null} */
    this.map = null;
    /** @type {Point | null} */
    this.here = null;
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
   */
  async load(space, dataset, x, y) {
    const turn = ++this.turn;
    const query = new URLSearchParams({ dataset, x, y });
    const [map] = await Promise.all([
      getJson(`spaces/${encodeURIComponent(space)}/map?${query}`),
      loadLibraries(),
    ]);
    if (turn !== this.turn) return; // a newer one is under way
    this.map = map;
    this.tip.hidden = true;
    this.#list();
    await this.draw();
  }

  /** Show nothing. */
  clear() {
    this.turn += 1;
    this.map = null;
    this.tip.hidden = true;
    this.view?.finalize();
    this.view = null;
    this.place.replaceChildren();
    byId("front-list").replaceChildren();
  }

  /** @param {Point | null} point where the architecture of the page lies */
  mark(point) {
    this.here = point;
    this.view?.data("here", point ? [point] : []).runAsync();
  }

  /** @returns {string} an architecture drawn by chance */
  random() {
    const archs = this.map?.points.arch ?? [];
    return archs[Math.floor(archs.length * Math.random())];
  }

  /** Draw, as after a change of colours. */
  async draw() {
    if (!this.map) return;
    const { vega, vegaLite, interpreter } = await loadLibraries();
    const runtime = vega.parse(vegaLite.compile(specification(this.map)).spec, null, { ast: true });
    this.view?.finalize();
    const canvas = el("div");
    this.place.replaceChildren(canvas, this.tip);
    this.place.classList.add("points");
    this.view = new vega.View(runtime, { expr: interpreter, renderer: "canvas", container: canvas });
    this.view.data("here", this.here ? [this.here] : []);
    this.view.tooltip(() => {});
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", description(this.map));
    this.#resize();
    await this.view.runAsync();
    this.place.dataset.drawn = this.map.points.arch.length;
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
    if (event.pointerType !== "touch" && !this.tip.hidden) return this.onPick(this.named);
    const i = this.#nearest(event);
    if (i >= 0 && this.map) this.onPick(this.map.points.arch[i]);
  }

  /** @param {number} i the point that is meant, or -1 */
  #point(i) {
    if (!this.view || !this.map) return;
    this.tip.hidden = i < 0;
    const { arch, x, y } = this.map.points;
    this.view.data("meant", i < 0 ? [] : [{ x: x[i], y: y[i] }]).runAsync();
    if (i < 0) return;
    this.named = arch[i];
    this.tip.replaceChildren(el("code", {}, arch[i]), el("br"), this.#values(i));
    const [left, top] = this.position(i);
    const onTheLeft = left > this.place.clientWidth / 2;
    this.tip.style.left = onTheLeft ? "" : `${left + 12}px`;
    this.tip.style.right = onTheLeft ? `${this.place.clientWidth - left + 12}px` : "";
    this.tip.style.top = `${Math.max(0, top - 20)}px`;
  }

  /** @param {number} i */
  #values(i) {
    const { x, y, points: all } = /** @type {SpaceMap} */ (this.map);
    return `${fullName(x.name)} ${written(x.name, all.x[i])}, ${fullName(y.name)} ${written(y.name, all.y[i])}`;
  }

  #list() {
    const map = /** @type {SpaceMap} */ (this.map);
    const { total, points: all, front } = map;
    const shown = all.arch.length < total ? `, of which ${whole(all.arch.length)} are drawn` : "";
    const [x, y] = [closeUp(all.x, map.x.better), closeUp(all.y, map.y.better)];
    const outside = all.x.filter((_, i) => all.x[i] < x[0] || all.y[i] < y[0]).length;
    const cut = outside ? ` ${whole(outside)} poor ones lie outside of the picture.` : "";
    byId("map-note").textContent =
      `${counted(total, "function")}${shown}.${cut} No other is better on both axes than those on the line, ` +
      "the Pareto front. Click a point to load it.";
    byId("front-list").replaceChildren(
      ...front.map((i) => {
        const button = el("button", { type: "button" }, el("b", {}, this.#values(i)), el("code", {}, all.arch[i]));
        button.addEventListener("click", () => this.onPick(all.arch[i]));
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

/** @param {SpaceMap} map */
function specification(map) {
  const [text, quiet, line, edge, card, accent, front] = colours(
    "--text", "--quiet", "--line", "--edge", "--card", "--accent", "--front",
  );
  const { arch, x, y } = map.points;
  const values = arch.map((_, i) => ({ x: x[i], y: y[i] }));
  const encoding = { x: axis("x", map.x, x), y: axis("y", map.y, y) };
  const best = map.front.map((i) => values[i]);
  return {
    autosize: { type: "fit", contains: "padding" },
    width: 400,
    height: 300,
    padding: 4,
    datasets: { points: values, front: best, meant: [], here: [] },
    encoding,
    layer: [
      { data: { name: "points" }, mark: { type: "point", filled: true, size: 11, color: quiet, opacity: 0.4, clip: true } },
      { data: { name: "front" }, mark: { type: "line", color: front, strokeWidth: 1.5, clip: true } },
      { data: { name: "front" }, mark: { type: "point", filled: true, size: 30, color: front, opacity: 1, clip: true } },
      { data: { name: "meant" }, mark: { type: "point", size: 110, color: text, strokeWidth: 2, opacity: 1 } },
      { data: { name: "here" }, mark: { type: "point", filled: true, size: 190, color: accent, stroke: card, strokeWidth: 2.5, opacity: 1 } },
    ],
    config: {
      background: "transparent",
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
 * @param {"x" | "y"} field
 * @param {{name: string, better: string}} axis_
 * @param {number[]} values
 */
function axis(field, { name, better }, values) {
  const title = COSTS.includes(name) ? fullName(name) : `${fullName(name)}, predicted (%)`;
  const scale = { zero: false, nice: false, domain: closeUp(values, better) };
  return { field, type: "quantitative", title, scale, axis: { tickCount: MOST_TICKS } };
}

/**
 * The range of values; without the last few at the poor end where these would squeeze the others.
 * @param {number[]} values
 * @param {string} better
 * @returns {[number, number]}
 */
function closeUp(values, better) {
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
 * @param {string} name
 * @param {number} value
 */
const written = (name, value) => (COSTS.includes(name) ? three(value) : points(value));
