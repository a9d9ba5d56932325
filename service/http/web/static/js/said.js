// What screen readers hear, and nobody sees.
import { byId } from "./dom.js";

/** @param {string} text */
export function said(text) {
  byId("said").textContent = text;
}
