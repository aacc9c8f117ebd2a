// What pointers, wheel and keys do on a picture. A part of Viewer.

import { pixelAt, placed, spanned, visible } from "./camera.mjs";
import { element } from "../web/dom.mjs";

export const gestures = {
  // In canvas pixels. A canvas may change its resolution between two events, so pointers are kept as they came.
  at(event, canvas = event.currentTarget) {
    const box = canvas.getBoundingClientRect();
    const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return { x: across * canvas.width, y: down * canvas.height };
  },

  grab(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
    const pixel = pixelAt(this.camera, this.at(event), this.scene, event.currentTarget);
    if (event.shiftKey || this.armed) this.corner = pixel;
  },

  drag(event) {
    const at = this.at(event);
    const pixel = pixelAt(this.camera, at, this.scene, event.currentTarget);
    this.point(pixel);
    if (!this.pointers.has(event.pointerId)) return;
    const before = this.at(this.pointers.get(event.pointerId), event.currentTarget);
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId);
    if (this.corner && pixel) {
      this.view.region = spanned(this.corner, pixel, this.scene);
      this.draw();
    } else if (others.length === 1) {
      const fixed = this.at(others[0][1], event.currentTarget);
      const span = (point) => Math.hypot(point.x - fixed.x, point.y - fixed.y);
      this.zoom(span(at) / Math.max(span(before), 1), at);
    } else if (!this.corner) {
      this.move(before.x - at.x, before.y - at.y);
    }
    this.pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
  },

  release(event) {
    this.pointers.delete(event.pointerId);
    if (!this.corner) return;
    this.corner = null;
    if (this.armed) this.arm();
    this.setRegion(this.view.region);
  },

  roll(event) {
    if (event.deltaY > 0 && this.camera.zoom === 1) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), this.at(event));
  },

  press(event) {
    const { canvas } = this.surfaces[0];
    const step = canvas.width / 10;
    const opacity = (by) => this.change({ opacity: Math.min(100, Math.max(0, this.view.opacity + by)) });
    const acts = {
      ArrowLeft: () => this.move(-step, 0), ArrowRight: () => this.move(step, 0),
      ArrowUp: () => this.move(0, -step), ArrowDown: () => this.move(0, step),
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.fit(),
      "[": () => opacity(-10), "]": () => opacity(10), f: () => this.fullscreen(),
      r: () => this.setRegion(visible(this.camera, this.scene, canvas)),
      " ": () => this.space(),
      Escape: () => (this.view.cell ? this.change({ cell: null }, true) : this.setRegion(null)),
    };
    const index = Number(event.key) - 1;
    const act = acts[event.key] || (index >= 0 && index < this.scene.classes.length ? () => this.toggle(index) : null);
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  },

  space() {
    const [one, other] = this.pair;
    if (this.view.layout === "blink") this.blink();
    else if (this.view.layout !== "side") this.change({ a: other, b: one }, true);
  },

  // Class and probability of every panel under the pointer, and a cross in each of them.
  point(pixel) {
    for (const { canvas, cross } of this.surfaces) {
      cross.hidden = !pixel;
      if (!pixel) continue;
      const { scale, left, top } = placed(this.camera, this.scene, canvas);
      const ratio = canvas.clientWidth / canvas.width;
      const [x, y] = [left + scale * (pixel.x + 0.5), top + scale * (pixel.y + 0.5)];
      cross.style.transform = `translate(${x * ratio}px, ${y * ratio}px)`;
    }
    if (!pixel) return this.readout.replaceChildren();
    const { width, panels, classes, step } = this.scene;
    const i = pixel.y * width + pixel.x;
    const found = panels.map((panel) => {
      const entry = classes[panel.plane[i]];
      const sure = panel.confidence ? ` ${Math.round(panel.confidence[i] / 2.55)} %` : "";
      const style = `background: rgb(${entry?.[this.view.colours]})`;
      return element("span", {}, `${panel.title} `, element("i", { class: "swatch", style }),
        element("b", {}, `${entry?.name ?? "unknown"}${sure}`));
    });
    return this.readout.replaceChildren(`x ${pixel.x * step}, y ${pixel.y * step}`, ...found);
  },
};
