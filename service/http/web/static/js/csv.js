// Reading and writing CSV (RFC 4180): quoted fields may hold separators, quotes and line breaks.

/** @typedef {{line: number, fields: string[]}} Row */

/**
 * @param {string} text
 * @returns {Row[]} rows that are not blank, with the line that each begins on
 */
export function readCsv(text) {
  const content = text.replace(/^\uFEFF/, "");
  const separator = findSeparator(content.trimStart().split(/[\r\n]/, 1)[0]);
  /** @type {Row[]} */
  const rows = [];
  let line = 1;
  let row = { line, fields: /** @type {string[]} */ ([]) };
  const finish = () => {
    if (row.fields.some((field) => field)) rows.push(row);
    row = { line, fields: [] };
  };
  for (const [whole, quoted, plain, end] of content.matchAll(FIELDS[separator])) {
    if (!whole && end === "" && !row.fields.length) break;
    row.fields.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    line += whole.split("\n").length - 1;
    if (!separator || end !== separator) finish();
    if (end === "") break;
  }
  return rows;
}

/**
 * @param {string[][]} rows
 * @returns {string}
 */
export const writeCsv = (rows) => rows.map((fields) => `${fields.map(quoted).join(",")}\r\n`).join("");

/** @param {string} field */
const quoted = (field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);

/** @typedef {"" | "," | ";" | "\t"} Separator nothing separates lines that are architectures */

/** @type {Record<Separator, RegExp>} */
const FIELDS = {
  "": /(?:"((?:[^"]|"")*)"|([^\r\n]*))[ \t]*(\r?\n|\r|$)/g,
  ",": /(?:"((?:[^"]|"")*)"|([^,\r\n]*))[ \t]*(,|\r?\n|\r|$)/g,
  ";": /(?:"((?:[^"]|"")*)"|([^;\r\n]*))[ \t]*(;|\r?\n|\r|$)/g,
  "\t": /(?:"((?:[^"]|"")*)"|([^\t\r\n]*)) *(\t|\r?\n|\r|$)/g,
};

/**
 * The separator that a first line has; where it has several, the one that leaves a column arch.
 * @param {string} first
 * @returns {Separator}
 */
function findSeparator(first) {
  if (/^([([{|]|Genotype\b)/.test(first)) return ""; // an architecture, which may hold commas
  const unquoted = first.replace(/"[^"]*"/g, (quoted) => quoted.replace(/[,;\t]/g, ""));
  const seen = /** @type {const} */ ([",", ";", "\t"]).filter((each) => unquoted.includes(each));
  const names = (/** @type {string} */ each) => unquoted.split(each).map((name) => name.replaceAll('"', "").trim());
  return seen.find((each) => names(each).some((name) => name.toLowerCase() === "arch")) ?? seen[0] ?? ",";
}
