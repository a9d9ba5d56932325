// A search for the best architectures of a space: a job, whose front is drawn while it grows.
import { ask, explain, getJson, postJson } from "./api.js";
import { IMAGE_SIZE } from "./conditions.js";
import { broken, byId, el, fill } from "./dom.js";
import { counted, duration, quantity, roughSpan, span, three, whole } from "./format.js";
import { MapView } from "./map.js";
import { save } from "./saving.js";
import { CLEAN, COSTS, fullName, targetOptions } from "./targets.js";

/** @typedef {import("./map.js").Axis} Axis */
/** @typedef {{index: number, prediction: import("./prediction.js").Prediction}} Member */
/**
 * @typedef {{job: import("./bulk.js").Job & {front: string}, objectives: string[],
 *   quantities: Axis[], evaluated: number, kept: number, front: Member[]}} Front
 */

const SOONEST = 300; // ms between two looks at a search
const LATEST = 2000;
const MOST_POINTS = 1000; // of architectures that are not on the front
// The front grows with each generation: a small search has small ones.
const [LEAST_PARENTS, MOST_PARENTS, GENERATIONS] = [8, 40, 10];
const STATES = { queued: "Waiting", running: "Searching", done: "Done", cancelled: "Cancelled", failed: "Failed" };

/** The section of the page. */
export class FrontSearch {
  /**
   * @param {() => import("./choice.js").Choice} choice what is chosen now
   * @param {(arch: string, imageSize?: number) => void} onPick called with an architecture of the front
   */
  constructor(choice, onPick) {
    this.choice = choice;
    this.onPick = onPick;
    this.map = new MapView(onPick, "found", null);
    this.turn = 0;
    byId("search-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.#start();
    });
  }

  /** @param {import("./catalog.js").Forest | undefined} forest that predicts what is searched */
  offer(forest) {
    this.turn += 1; // what was found belongs to another space
    this.map.clear();
    byId("search-result").hidden = byId("search-error").hidden = true;
    const targets = forest?.targets ?? [];
    const costs = COSTS.map((value) => ({ value, label: fullName(value), group: "Cost" }));
    const options = [...targetOptions(targets), ...costs];
    const first = targets.includes(CLEAN) ? CLEAN : targets[0];
    const { x, y } = this.choice();
    fill(byId("search-first"), options, first);
    fill(byId("search-second"), options, [x, y].find((name) => name !== first) ?? COSTS[0]);
    byId("search-note").textContent = forest
      ? `The forest ${forest.name} predicts every architecture that is tried. The job continues after this page is closed.`
      : "";
  }

  async #start() {
    const turn = ++this.turn;
    const { space, dataset, interval, conditions } = this.choice();
    const { [IMAGE_SIZE]: _size, ...others } = conditions; // networks are tried at each image size
    const text = byId("search-constraints").value;
    const evaluations = Number(byId("search-evaluations").value);
    const request = {
      kind: "search",
      space,
      dataset,
      interval,
      objectives: [...new Set([byId("search-first").value, byId("search-second").value])],
      constraints: text.split(",").map((/** @type {string} */ part) => part.trim()).filter(Boolean),
      pessimistic: byId("search-pessimistic").checked,
      in_domain: byId("search-known").checked,
      evaluations,
      population: Math.min(MOST_PARENTS, Math.max(LEAST_PARENTS, Math.round(evaluations / GENERATIONS))),
      ...(Object.keys(others).length ? { conditions: others } : {}),
    };
    byId("search-error").hidden = true;
    try {
      await this.#follow(await postJson("jobs", request), request.pessimistic, turn);
    } catch (error) {
      if (turn === this.turn) this.#complain(error);
    }
  }

  /**
   * Watch a search until its end.
   * @param {import("./bulk.js").Job & {front: string}} job
   * @param {boolean} pessimistic
   * @param {number} turn
   */
  async #follow(job, pessimistic, turn) {
    const { links, front: address } = job;
    this.map.clear();
    byId("search-table").replaceChildren();
    byId("search-result").hidden = false;
    const act = (/** @type {string} */ id, /** @type {() => Promise<unknown>} */ action) =>
      (byId(id).onclick = () => action().catch((error) => this.#complain(error)));
    act("search-cancel", () => ask(`${links.job}?keep=true`, { method: "DELETE" }));
    for (const form of ["json", "csv", "parquet"]) {
      act(`search-${form}`, async () =>
        save(await (await ask(`${address}?format=${form}`)).blob(), `acorn-${this.choice().space}-front.${form}`),
      );
    }
    /** @type {Member[]} */
    const tried = [];
    for (let pause = SOONEST, drawn = -1; ; pause = Math.min(LATEST, 1.3 * pause)) {
      /** @type {Front} */
      const front = await getJson(address);
      if (turn !== this.turn) return;
      this.#tell(front);
      if (front.evaluated > drawn) {
        drawn = front.evaluated;
        if (tried.length < MOST_POINTS) await read(links.result, tried);
        if (turn !== this.turn) return;
        await this.#show(front, tried, pessimistic);
      }
      if (!["queued", "running"].includes(front.job.state)) {
        if (front.job.error) throw new Error(front.job.error.detail);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** @param {Front} front */
  #tell({ job, evaluated, kept, front }) {
    const active = ["queued", "running"].includes(job.state);
    byId("search-cancel").hidden = !active;
    byId("search-bar").hidden = !active;
    byId("search-bar").max = job.total;
    byId("search-bar").value = job.done + job.failed;
    const left = active && job.seconds_left ? `, about ${duration(job.seconds_left)} left` : "";
    const wrong = job.failed ? `, ${whole(job.failed)} failed` : "";
    const keeping = kept < evaluated ? `, of which ${whole(kept)} keep the constraints` : "";
    byId("search-text").textContent =
      `${STATES[job.state]}: ${counted(evaluated, "architecture")} tried${keeping}${wrong}, ` +
      `${whole(front.length)} on the front${left}.`;
  }

  /**
   * @param {Front} found
   * @param {Member[]} tried
   * @param {boolean} pessimistic
   */
  async #show({ job, objectives, quantities, front }, tried, pessimistic) {
    const axes = objectives.map((name) => /** @type {Axis} */ (quantities.find((each) => each.name === name)));
    const [first, second = first] = axes;
    table(first === second ? [first] : [first, second], front, this.onPick);
    if (!front.length) return this.map.clear();
    const onFront = new Set(front.map(({ index }) => index));
    const all = [...front, ...tried.filter(({ index }) => !onFront.has(index))].map(({ prediction }) => prediction);
    const sizes = all.map(({ conditions }) => Number(conditions?.[IMAGE_SIZE]) || 0);
    const along = (/** @type {Axis} */ axis) => all.map((each) => valueOf(each, axis, pessimistic));
    const { space } = all[0];
    await this.map.show({
      space,
      dataset: job.dataset,
      conditions: {},
      total: all.length,
      x: first,
      y: second,
      points: { arch: all.map(({ arch }) => arch), x: along(first), y: along(second), image_size: sizes.some(Boolean) ? sizes : null },
      front: front.map((_member, i) => i),
    });
  }

  /** @param {unknown} error */
  #complain(error) {
    byId("search-error").textContent = explain(error);
    byId("search-error").hidden = false;
  }
}

