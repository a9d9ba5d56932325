// Reading CSV (RFC 4180): quoted fields may hold commas, quotes and line breaks.

/** @typedef {{line: number, fields: string[]}} Row */

/**
 * @param {string} text
 * @returns {Row[]} rows that are not blank, with the line that each begins on
 */
export function readCsv(text) {
  /** @type {Row[]} */
  const rows = [];
  let line = 1;
  let row = { line, fields: /** @type {string[]} */ ([]) };
  const finish = () => {
    if (row.fields.some((field) => field)) rows.push(row);
    row = { line, fields: [] };
  };
  for (const [whole, quoted, plain, end] of text.replace(/^\uFEFF/, "").matchAll(FIELD)) {
    if (!whole && end === "" && !row.fields.length) break;
    row.fields.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    line += whole.split("\n").length - 1;
    if (end !== ",") finish();
    if (end === "") break;
  }
  return rows;
}

const FIELD = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))[ \t]*(,|\r?\n|\r|$)/g;
