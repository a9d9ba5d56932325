// What the interpreter imports from vega-util, out of the Vega that is loaded already.
const { vega } = /** @type {any} */ (globalThis);

export const { ascending, isString, DisallowedObjectProperties } = vega;
