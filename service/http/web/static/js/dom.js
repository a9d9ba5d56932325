// Making and finding elements.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

/**
 * The element of an id, which must be there.
 * @param {string} id
 * @returns {any} as the caller knows it to be
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Attributes} [attributes] those that are false, null or undefined are left out
 * @param {...(Node | string)} children
 * @returns {any} the element
 */
export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {any} the element
 */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Put an element between two shares of its container's width. Set through the style object, since
 * the page's policy admits no style attributes.
 * @template {HTMLElement} T
 * @param {T} element
 * @param {number} from 0 is the left end, 1 the right end
 * @param {number} [to] none for a point
 * @returns {T}
 */
export function placed(element, from, to) {
  element.style.left = `${100 * from}%`;
  if (to !== undefined) element.style.width = `${100 * (to - from)}%`;
  return element;
}

/**
 * Fill a select, and choose.
 * @param {HTMLSelectElement} select
 * @param {{value: string, label: string, group?: string}[]} options those of a group together
 * @param {string} chosen
 */
export function fill(select, options, chosen) {
  const groups = new Map();
  const nodes = [];
  for (const { value, label, group } of options) {
    const option = el("option", { value }, label);
    if (!group) nodes.push(option);
    else if (groups.has(group)) groups.get(group).append(option);
    else {
      groups.set(group, el("optgroup", { label: group }, option));
      nodes.push(groups.get(group));
    }
  }
  select.replaceChildren(...nodes);
  select.value = chosen;
}

/**
 * A technical name that may be broken where its parts meet, and only there if that is enough.
 * @param {string} name
 */
export function broken(name) {
  return el("span", {}, ...name.split(/(?<=[._+])/).flatMap((part) => [part, el("wbr")]));
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 * @returns {T}
 */
function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}
