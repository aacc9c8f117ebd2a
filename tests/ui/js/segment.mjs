// For tests/ui/test_browser_bands.py: a model, the { bands, window, margin } of its page, and GeoTIFFs → a mask of each.

import { readFileSync } from "node:fs";

import { Engine } from "../../../app/web/in_browser/engine.mjs";
import { readGeotiff } from "../../../app/web/in_browser/geotiff.mjs";

const [base, model, page, ...pictures] = process.argv.slice(2);
const bytesOf = (path) => {
  const bytes = readFileSync(path);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
};
const data = JSON.parse(page);
const engine = model === "none" ? null : await Engine.open(base, new Uint8Array(bytesOf(model)), data, "wasm");
const base64 = (values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
const found = [];
for (const path of pictures) {
  try {
    const picture = await readGeotiff(bytesOf(path), data.bands);
    const mask = engine ? await engine.segment(picture) : new Uint8Array(0);
    found.push({ mask: base64(mask), values: base64(picture.values), rgba: base64(picture.rgba) });
  } catch (error) {
    found.push({ error: error.message });
  }
}
// The runtime's threads would keep the process.
process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));
