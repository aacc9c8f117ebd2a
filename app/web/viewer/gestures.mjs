// What pointers and keys do on a picture beside moving it (shared/panzoom.mjs).
// It owns the rectangle that is being drawn.

import { pixelAt, spanned, visible } from "../shared/camera.mjs";
import { ARROWS } from "../shared/panzoom.mjs";
import { Part } from "./part.mjs";

// CSS pixels that a finger may stray and still taps.
const TAP = 10;

export class Gestures extends Part {
  constructor(viewer) {
    super(viewer);
    this.corner = null;
    this.armed = false;
  }

  under(event) {
    return this.surfaces.find(({ canvas }) => canvas === event.currentTarget);
  }

  pixelUnder(event) {
    return pixelAt(this.camera, this.panzoom.at(event), this.scene, event.currentTarget);
  }

  grab(event) {
    this.panzoom.grab(event);
    if (event.shiftKey || this.armed) this.corner = this.pixelUnder(event);
    this.tapped = this.panzoom.pointers.size === 1 && { x: event.clientX, y: event.clientY };
  }

  drag(event) {
    const pixel = this.pixelUnder(event);
    // A finger that moves the picture asks for nothing; one that rests on it does (`release`).
    if (event.pointerType !== "touch") this.viewer.pointing.point(pixel, this.under(event));
    else this.tapped &&= Math.hypot(event.clientX - this.tapped.x, event.clientY - this.tapped.y) < TAP && this.tapped;
    if (!this.panzoom.holds(event)) return;
    this.viewer.pointing.tip.show(null);
    if (!this.corner) return this.panzoom.drag(event);
    if (!pixel) return;
    this.view.region = spanned(this.corner, pixel, this.scene);
    this.viewer.painting.draw();
  }

  release(event) {
    this.panzoom.release(event);
    const tap = event.pointerType === "touch" && event.type === "pointerup" && this.tapped && !this.corner;
    if (tap) this.viewer.pointing.point(this.pixelUnder(event), this.under(event), true);
    if (!this.corner) return;
    this.corner = null;
    if (this.armed) this.arm();
    this.viewer.setRegion(this.view.region);
  }

  press(event) {
    const { canvas } = this.surfaces[0];
    const arrow = event.shiftKey && ARROWS[event.key];
    const opacity = (by) => this.viewer.change({ opacity: Math.min(100, Math.max(0, this.view.opacity + by)) });
    const acts = {
      "[": () => opacity(-10), "]": () => opacity(10), f: () => this.viewer.screen.fullscreen(),
      r: () => this.viewer.setRegion(visible(this.camera, this.scene, canvas)),
      " ": () => this.space(),
    };
    const index = Number(event.key) - 1;
    const act = arrow ? () => this.viewer.pointing.stepPoint(...arrow, event.currentTarget) : acts[event.key]
      || (index >= 0 && index < this.scene.classes.length ? () => this.viewer.toggle(index) : null);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!act) return void this.panzoom.press(event);
    event.preventDefault();
    act();
  }

  space() {
    const [one, other] = this.pair;
    if (this.view.layout === "blink") this.viewer.blink();
    else if (this.view.layout !== "side") this.viewer.change({ a: other, b: one }, true);
  }

  // Whether the next drag draws a rectangle; its button says so.
  arm() {
    this.armed = !this.armed;
    this.root.querySelector("[data-tool]").setAttribute("aria-pressed", String(this.armed));
    this.viewer.stage.node.dataset.armed = String(this.armed);
  }
}
