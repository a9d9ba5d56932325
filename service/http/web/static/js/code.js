// The request of the page for the command line and for Python.
import { apiKey } from "./key.js";
import { byId } from "./dom.js";
import { said } from "./said.js";

/** @param {Record<string, unknown>} request the document of POST /predict */
export function showCode(request) {
  const address = new URL("predict", document.baseURI).href;
  byId("curl").textContent = curl(address, request);
  byId("python").textContent = python(address, request);
}

/** Make the buttons work. */
export function watchCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => {
      const id = /** @type {HTMLElement} */ (button).dataset.copy ?? "";
      copy(byId(id).textContent);
    });
  }
}

/**
 * Put a text on the clipboard; pages that are not served securely have the older way only.
 * @param {string} text
 */
export async function copy(text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  said("Copied.");
}

/**
 * @param {string} address
 * @param {Record<string, unknown>} request
 */
function curl(address, request) {
  const body = JSON.stringify(request, null, 2).replaceAll("'", "'\\''");
  const key = apiKey() ? ' \\\n  -H "X-API-Key: $ACORN_KEY"' : "";
  return `curl -s ${address} \\\n  -H 'Content-Type: application/json'${key} \\\n  -d '${body}'`;
}

/**
 * @param {string} address
 * @param {Record<string, unknown>} request of texts, numbers and lists only, which Python writes the same
 */
function python(address, request) {
  const key = apiKey() ? ', "X-API-Key": os.environ["ACORN_KEY"]' : "";
  return `import json
${apiKey() ? "import os\n" : ""}from urllib.request import Request, urlopen

request = ${JSON.stringify(request, null, 4)}
headers = {"Content-Type": "application/json"${key}}
body = json.dumps(request).encode()
with urlopen(Request("${address}", body, headers)) as answer:
    prediction = json.load(answer)["predictions"][0]
for target, each in prediction["targets"].items():
    print(f"{target}: {each['value']:.2f} ({each['lower']:.2f} to {each['upper']:.2f})")`;
}
