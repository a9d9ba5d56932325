// Puts the page together: what is chosen is predicted, and everything shows it.
import { explain, isAborted, postJson } from "./api.js";
import { showImportances, showWaterfall } from "./attributions.js";
import { watchBulk } from "./bulk.js";
import { Catalog } from "./catalog.js";
import { fromAddress, toAddress, writeValues } from "./choice.js";
import { copy, showCode, watchCopying } from "./code.js";
import { isSame, letter, MOST_COMPARED, showComparison } from "./comparison.js";
import { fittingValues, IMAGE_SIZE, showConditions, updateConditions } from "./conditions.js";
import { byId, fill } from "./dom.js";
import { isText, makeEditor } from "./editors.js";
import { showTargets } from "./intervals.js";
import { FrontSearch } from "./front_search.js";
import { watchIntro } from "./intro.js";
import { requestKey } from "./key.js";
import { MapView } from "./map.js";
import { showNothing, showPrediction, showWaiting, watchStrip } from "./prediction.js";
import { showProxies } from "./proxies.js";
import { showRelated } from "./related.js";
import { said } from "./said.js";
import { asCsv, asJson, drawBars, fileName, save, watchChart } from "./saving.js";
import {
  CLEAN, COSTS, describeTargets, detailOf, deviceOptions, devicesOf, firstRobust, fullName, isAccuracy, robustOf, targetOptions,
} from "./targets.js";
import { watchTheme } from "./theme.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./prediction.js").Prediction} Prediction */

const PAUSE = 60; // ms in which a slider may move on
const PATIENCE = 400; // ms after which the page says that it waits
const MOST_TITLE = 120; // letters above a saved explanation
const FIRST_SPACE = "nats_tss";

class Page {
  /** @param {Catalog} catalog */
  constructor(catalog) {
    this.catalog = catalog;
    this.choice = firstChoice(catalog, fromAddress());
    this.editor = makeEditor("", () => {});
    /** @type {Prediction | null} */
    this.prediction = null;
    /** @type {import("./saving.js").Answer | null} */
    this.answer = null; // what is shown, with all targets
    this.asking = new AbortController();
    this.timer = 0;
    this.comparing = new AbortController();
    /** @type {Prediction[]} */
    this.compared = [];
    this.map = new MapView((arch, imageSize) => this.#pick(arch, imageSize));
    this.search = new FrontSearch(() => this.choice, (arch, imageSize) => this.#pick(arch, imageSize));
  }

  start() {
    this.#watch();
    this.#showSpace();
    this.#showArchitecture();
    return this.#predict().finally(() => Promise.all([this.#loadMap(), this.#compare()]));
  }

  /**
   * Choose something else.
   * @param {Partial<Choice>} change
   */
  set(change) {
    const before = this.choice;
    this.choice = { ...this.choice, ...change };
    if (change.robust && this.targets.includes(this.choice.y)) {
      change.y = this.choice.y = byId("map-y").value = change.robust;
    }
    if (change.device && !COSTS.includes(this.choice.x) && !isAccuracy(this.choice.x)) {
      change.x = this.choice.x = byId("map-x").value = change.device;
    }
    if (change.space !== undefined || change.dataset !== undefined) {
      const kept = before.space === this.choice.space && before.dataset === this.choice.dataset;
      if (!kept && !change.compared) change.compared = this.choice.compared = [];
      this.choice = { ...this.choice, ...fitting(this.catalog, this.choice) };
      this.#showSpace();
      this.#loadMap();
    } else if (change.x !== undefined || change.y !== undefined) this.#loadMap();
    else if (writeValues(ofAllPoints(before.conditions)) !== writeValues(ofAllPoints(this.choice.conditions))) this.#loadMap();
    this.#showArchitecture();
    if (change.compared || change.interval || change.x || change.y) this.#compare();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#predict(), PAUSE);
  }

  get targets() {
    return this.catalog.forest(this.choice.space, this.choice.dataset)?.targets ?? [];
  }

  /**
   * Show a network that was found, at the image size that it was found with.
   * @param {string} arch
   * @param {number} [imageSize]
   */
  #pick(arch, imageSize) {
    const { conditions } = this.choice;
    this.set({ arch, conditions: imageSize ? { ...conditions, [IMAGE_SIZE]: imageSize } : conditions });
  }

  /**
   * Show a network of an explanation, which may be of another space.
   * @param {import("./related.js").Network} network
   */
  #pickRelated({ space, arch, conditions = {} }) {
    if (space === this.choice.space) this.#pick(arch, Number(conditions[IMAGE_SIZE]) || undefined);
    else this.set({ space, arch });
  }

