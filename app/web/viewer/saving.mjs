// Pictures to take away, of what a viewer shows.

import { element, savePicture } from "../shared/dom.mjs";
import { compose } from "./layers.mjs";

// The address holds all that is shown. Where the page is not served securely, a browser copies nothing by itself.
export async function copyLink(button) {
  const copied = navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  if (await copied) button.textContent = "The link is copied";
  else prompt("The link to this view", location.href);
}

// One panel's layer in the pixels of the picture.
export function saveLayer({ scene, view }, panel) {
  const { width, height } = scene;
  const canvas = element("canvas", { width, height });
  const data = new ImageData(width, height);
  compose(new Uint32Array(data.data.buffer), canvas, { scale: 1, left: 0, top: 0 }, scene, panel.layer);
  canvas.getContext("2d").putImageData(data, 0, 0);
  savePicture(`${panel.title} ${view.layer}.png`, canvas);
}

// The pictures side by side as they stand, with their titles and the colours of the classes.
export function saveAll({ root, scene, view, pair, stage }) {
  const gap = 16;
  const shown = stage.made.map(({ canvas }) => canvas);
  const width = shown.reduce((total, canvas) => total + canvas.width + gap, gap);
  const sheet = element("canvas", { width, height: Math.max(...shown.map((canvas) => canvas.height)) + 84 });
  const context = sheet.getContext("2d");
  const style = getComputedStyle(root);
  const ground = style.getPropertyValue("--st-background-color") || "#fff";
  Object.assign(context, { fillStyle: ground, font: "15px sans-serif" });
  context.fillRect(0, 0, sheet.width, sheet.height);
  const text = style.color;
  let x = gap;
  for (const { canvas, panels } of stage.made) {
    context.fillStyle = text;
    const title = panels ? panels[0].title : pair.map((index) => scene.panels[index].title).join(" | ");
    context.fillText(title, x, 26, canvas.width);
    context.drawImage(canvas, x, 38);
    x += canvas.width + gap;
  }
  x = gap;
  for (const entry of scene.classes) {
    context.fillStyle = `rgb(${entry[view.colours]})`;
    context.fillRect(x, sheet.height - 30, 14, 14);
    context.fillStyle = text;
    context.fillText(entry.name, x + 20, sheet.height - 18);
    x += 44 + context.measureText(entry.name).width;
  }
  savePicture("comparison.png", sheet);
}
