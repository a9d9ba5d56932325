// Asking the server: problem details become errors, and a missing key is asked for.
import { apiKey, requestKey } from "./key.js";

/** @typedef {{pointer: string, detail: string}} ProblemItem */

/** What the server refused, as its problem details say it (RFC 9457). */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {ProblemItem[]} items every bad item of the request
   */
  constructor(status, detail, items) {
    super(detail);
    this.status = status;
    this.items = items;
  }
}

/**
 * Ask, and return the answer if it is one.
 * @param {string} path relative to the page, so that it works below any prefix
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function ask(path, options = {}) {
  const response = await send(path, options);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const detail = problem.detail ?? `${response.status} ${response.statusText}`;
  if (response.status === 401 && (await requestKey(detail))) return ask(path, options);
  throw new Refusal(response.status, detail, problem.errors ?? []);
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function getJson(path, signal) {
  return (await ask(path, { signal })).json();
}

/**
 * @param {string} path
 * @param {unknown} document
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function postJson(path, document, signal) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(document);
  return (await ask(path, { method: "POST", headers, body, signal })).json();
}

/** @param {unknown} error @returns {boolean} whether a newer question took its place */
export const isAborted = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * One or several lines that say what went wrong.
 * @param {unknown} error
 */
export function explain(error) {
  if (error instanceof Refusal && error.items.length) {
    return error.items.map((item) => item.detail).join("\n");
  }
  if (error instanceof TypeError) return "The server does not respond.";
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
function send(path, options) {
  const headers = new Headers(options.headers);
  if (apiKey()) headers.set("X-API-Key", apiKey());
  return fetch(path.replace(/^\//, ""), { ...options, headers });
}
