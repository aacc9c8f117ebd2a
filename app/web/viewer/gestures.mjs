// What pointers and keys do on a picture beside moving it (shared/panzoom.mjs). A part of Viewer.

import { pixelAt, spanned, visible } from "../shared/camera.mjs";
import { ARROWS } from "../shared/panzoom.mjs";

// CSS pixels that a finger may stray and still taps.
const TAP = 10;

export const gestures = {
  under(event) {
    return this.surfaces.find(({ canvas }) => canvas === event.currentTarget);
  },

  pixelUnder(event) {
    return pixelAt(this.camera, this.panzoom.at(event), this.scene, event.currentTarget);
  },

  grab(event) {
    this.panzoom.grab(event);
    if (event.shiftKey || this.armed) this.corner = this.pixelUnder(event);
    this.tapped = this.panzoom.pointers.size === 1 && { x: event.clientX, y: event.clientY };
  },

  drag(event) {
    const pixel = this.pixelUnder(event);
    // A finger that moves the picture asks for nothing; one that rests on it does (`release`).
    if (event.pointerType !== "touch") this.point(pixel, this.under(event));
    else this.tapped &&= Math.hypot(event.clientX - this.tapped.x, event.clientY - this.tapped.y) < TAP && this.tapped;
    if (!this.panzoom.holds(event)) return;
    this.tip.show(null);
    if (!this.corner) return this.panzoom.drag(event);
    if (!pixel) return;
    this.view.region = spanned(this.corner, pixel, this.scene);
    this.draw();
  },

  release(event) {
    this.panzoom.release(event);
    const tap = event.pointerType === "touch" && event.type === "pointerup" && this.tapped && !this.corner;
    if (tap) this.point(this.pixelUnder(event), this.under(event), true);
    if (!this.corner) return;
    this.corner = null;
    if (this.armed) this.arm();
    this.setRegion(this.view.region);
  },

  press(event) {
    const { canvas } = this.surfaces[0];
    const arrow = event.shiftKey && ARROWS[event.key];
    const opacity = (by) => this.change({ opacity: Math.min(100, Math.max(0, this.view.opacity + by)) });
    const acts = {
      "[": () => opacity(-10), "]": () => opacity(10), f: () => this.fullscreen(),
      r: () => this.setRegion(visible(this.camera, this.scene, canvas)),
      " ": () => this.space(),
    };
    const index = Number(event.key) - 1;
    const act = arrow ? () => this.stepPoint(...arrow, event.currentTarget) : acts[event.key]
      || (index >= 0 && index < this.scene.classes.length ? () => this.toggle(index) : null);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!act) return void this.panzoom.press(event);
    event.preventDefault();
    act();
  },

  space() {
    const [one, other] = this.pair;
    if (this.view.layout === "blink") this.blink();
    else if (this.view.layout !== "side") this.change({ a: other, b: one }, true);
  },

  // After every move of the picture.
  panned() {
    this.moving = performance.now();
    this.draw();
    if (!this.view.region) this.count();
    this.tell();
  },
};
