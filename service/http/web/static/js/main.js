// Puts the page together: what is chosen is predicted, and everything shows it.
import { explain, isAborted, postJson } from "./api.js";
import { showImportances, showWaterfall } from "./attributions.js";
import { watchBulk } from "./bulk.js";
import { Catalog } from "./catalog.js";
import { fromAddress, toAddress } from "./choice.js";
import { copy, showCode, watchCopying } from "./code.js";
import { byId, fill } from "./dom.js";
import { isText, makeEditor } from "./editors.js";
import { showTargets } from "./intervals.js";
import { requestKey } from "./key.js";
import { MapView } from "./map.js";
import { showNothing, showPrediction, showWaiting, watchStrip } from "./prediction.js";
import { CLEAN, COSTS, firstRobust, fullName, robustOf, targetOptions } from "./targets.js";
import { watchTheme } from "./theme.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./prediction.js").Prediction} Prediction */

const PAUSE = 60; // ms in which a slider may move on
const PATIENCE = 400; // ms after which the page says that it waits
const FIRST_SPACE = "nats_tss";

class Page {
  /** @param {Catalog} catalog */
  constructor(catalog) {
    this.catalog = catalog;
    this.choice = firstChoice(catalog, fromAddress());
    this.editor = makeEditor("", () => {});
    /** @type {Prediction | null} */
    this.prediction = null;
    this.asking = new AbortController();
    this.timer = 0;
    this.map = new MapView((arch) => this.set({ arch }));
  }

  start() {
    this.#watch();
    this.#showSpace();
    this.#showArchitecture();
    return this.#predict().finally(() => this.#loadMap());
  }

  /**
   * Choose something else.
   * @param {Partial<Choice>} change
   */
  set(change) {
    this.choice = { ...this.choice, ...change };
    if (change.robust && this.targets.includes(this.choice.y)) {
      change.y = this.choice.y = byId("map-y").value = change.robust;
    }
    if (change.space !== undefined || change.dataset !== undefined) {
      this.choice = { ...this.choice, ...fitting(this.catalog, this.choice) };
      this.#showSpace();
      this.#loadMap();
    } else if (change.x !== undefined || change.y !== undefined) this.#loadMap();
    this.#showArchitecture();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#predict(), PAUSE);
  }

  get targets() {
    return this.catalog.forest(this.choice.space, this.choice.dataset)?.targets ?? [];
  }