  #watch() {
    const bind = (/** @type {string} */ id, /** @type {keyof Choice} */ name) =>
      byId(id).addEventListener("change", () => this.set({ [name]: byId(id).value }));
    bind("dataset", "dataset");
    bind("robust", "robust");
    bind("explained", "explained");
    bind("device", "device");
    bind("map-x", "x");
    bind("map-y", "y");
    byId("interval").addEventListener("change", () => this.set({ interval: Number(byId("interval").value) }));
    byId("space").addEventListener("change", () => {
      const space = byId("space").value;
      const dataset = this.catalog.firstDataset(space, this.choice.dataset);
      this.set({ space, dataset, arch: this.catalog.space(space)?.example ?? "", x: "", y: "" });
    });
    byId("arch").addEventListener("input", () => this.set({ arch: byId("arch").value }));
    byId("example").addEventListener("click", () =>
      this.set({ arch: this.catalog.space(this.choice.space)?.example ?? "" }),
    );
    byId("random").addEventListener("click", () => this.#pick(...this.map.random()));
    byId("compare").addEventListener("click", () => {
      const { arch, conditions, compared } = this.choice;
      this.set({ compared: [...compared, { arch, conditions }] });
      said(`Added to the comparison as ${letter(compared.length)}.`);
    });
    byId("link").addEventListener("click", () => copy(location.href));
    for (const [form, write] of Object.entries({ json: asJson, csv: asCsv })) {
      byId(`save-${form}`).addEventListener("click", () => {
        if (this.answer) save(write(this.answer), `${fileName(this.choice)}.${form}`);
      });
    }
    watchChart("map", () => this.map.picture(), () => fileName(this.choice));
    watchChart("found", () => this.search.map.picture(), () => `acorn-${this.choice.space}-front`);
    watchChart(
      "waterfall",
      async () => drawBars(byId("waterfall").firstChild, this.#titleOfWaterfall()),
      () => fileName(this.choice),
    );
    watchIntro();
    addEventListener("hashchange", () => this.set(fromAddress()));
    watchStrip();
    watchCopying();
    watchBulk(() => this.choice);
    watchTheme(() => Promise.all([this.map.draw(), this.search.map.draw()]));
  }

  /** Show what belongs to the space and dataset. */
  #showSpace() {
    const { space, dataset, robust, device, explained, conditions, x, y } = this.choice;
    fill(byId("space"), this.catalog.spaces.map(({ name }) => ({ value: name, label: name })), space);
    byId("space").title = this.catalog.space(space)?.description ?? "";
    const datasets = this.catalog.datasetsOf(space).map((name) => ({ value: name, label: name }));
    fill(byId("dataset"), datasets, dataset);
    const options = targetOptions(this.targets);
    fill(byId("robust"), targetOptions(robustOf(this.targets)), robust);
    fill(byId("device"), deviceOptions(this.targets), device);
    fill(byId("explained"), options, explained);
    const costs = COSTS.map((value) => ({ value, label: fullName(value), group: "Cost" }));
    fill(byId("map-x"), [...options, ...costs], x);
    fill(byId("map-y"), [...options, ...costs], y);
    this.editor = makeEditor(space, (arch, imageSize) => this.#pick(arch, imageSize));
    byId("editor").replaceChildren(this.editor.element);
    byId("arch").rows = isText(space) ? 8 : 2;
    const forest = this.catalog.forest(space, dataset);
    this.search.offer(forest);
    showConditions(byId("conditions"), forest?.conditions ?? [], conditions, (change) =>
      this.set({ conditions: { ...this.choice.conditions, ...change } }),
    );
    byId("forest").textContent = forest ? `Predicted by the forest ${forest.name} ${forest.version}.` : "";
  }

  /** Show the architecture, as far as it can be without the server. */
  #showArchitecture() {
    const { arch, conditions, compared } = this.choice;
    updateConditions(byId("conditions"), conditions);
    const isCompared = compared.some((each) => isSame(each, { arch, conditions }));
    byId("compare").disabled = isCompared || compared.length >= MOST_COMPARED;
    byId("compare").textContent = compared.length ? `Compare (${compared.length} of ${MOST_COMPARED})` : "Compare";
    if (byId("arch").value !== arch) byId("arch").value = arch;
    this.editor.show(arch);
    toAddress(this.choice);
    showCode(this.#request([CLEAN, this.choice.robust, this.choice.device].filter((name) => this.targets.includes(name))));
  }

  /** @param {string[]} targets */
  #request(targets) {
    const { space, arch, dataset, interval, conditions } = this.choice;
    const given = Object.keys(conditions).length ? { conditions } : {};
    return { architectures: [{ space, arch }], dataset, ...given, targets, interval, explain: "path" };
  }

