// For benchmarks/exports.py: a model in ONNX Runtime Web's WebAssembly, on one thread, under Node.
// node web_session.mjs RUNTIME MODEL PICTURES SIDE MASKS PASSES: PICTURES are (N, SIDE, SIDE, 3) bytes, MASKS (N, SIDE, SIDE).

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [runtime, model, pictures, sideText, masks, passesText] = process.argv.slice(2);
const side = Number(sideText);
const folder = pathToFileURL(`${runtime}/`).href;
const ort = await import(`${folder}ort.wasm.min.mjs`);
ort.env.wasm.wasmPaths = folder;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const bytes = readFileSync(pictures);
const size = side * side * 3;
const found = [];

async function pass(at) {
  const rgb = new Uint8Array(bytes.buffer, bytes.byteOffset + at * size, size);
  const { mask } = await session.run({ image: new ort.Tensor("uint8", rgb, [1, side, side, 3]) });
  return mask.getData();
}

for (let at = 0; at < bytes.length / size; at += 1) found.push(Buffer.from(await pass(at)));
writeFileSync(masks, Buffer.concat(found));
const taken = [];
for (let turn = 0; turn < Number(passesText); turn += 1) {
  const begun = process.cpuUsage();
  await pass(0);
  const { user, system } = process.cpuUsage(begun);
  taken.push((user + system) / 1000);
}
console.log(JSON.stringify(taken));
process.exit(0);
