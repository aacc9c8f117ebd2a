// Pan and zoom: pointers, the wheel and keys move one camera over a picture, on one canvas or on several of one size.

import { clamped, moved, zoomed } from "./camera.mjs";

export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class PanZoom {
  // `picture()` and `canvas()` give what is shown and where, both with width and height; `changed()`
  // is called after every move. A key or a button zooms by `factor`, an arrow moves by `share` of the canvas.
  constructor({ picture, canvas, changed, factor = 1.5, share = 0.1 }) {
    Object.assign(this, { picture, canvas, changed, factor, share });
    this.pointers = new Map();
    this.reset();
  }

  // Shows all, without telling: for another picture.
  reset() {
    this.camera = { zoom: 1, x: 0.5, y: 0.5 };
  }

  // Of an event, in canvas pixels. A canvas may change its resolution between two events, so pointers are kept as they
  // came.
  at(event, canvas = event.currentTarget) {
    const box = canvas.getBoundingClientRect();
    const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return { x: across * canvas.width, y: down * canvas.height };
  }

  grab(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
  }

  holds(event) {
    return this.pointers.has(event.pointerId);
  }

  // One pointer moves the picture, the distance of two zooms it.
  drag(event) {
    const canvas = event.currentTarget;
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const [before, at] = [this.at(last, canvas), this.at(event)];
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
    if (others.length !== 1) return this.move(before.x - at.x, before.y - at.y);
    const fixed = this.at(others[0][1], canvas);
    const span = (point) => Math.max(1, Math.hypot(point.x - fixed.x, point.y - fixed.y));
    this.zoom(span(at) / span(before), at);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
  }

  // Where all is shown, rolling back scrolls the page.
  roll(event) {
    if (event.deltaY > 0 && this.camera.zoom === 1) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), this.at(event));
  }

  // Says whether the key means anything here.
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const step = this.canvas().width * this.share;
    const [dx, dy] = ARROWS[event.key] || [];
    const acts = { "+": () => this.closer(), "=": () => this.closer(), "-": () => this.farther(), 0: () => this.fit() };
    const act = dx === undefined ? acts[event.key] : () => this.move(step * dx, step * dy);
    if (!act) return false;
    event.preventDefault();
    act();
    return true;
  }

  // A press or a drag on a small picture of the whole goes there.
  steer(map) {
    const go = (event) => {
      const box = map.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      this.goTo({ ...this.camera, x, y });
    };
    map.addEventListener("pointerdown", go);
    map.addEventListener("pointermove", (event) => event.buttons && go(event));
  }

  goTo(camera) {
    this.camera = clamped(camera, this.picture(), this.canvas());
    this.changed();
  }

  // `at`, in canvas pixels, stays where it is; the middle unless it is given.
  zoom(factor, at = null) {
    const { width, height } = this.canvas();
    this.goTo(zoomed(this.camera, factor, at || { x: width / 2, y: height / 2 }, this.picture(), this.canvas()));
  }

  closer(at = null) {
    this.zoom(this.factor, at);
  }

  farther() {
    this.zoom(1 / this.factor);
  }

  // In canvas pixels.
  move(dx, dy) {
    this.goTo(moved(this.camera, dx, dy, this.picture(), this.canvas()));
  }

  fit() {
    this.goTo({ zoom: 1, x: 0.5, y: 0.5 });
  }

  // Once a canvas has another size.
  settle(canvas = this.canvas()) {
    this.camera = clamped(this.camera, this.picture(), canvas);
  }
}
