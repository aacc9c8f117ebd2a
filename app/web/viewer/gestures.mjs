// What pointers, wheel and keys do on a picture. A part of Viewer.

import { clamped, moved, pixelAt, spanned, visible, zoomed } from "../shared/camera.mjs";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// CSS pixels that a finger may stray and still taps.
const TAP = 10;

export const gestures = {
  under(event) {
    return this.surfaces.find(({ canvas }) => canvas === event.currentTarget);
  },

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
    this.tapped = this.pointers.size === 1 && { x: event.clientX, y: event.clientY };
  },

  drag(event) {
    const at = this.at(event);
    const pixel = pixelAt(this.camera, at, this.scene, event.currentTarget);
    // A finger that moves the picture asks for nothing; one that rests on it does (`release`).
    if (event.pointerType !== "touch") this.point(pixel, this.under(event));
    else this.tapped &&= Math.hypot(event.clientX - this.tapped.x, event.clientY - this.tapped.y) < TAP && this.tapped;
    if (!this.pointers.has(event.pointerId)) return;
    this.tip.show(null);
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
    const tap = event.pointerType === "touch" && event.type === "pointerup" && this.tapped && !this.corner;
    if (tap) this.point(pixelAt(this.camera, this.at(event), this.scene, event.currentTarget), this.under(event), true);
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
    const arrow = ARROWS[event.key];
    const opacity = (by) => this.change({ opacity: Math.min(100, Math.max(0, this.view.opacity + by)) });
    const acts = {
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.fit(),
      "[": () => opacity(-10), "]": () => opacity(10), f: () => this.fullscreen(),
      r: () => this.setRegion(visible(this.camera, this.scene, canvas)),
      " ": () => this.space(),
    };
    const index = Number(event.key) - 1;
    const moving = arrow && (event.shiftKey
      ? () => this.stepPoint(...arrow, event.currentTarget) : () => this.move(step * arrow[0], step * arrow[1]));
    const act = moving || acts[event.key]
      || (index >= 0 && index < this.scene.classes.length ? () => this.toggle(index) : null);
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  },

  space() {
    const [one, other] = this.pair;
    if (this.view.layout === "blink") this.blink();
    else if (this.view.layout !== "side") this.change({ a: other, b: one }, true);
  },

  look(camera) {
    const [{ canvas }] = this.surfaces;
    this.camera = clamped(camera, this.scene, canvas);
    this.moving = performance.now();
    this.draw();
    if (!this.view.region) this.count();
    this.tell();
  },

  zoom(factor, at) {
    const [{ canvas }] = this.surfaces;
    this.look(zoomed(this.camera, factor, at || { x: canvas.width / 2, y: canvas.height / 2 }, this.scene, canvas));
  },

  move(dx, dy) {
    this.look(moved(this.camera, dx, dy, this.scene, this.surfaces[0].canvas));
  },

  fit() {
    this.look({ zoom: 1, x: 0.5, y: 0.5 });
  },
};
