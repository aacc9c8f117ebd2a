// Class and probability under a point, at the point and below the pictures. It owns the tip and the mark.

import { pixelAt, placed } from "../shared/camera.mjs";
import { element } from "../shared/dom.mjs";
import { tip } from "../shared/panels.mjs";
import { Part } from "./part.mjs";

export class Pointing extends Part {
  constructor(viewer) {
    super(viewer);
    this.tip = tip();
    this.pointed = null;
  }

  // A new line for what is told; nothing is marked.
  begin() {
    this.pointed = null;
    this.readout = element("p", { class: "readout" });
    return this.readout;
  }

  // `pixel` of the picture, or null. The values stand beside it in `surface`; a keyboard's point is also read out.
  point(pixel, surface = this.surfaces[0], aloud = false) {
    this.pointed = pixel && aloud ? pixel : null;
    for (const { canvas, cross } of this.surfaces) {
      cross.hidden = !pixel;
      if (!pixel) continue;
      const at = this.on(pixel, canvas);
      cross.style.transform = `translate(${at.x}px, ${at.y}px)`;
    }
    this.readout.setAttribute("aria-live", aloud ? "polite" : "off");
    if (!pixel) {
      this.tip.show(null);
      return this.readout.replaceChildren();
    }
    const box = surface.canvas.getBoundingClientRect();
    const at = this.on(pixel, surface.canvas);
    const where = element("span", {}, `x ${pixel.x * this.scene.step}, y ${pixel.y * this.scene.step}`);
    this.tip.show({ x: box.left + at.x, y: box.top + at.y }, where, ...this.valuesAt(pixel));
    return this.readout.replaceChildren(where.textContent, ...this.valuesAt(pixel));
  }

  // The same mark again, after the picture has moved below it.
  repeat() {
    if (this.pointed) this.point(this.pointed, this.surfaces[0], true);
  }

  // A pixel's middle in CSS pixels of the canvas.
  on(pixel, canvas) {
    const { scale, left, top } = placed(this.camera, this.scene, canvas);
    const ratio = canvas.clientWidth / canvas.width;
    return { x: (left + scale * (pixel.x + 0.5)) * ratio, y: (top + scale * (pixel.y + 0.5)) * ratio };
  }

  valuesAt(pixel) {
    const { width, panels, classes } = this.scene;
    const i = pixel.y * width + pixel.x;
    return panels.map((panel) => {
      const entry = classes[panel.plane[i]];
      const sure = panel.confidence ? ` ${Math.round(panel.confidence[i] / 2.55)} %` : "";
      const style = `background: rgb(${entry?.[this.view.colours]})`;
      return element("span", {}, `${panel.title} `, element("i", { class: "swatch", style }),
        element("b", {}, `${entry?.name ?? "unknown"}${sure}`));
    });
  }

  // From the keyboard: a first step marks the middle of what is seen, the next move the mark.
  stepPoint(dx, dy, canvas) {
    const surface = this.surfaces.find((other) => other.canvas === canvas) || this.surfaces[0];
    const middle = { x: canvas.width / 2, y: canvas.height / 2 };
    const { scale } = placed(this.camera, this.scene, canvas);
    const step = Math.max(1, Math.round(canvas.width / 40 / scale));
    const { width, height } = this.scene;
    const within = (value, most) => Math.min(most - 1, Math.max(0, value));
    const next = this.pointed
      ? { x: within(this.pointed.x + dx * step, width), y: within(this.pointed.y + dy * step, height) }
      : pixelAt(this.camera, middle, this.scene, canvas);
    this.point(next, surface, true);
  }
}