  async #predict() {
    this.asking.abort();
    const asking = (this.asking = new AbortController());
    const begun = performance.now();
    const waiting = setInterval(() => {
      const passed = performance.now() - begun;
      if (passed <= PATIENCE) return;
      this.#offer(null);
      showWaiting(passed / 1000);
    }, PATIENCE);
    try {
      const { robust, device, explained, x, y } = this.choice;
      const wanted = [...new Set([CLEAN, robust, device, explained, x, y])];
      const request = this.#request(wanted.filter((name) => this.targets.includes(name)));
      const answer = await postJson("predict", { ...request, features: false }, asking.signal);
      clearInterval(waiting);
      this.#offer(null);
      this.#show(answer.predictions[0], answer.importances, answer.feature_details ?? {});
      this.#offer(await this.#predictAll(answer, asking.signal));
    } catch (error) {
      if (!isAborted(error)) this.#complain(explain(error));
    } finally {
      clearInterval(waiting);
    }
  }

  /**
   * Also the targets that are further down.
   * @param {any} answer of those above
   * @param {AbortSignal} signal
   * @returns {Promise<import("./saving.js").Answer>} the answer with all targets
   */
  async #predictAll(answer, signal) {
    if (this.targets.length < 2) {
      showTargets({});
      return answer;
    }
    const request = { ...this.#request(this.targets), explain: "none", features: false };
    const { predictions: [{ targets }], target_details } = await postJson("predict", request, signal);
    showTargets(targets);
    return { ...answer, target_details, predictions: [{ ...answer.predictions[0], targets }] };
  }

  /** @param {import("./saving.js").Answer | null} answer to save, if any is shown */
  #offer(answer) {
    this.answer = answer;
    for (const form of ["json", "csv"]) byId(`save-${form}`).disabled = !answer;
  }

  #titleOfWaterfall() {
    const { space, explained } = this.choice;
    return `${fullName(explained)}: ${space} ${this.prediction?.arch ?? ""}`.slice(0, MOST_TITLE);
  }

  /**
   * @param {Prediction} prediction
   * @param {Record<string, import("./attributions.js").Importance[]>} importances
   * @param {Record<string, import("./attributions.js").FeatureDetail>} details of the features
   */
  #show(prediction, importances, details) {
    this.#complain("");
    this.prediction = prediction;
    // Only the server reads some spellings, such as an index: the canonical form is drawn for them.
    if (!isText(this.choice.space) && !this.editor.show(this.choice.arch)) this.editor.show(prediction.arch);
    showPrediction(prediction, this.choice);
    const { explained } = this.choice;
    const { attributions, attribution_groups: groups, baseline, targets } = prediction;
    if (attributions && groups && baseline) {
      const { value } = targets[explained];
      const unit = detailOf(explained);
      showWaterfall(baseline[explained], groups[explained], attributions[explained], details, value, unit);
    }
    byId("proxies").hidden = !prediction.proxy_percentiles;
    showProxies(prediction.proxy_percentiles ?? {}, details, prediction.space);
    showRelated(prediction, explained, (network) => this.#pickRelated(network));
    showImportances(importances[explained], details);
    this.#mark();
  }

  /** Show where the prediction lies on the map. */
  #mark() {
    if (this.prediction) this.map.mark(this.#place(this.prediction));
  }

  /**
   * @param {Prediction} prediction
   * @returns {{x: number, y: number} | null} where it lies on the map
   */
  #place({ submitted, targets }) {
    const value = (/** @type {string} */ name) =>
      name === "params" || name === "flops" ? submitted[name] : targets[name]?.value;
    const [x, y] = [value(this.choice.x), value(this.choice.y)];
    return x === undefined || y === undefined ? null : { x, y };
  }

  /** Predict what is compared, unless that is known, and show it. */
  async #compare() {
    this.comparing.abort();
    const comparing = (this.comparing = new AbortController());
    const { compared, space } = this.choice;
    try {
      if (compared.length) {
        const architectures = compared.map(({ arch, conditions }) =>
          Object.keys(conditions).length ? { space, arch, conditions } : { space, arch },
        );
        const { conditions: _, ...request } = this.#request(this.targets);
        const options = { ...request, architectures, explain: "none", features: false };
        this.compared = (await postJson("predict", options, comparing.signal)).predictions;
      } else this.compared = [];
      showComparison(compared, this.compared, {
        onPick: ({ arch, conditions }) => this.set({ arch, conditions }),
        onRemove: (place) => this.set({ compared: compared.filter((_each, i) => i !== place) }),
      });
      byId("comparison-error").hidden = true;
      this.map.markCompared(
        this.compared.flatMap((each, i) => {
          const point = this.#place(each);
          return point ? [{ ...point, letter: letter(i) }] : [];
        }),
      );
    } catch (error) {
      if (isAborted(error)) return;
      byId("comparison").hidden = false;
      byId("comparison-error").textContent = explain(error);
      byId("comparison-error").hidden = false;
    }
  }

  async #loadMap() {
    const { space, dataset, x, y, conditions } = this.choice;
    const there = this.catalog.hasMap(space, dataset);
    byId("random").hidden = !there;
    byId("front").hidden = !there;
    byId("map").hidden = !there;
    byId("map-x").disabled = byId("map-y").disabled = !there;
    if (!there) {
      this.map.clear();
      byId("map-note").textContent = `The space ${space} has no list of all its architectures, so there is no map.`;
      return;
    }
    try {
      await this.map.load(space, dataset, x, y, ofAllPoints(conditions));
      const usual = this.catalog.forest(space, dataset)?.conditions.find(({ name }) => name === IMAGE_SIZE)?.default;
      const networks = this.map.networks();
      this.editor.list?.(networks.sort((a, b) => Number(b.image_size === usual) - Number(a.image_size === usual)));
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
    this.#offer(null);
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
  const mapped = catalog.spaces.find(({ name }) => catalog.hasMap(name, catalog.firstDataset(name, "")));
  const space = catalog.space(asked.space ?? "") ?? catalog.space(FIRST_SPACE) ?? mapped ?? catalog.spaces[0];
  const choice = {
    space: space.name,
    arch: (asked.space === space.name && asked.arch) || space.example,
    dataset: asked.dataset ?? "",
    interval: Number(byId("interval").value),
    robust: "",
    explained: CLEAN,
    x: "",
    y: "",
    device: "",
    conditions: asked.conditions ?? {},
    compared: (asked.space === space.name && asked.compared?.slice(0, MOST_COMPARED)) || [],
  };
  choice.dataset ||= catalog.firstDataset(space.name, "");
  return { ...choice, ...fitting(catalog, choice) };
}

