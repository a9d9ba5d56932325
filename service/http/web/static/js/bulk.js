// Many architectures: from a file to a job, its progress, and its table.
import { ask, explain, getJson, Refusal } from "./api.js";
import { readCsv } from "./csv.js";
import { byId } from "./dom.js";
import { counted, duration, whole } from "./format.js";
import { save } from "./saving.js";

const SOONEST = 250; // ms between two looks at a job
const LATEST = 2000;
const MOST_ERRORS = 8;

/** @typedef {import("./csv.js").Row} Row */
/** @typedef {{space: string, arch: string, line: number}} Item */
/**
 * @typedef {{id: string, state: "queued" | "running" | "done" | "cancelled" | "failed",
 *   total: number, done: number, failed: number, seconds_left: number | null,
 *   error: {detail: string} | null, links: {job: string, result: string}}} Job
 */

/**
 * Make the section work.
 * @param {() => import("./choice.js").Choice} choice what is chosen now
 */
export function watchBulk(choice) {
  const drop = byId("drop");
  const file = byId("file");
  file.addEventListener("change", () => {
    take(file.files[0], choice());
    file.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) take(dropped, choice());
  });
}

/**
 * Architectures of a table: those of its column arch, or every line.
 * @param {Row[]} rows
 * @param {string} space for rows that name none
 * @returns {Item[]}
 */
export function readItems(rows, space) {
  if (!rows.length) throw new Error("got an empty file; expected architectures");
  const names = rows[0].fields.map((field) => field.trim().toLowerCase());
  const [arch, spaces] = [names.indexOf("arch"), names.indexOf("space")];
  if (arch < 0 && rows[0].fields.length > 1) {
    throw new Error(`got the columns ${names.join(", ").slice(0, 200)}; expected a column arch`);
  }
  return rows.slice(arch < 0 ? 0 : 1).map(({ line, fields }) => ({
    line,
    arch: fields[Math.max(arch, 0)] ?? "",
    space: fields[spaces] || space,
  }));
}

/**
 * @param {File} file
 * @param {import("./choice.js").Choice} choice
 */
async function take(file, choice) {
  byId("bulk-error").hidden = true;
  /** @type {Item[]} */
  let items = [];
  try {
    items = readItems(readCsv(await file.text()), choice.space);
    say(`Sending ${counted(items.length, "architecture")} of ${file.name}.`);
    await follow(await submit(items, choice), file.name);
  } catch (error) {
    const complaint = byId("bulk-error");
    complaint.textContent = complain(error, items);
    complaint.hidden = false;
    byId("job").hidden = true;
  }
}

/**
 * @param {Item[]} items
 * @param {import("./choice.js").Choice} choice
 * @returns {Promise<Job>}
 */
async function submit(items, { dataset, interval, conditions }) {
  const query = new URLSearchParams({ dataset, interval: String(interval), features: "false" });
  if (Object.keys(conditions).length) query.set("conditions", JSON.stringify(conditions));
  const body = items.map(({ space, arch }) => JSON.stringify({ space, arch })).join("\n");
  const headers = { "Content-Type": "application/x-ndjson" };
  return (await ask(`jobs?${query}`, { method: "POST", headers, body })).json();
}

/**
 * Watch a job until its end, then offer what it made.
 * @param {Job} job
 * @param {string} name of the file
 */
async function follow(job, name) {
  const cancel = button("job-cancel", () => ask(`${job.links.job}?keep=true`, { method: "DELETE" }));
  const tables = ["csv", "parquet"].map((form) => button(`job-${form}`, () => download(job, form, name)));
  for (const each of tables) each.hidden = true;
  cancel.hidden = false;
  for (let pause = SOONEST; ; pause = Math.min(LATEST, 1.3 * pause)) {
    show(job);
    if (!["queued", "running"].includes(job.state)) break;
    await new Promise((resolve) => setTimeout(resolve, pause));
    job = await getJson(job.links.job);
  }
  cancel.hidden = true;
  if (job.error) throw new Error(job.error.detail);
  for (const each of tables) each.hidden = false;
}

/** @param {Job} job */
function show({ state, total, done, failed, seconds_left }) {
  const bar = byId("job-bar");
  bar.max = total;
  bar.value = done + failed;
  const left = seconds_left ? `, about ${duration(seconds_left)} left` : "";
  const wrong = failed ? `, ${whole(failed)} of them failed` : "";
  const progress = `${whole(done + failed)} of ${counted(total, "architecture")}${wrong}`;
  const states = { queued: "Waiting", running: "Running", done: "Done", cancelled: "Cancelled", failed: "Failed" };
  say(`${states[state]}: ${progress}${left}.`);
}

/**
 * @param {Job} job
 * @param {string} form
 * @param {string} name
 */
async function download(job, form, name) {
  const content = await (await ask(`${job.links.result}?format=${form}`)).blob();
  save(content, `${name.replace(/\.\w+$/, "")}-predicted.${form}`);
}

/**
 * A button of the section, which now does something else than before.
 * @param {string} id
 * @param {() => Promise<unknown>} action
 * @returns {HTMLButtonElement}
 */
function button(id, action) {
  const found = byId(id);
  found.onclick = () => action().catch((error) => {
    byId("bulk-error").textContent = explain(error);
    byId("bulk-error").hidden = false;
  });
  return found;
}

/** @param {string} text */
function say(text) {
  byId("job").hidden = false;
  byId("job-text").textContent = text;
}

/**
 * What is wrong, by the lines of the file.
 * @param {unknown} error
 * @param {Item[]} items
 */
function complain(error, items) {
  if (!(error instanceof Refusal) || !error.items.length) return explain(error);
  const told = error.items.slice(0, MOST_ERRORS).map(({ pointer, detail }) => {
    const item = items[Number(/^\/architectures\/(\d+)/.exec(pointer)?.[1] ?? NaN)];
    return item ? `Line ${item.line}: ${detail}` : detail;
  });
  return [error.message, ...told].join("\n");
}
