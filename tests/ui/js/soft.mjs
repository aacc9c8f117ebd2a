// Reads logits, prints what the Temperature page makes of them: tests/ui/test_temperature.py compares it with torch.
import { readFileSync } from "node:fs";
import { divergence, entropy, entropyMap, gradient, halves, onProbabilities, pixel, softened, softmaxTwice } from "../../../app/web/temperature/soft.mjs";

const { teacher, student, classes, temperatures } = JSON.parse(readFileSync(0, "utf8"));
const planes = [teacher, student].map((hex) => halves(Uint8Array.from(Buffer.from(hex, "hex"))));
const pixels = planes[0].length / classes;
const each = (work) => Array.from({ length: pixels }, (_, i) => work(...planes.map((logits) => pixel(logits, i, classes, pixels))));
const at = (T) => ({
  softened: each((wanted) => softened(wanted, T)),
  onProbabilities: each((wanted) => onProbabilities(wanted, T)),
  softmaxTwice: each((wanted) => softmaxTwice(wanted, T)),
  divergence: each((wanted, found) => divergence(wanted, found, T)),
  gradient: each((wanted, found) => gradient(wanted, found, T)),
  plain: each((wanted, found) => gradient(wanted, found, T, 1)),
  entropy: each((wanted) => entropy(softened(wanted, T))),
  map: [...entropyMap(planes[0], classes, pixels, T)],
});
console.log(JSON.stringify({ planes: planes.map((plane) => [...plane]), at: temperatures.map(at) }));
