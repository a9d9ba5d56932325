// Announcements for screen readers, which are not visible.
import { byId } from "./dom.js";

/** @param {string} text */
export function said(text) {
  byId("said").textContent = text;
}