/**
 * Read the results that have come since.
 * @param {string} address
 * @param {Member[]} tried is extended
 */
async function read(address, tried) {
  const from = tried.length ? tried[tried.length - 1].index + 1 : 0;
  const text = await (await ask(`${address}?from=${from}`)).text();
  const lines = text.split("\n").filter(Boolean).slice(0, MOST_POINTS);
  tried.push(...lines.map((line) => JSON.parse(line)).filter(({ prediction }) => prediction));
}

/**
 * What counts for an objective.
 * @param {import("./prediction.js").Prediction} prediction
 * @param {Axis} axis
 * @param {boolean} pessimistic
 */
function valueOf({ targets, submitted }, { name, better }, pessimistic) {
  if (COSTS.includes(name)) return submitted[/** @type {"params" | "flops"} */ (name)];
  const { value, lower, upper } = targets[name];
  if (!pessimistic) return value;
  return better === "higher" ? lower : upper;
}

/**
 * @param {Axis[]} axes
 * @param {Member[]} front
 * @param {(arch: string, imageSize?: number) => void} onPick
 */
function table(axes, front, onPick) {
  const head = ["Architecture", ...axes.map(({ name }) => fullName(name)), "Known"];
  const rows = front.map(({ prediction }) => {
    const { arch, targets, submitted, in_domain, conditions } = prediction;
    const size = Number(conditions?.[IMAGE_SIZE]) || undefined;
    const name = el("span", { class: "shortened", title: arch }, broken(arch), size ? ` · ${size} px` : "");
    const button = el("button", { type: "button", class: "plain name" }, name);
    button.addEventListener("click", () => onPick(arch, size));
    const cells = axes.map((axis) => {
      if (COSTS.includes(axis.name)) return el("td", {}, three(submitted[/** @type {"params" | "flops"} */ (axis.name)]));
      const target = targets[axis.name];
      const between = axis.unit === "percent" ? span(target) : roughSpan(target);
      return el("td", {}, quantity(target.value, axis), el("span", { class: "quiet" }, between));
    });
    return el("tr", {}, el("th", { scope: "row" }, button), ...cells, el("td", {}, in_domain ? "yes" : "no"));
  });
  const titles = el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)));
  byId("search-table").replaceChildren(
    el("table", { class: "comparison" }, el("thead", {}, titles), el("tbody", {}, ...rows)),
  );
}