  #watch() {
    const bind = (/** @type {string} */ id, /** @type {keyof Choice} */ name) =>
      byId(id).addEventListener("change", () => this.set({ [name]: byId(id).value }));
    bind("dataset", "dataset");
    bind("robust", "robust");
    bind("explained", "explained");
    bind("map-x", "x");
    bind("map-y", "y");
    byId("interval").addEventListener("change", () => this.set({ interval: Number(byId("interval").value) }));
    byId("space").addEventListener("change", () => {
      const space = byId("space").value;
      this.set({ space, arch: this.catalog.space(space)?.example ?? "" });
    });
    byId("arch").addEventListener("input", () => this.set({ arch: byId("arch").value }));
    byId("example").addEventListener("click", () =>
      this.set({ arch: this.catalog.space(this.choice.space)?.example ?? "" }),
    );
    byId("random").addEventListener("click", () => this.set({ arch: this.map.random() }));
    byId("link").addEventListener("click", () => copy(location.href));
    addEventListener("hashchange", () => this.set(fromAddress()));
    watchStrip();
    watchCopying();
    watchBulk(() => this.choice);
    watchTheme(() => this.map.draw());
  }

  /** Show what belongs to the space and dataset. */
  #showSpace() {
    const { space, dataset, robust, explained, x, y } = this.choice;
    fill(byId("space"), this.catalog.spaces.map(({ name }) => ({ value: name, label: name })), space);
    byId("space").title = this.catalog.space(space)?.description ?? "";
    const datasets = this.catalog.datasetsOf(space).map((name) => ({ value: name, label: name }));
    fill(byId("dataset"), datasets, dataset);
    const options = targetOptions(this.targets);
    fill(byId("robust"), options.filter((option) => option.value !== CLEAN), robust);
    fill(byId("explained"), options, explained);
    const costs = COSTS.map((value) => ({ value, label: fullName(value), group: "Cost" }));
    fill(byId("map-x"), [...options, ...costs], x);
    fill(byId("map-y"), [...options, ...costs], y);
    this.editor = makeEditor(space, (arch) => this.set({ arch }));
    byId("editor").replaceChildren(this.editor.element);
    byId("arch").rows = isText(space) ? 8 : 2;
    const forest = this.catalog.forest(space, dataset);
    byId("forest").textContent = forest ? `Answered by the forest ${forest.name} ${forest.version}.` : "";
  }

  /** Show the architecture, as far as it can be without the server. */
  #showArchitecture() {
    const { arch } = this.choice;
    if (byId("arch").value !== arch) byId("arch").value = arch;
    this.editor.show(arch);
    toAddress(this.choice);
    showCode(this.#request([CLEAN, this.choice.robust].filter((name) => this.targets.includes(name))));
  }

  /** @param {string[]} targets */
  #request(targets) {
    const { space, arch, dataset, interval } = this.choice;
    return { architectures: [{ space, arch }], dataset, targets, interval, explain: "path" };
  }

  async #predict() {
    this.asking.abort();
    const asking = (this.asking = new AbortController());
    const begun = performance.now();
    const waiting = setInterval(() => {
      const passed = performance.now() - begun;
      if (passed > PATIENCE) showWaiting(passed / 1000);
    }, PATIENCE);
    try {
      const { robust, explained, x, y } = this.choice;
      const wanted = [...new Set([CLEAN, robust, explained, x, y])];
      const request = this.#request(wanted.filter((name) => this.targets.includes(name)));
      const answer = await postJson("predict", { ...request, features: false }, asking.signal);
      clearInterval(waiting);
      this.#show(answer.predictions[0], answer.importances);
      await this.#predictAll(asking.signal);
    } catch (error) {
      if (!isAborted(error)) this.#complain(explain(error));
    } finally {
      clearInterval(waiting);
    }
  }

  /**
   * Also the targets that are further down.
   * @param {AbortSignal} signal
   */
  async #predictAll(signal) {
    if (robustOf(this.targets).length === 0) {
      showTargets({});
      return;
    }
    const request = { ...this.#request(this.targets), explain: "none", features: false };
    const answer = await postJson("predict", request, signal);
    showTargets(answer.predictions[0].targets);
  }

  /**
   * @param {Prediction} prediction
   * @param {Record<string, import("./attributions.js").Importance[]>} importances
   */
  #show(prediction, importances) {
    this.#complain("");
    this.prediction = prediction;
    // Only the server reads some spellings, such as an index: the canonical form is drawn for them.
    if (!isText(this.choice.space) && !this.editor.show(this.choice.arch)) this.editor.show(prediction.arch);
    showPrediction(prediction, this.choice);
    const { explained } = this.choice;
    const { attributions, baseline, targets } = prediction;
    if (attributions && baseline) showWaterfall(baseline[explained], attributions[explained], targets[explained].value);
    showImportances(importances[explained]);
    this.#mark();
  }

  /** Show where the prediction lies on the map. */
  #mark() {
    const { prediction } = this;
    if (!prediction) return;
    const place = (/** @type {string} */ name) =>
      name === "params" || name === "flops" ? prediction.submitted[name] : prediction.targets[name]?.value;
    const [x, y] = [place(this.choice.x), place(this.choice.y)];
    this.map.mark(x === undefined || y === undefined ? null : { x, y });
  }

  async #loadMap() {
    const { space, dataset, x, y } = this.choice;
    const there = this.catalog.hasMap(space, dataset);
    byId("random").hidden = !there;
    byId("front").hidden = !there;
    byId("map").hidden = !there;
    byId("map-x").disabled = byId("map-y").disabled = !there;
    if (!there) {
      this.map.clear();
      byId("map-note").textContent = `There is no list of all networks of the space ${space} to show.`;
      return;
    }
    try {
      await this.map.load(space, dataset, x, y);
    } catch (error) {
      byId("map-note").textContent = explain(error);
    }
  }

  /** @param {string} text what is wrong, or nothing */
  #complain(text) {
    byId("arch-error").textContent = text;
    byId("arch-error").hidden = !text;
    byId("arch").setAttribute("aria-invalid", String(Boolean(text)));
    if (!text) return;
    showNothing();
    this.map.mark(null);
  }
}

/**
 * @param {Catalog} catalog
 * @param {Partial<Choice>} asked
 * @returns {Choice}
 */
function firstChoice(catalog, asked) {
  const space = catalog.space(asked.space ?? "") ?? catalog.space(FIRST_SPACE) ?? catalog.spaces[0];
  const choice = {
    space: space.name,
    arch: (asked.space === space.name && asked.arch) || space.example,
    dataset: asked.dataset ?? "",
    interval: Number(byId("interval").value),
    robust: "",
    explained: CLEAN,
    x: CLEAN,
    y: "",
  };
  return { ...choice, ...fitting(catalog, choice) };
}

/**
 * What of a choice has to change where space or dataset did.
 * @param {Catalog} catalog
 * @param {Choice} choice
 * @returns {Partial<Choice>}
 */
function fitting(catalog, { space, dataset, robust, explained, x, y }) {
  const datasets = catalog.datasetsOf(space);
  const kept = datasets.find((name) => plain(name) === plain(dataset)) ?? datasets[0];
  const targets = catalog.forest(space, kept)?.targets ?? [];
  const axes = [...targets, ...COSTS];
  const first = targets.includes(CLEAN) ? CLEAN : targets[0];
  const shown = targets.includes(robust) ? robust : firstRobust(targets);
  return {
    dataset: kept,
    robust: shown,
    explained: targets.includes(explained) ? explained : first,
    x: axes.includes(x) ? x : first,
    y: targets.includes(y) || (COSTS.includes(y) && !shown) ? y : shown || COSTS[0],
  };
}

/** @param {string} dataset @returns {string} the same for CIFAR10, cifar-10 and cifar_10 */
const plain = (dataset) => dataset.trim().toLowerCase().split(/[-_ ]|(?<=[a-z])(?=[0-9])/).join(" ");

/** Begin; a server that does not answer is told of at the top. */
async function begin() {
  byId("key-open").addEventListener("click", async () => {
    if (await requestKey()) location.reload();
  });
  try {
    const catalog = await Catalog.load();
    if (!catalog.spaces.length) throw new Error("This server has no forest, so it cannot predict.");
    await new Page(catalog).start();
  } catch (error) {
    byId("trouble").textContent = explain(error);
    byId("trouble").hidden = false;
  }
}

begin();
