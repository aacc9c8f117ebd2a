// Reads planes as JSON, prints what the viewer measures on them: tests/ui/test_viewer_js.py compares it with core.
import { readFileSync } from "node:fs";
import { borderAgreement } from "../../../app/web/numbers/scores.mjs";
import { asCsv, measure } from "../../../app/web/numbers/report.mjs";

const { width, height, classes, ignore, panels, rect } = JSON.parse(readFileSync(0, "utf8"));
const scene = { width, height, ignore, classes: classes.map((name) => ({ name })) };
scene.panels = panels.map(({ plane, confidence, ...rest }) => ({ ...rest, plane: Uint8Array.from(plane), confidence: Uint8Array.from(confidence || []) }));
const found = await measure(scene, rect, () => false);
const whole = borderAgreement(scene.panels[1].plane, scene.panels[2].plane, width, rect);
console.log(JSON.stringify({ found, whole, csv: asCsv(found, scene.classes, "here") }));
