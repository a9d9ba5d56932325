// Zero-cost proxies of the architecture, as percentiles of those of its space.
import { broken, byId, el, placed } from "./dom.js";
import { anySize, whole } from "./format.js";

/** @typedef {{value: number, percentile: number, rows: number}} ProxyPercentile */

const OTHER = "Other proxies";

/**
 * @param {Record<string, ProxyPercentile>} proxies by name; empty if the table of the forest has none
 * @param {Record<string, import("./attributions.js").FeatureDetail>} details of the features
 * @param {string} space
 */
export function showProxies(proxies, details, space) {
  const names = Object.keys(proxies).sort();
  const rows = names.map((name) => proxies[name].rows);
  const [fewest, most] = [Math.min(...rows), Math.max(...rows)].map(whole);
  byId("proxies-note").textContent = names.length
    ? `Percentile of each value among the ${fewest === most ? most : `${fewest} to ${most}`} architectures of ` +
      `${space} whose value the table of the forest has. A high percentile need not mean a high accuracy, and ` +
      "the forest need not read these proxies."
    : "The table of the forest has no proxies of this architecture; POST /proxies computes them.";
  const groups = [...new Set(names.map((name) => details[name]?.group ?? OTHER))].sort();
  byId("proxies-table").replaceChildren(
    names.length
      ? el(
          "table",
          { class: "bars proxies" },
          el("caption", { class: "hidden" }, "Zero-cost proxies of the architecture"),
          el("colgroup", {}, el("col"), el("col"), el("col"), el("col")),
          el(
            "thead",
            {},
            el("tr", {}, ...["Proxy", "Percentile", "Value"].map((head, i) =>
              el("th", { scope: "col", colspan: i === 1 ? "2" : null }, head),
            )),
          ),
          ...groups.map((group) =>
            el(
              "tbody",
              {},
              el("tr", {}, el("th", { scope: "rowgroup", colspan: "4" }, group)),
              ...names
                .filter((name) => (details[name]?.group ?? OTHER) === group)
                .map((name) => row(name, details[name]?.text ?? "", proxies[name])),
            ),
          ),
        )
      : "",
  );
}

/**
 * @param {string} name
 * @param {string} text one sentence
 * @param {ProxyPercentile} proxy
 */
function row(name, text, { value, percentile }) {
  const bar = placed(el("span"), 0, percentile / 100);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, broken(name), el("span", { class: "quiet" }, text)),
    el("td", {}, el("div", { class: "track", "aria-hidden": "true" }, bar)),
    el("td", {}, String(Math.round(percentile))),
    el("td", {}, anySize(value)),
  );
}