/**
 * What of a choice has to change where space or dataset did.
 * @param {Catalog} catalog
 * @param {Choice} choice
 * @returns {Partial<Choice>}
 */
function fitting(catalog, { space, dataset, robust, device, explained, x, y, conditions }) {
  const datasets = catalog.datasetsOf(space);
  const kept = datasets.find((name) => plain(name) === plain(dataset)) ?? datasets[0];
  const forest = catalog.forest(space, kept);
  const targets = forest?.targets ?? [];
  describeTargets(forest?.target_details ?? {});
  const axes = [...targets, ...COSTS];
  const first = targets.includes(CLEAN) ? CLEAN : targets[0];
  const shown = targets.includes(robust) ? robust : firstRobust(targets);
  const devices = devicesOf(targets);
  // Of networks that people use, speed and accuracy come first; of cells, two accuracies.
  const [firstX, firstY] = devices.length ? [devices[0], first] : [first, shown || COSTS[0]];
  return {
    dataset: kept,
    robust: shown,
    device: devices.includes(device) ? device : (devices[0] ?? ""),
    explained: targets.includes(explained) ? explained : first,
    x: axes.includes(x) && x !== y ? x : firstX,
    y: targets.includes(y) || (COSTS.includes(y) && !shown) ? y : firstY,
    conditions: fittingValues(forest?.conditions ?? [], conditions),
  };
}

/**
 * @param {import("./conditions.js").Values} conditions
 * @returns {import("./conditions.js").Values} those that all points of a map have in common
 */
const ofAllPoints = ({ [IMAGE_SIZE]: _, ...others }) => others;

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
