// For tests/ui/test_browser_geotiff.py: a GeoTIFF whose first band is a mask → its colours, its place and its polygons.

import { readFileSync } from "node:fs";

import { readGeotiff } from "../../../app/web/in_browser/geotiff.mjs";
import { toGeojson } from "../../../app/web/in_browser/polygons.mjs";

const bytes = readFileSync(process.argv[2]);
try {
  const found = await readGeotiff(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const mask = Uint8Array.from({ length: found.width * found.height }, (_, at) => found.rgba[4 * at]);
  const classes = Array.from({ length: 8 }, (_, index) => ({ name: `class ${index}`, colour: [index, 0, 255] }));
  const { text, note } = toGeojson(mask, found, classes);
  const { width, height, transform, epsg } = found;
  const rgba = Buffer.from(found.rgba.buffer).toString("base64");
  console.log(JSON.stringify({ width, height, transform, epsg, rgba, note, geojson: JSON.parse(text) }));
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
