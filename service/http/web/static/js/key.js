// The API key, for servers that ask for one: kept for this tab, sent to this server only.
import { byId } from "./dom.js";

const NAME = "acorn-key";
/** @type {Promise<boolean> | null} */
let asking = null;

/** @returns {string} the key, or nothing */
export const apiKey = () => sessionStorage.getItem(NAME) ?? "";

/**
 * Ask for a key; several who ask at a time share the answer.
 * @param {string} [reason] why one is needed
 * @returns {Promise<boolean>} whether there is a new one
 */
export function requestKey(reason) {
  asking ??= ask(reason).finally(() => {
    asking = null;
  });
  return asking;
}

/**
 * @param {string} [reason]
 * @returns {Promise<boolean>}
 */
async function ask(reason) {
  const dialog = byId("key");
  const field = byId("key-field");
  if (reason) byId("key-reason").textContent = `The server responded: ${reason}.`;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue === "forget") sessionStorage.removeItem(NAME);
  if (dialog.returnValue !== "use" || !field.value) return false;
  sessionStorage.setItem(NAME, field.value.trim());
  field.value = "";
  return true;
}
