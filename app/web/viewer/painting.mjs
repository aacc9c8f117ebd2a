// One frame: photograph, layer, lines, region; never more pixels than the screen has.
// It owns the next frame and the pace.

import { placed, scaleBar, visible } from "../shared/camera.mjs";
import { compose, outlined } from "./layers.mjs";
import { Part } from "./part.mjs";

const [QUICK_MS, SLOW_MS] = [20, 45];

export class Painting extends Part {
  constructor(viewer) {
    super(viewer);
    this.moved = 0;
  }

  draw() {
    if (!this.scene || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const start = performance.now();
      const moving = start - this.moved < 150;
      const full = Math.min(2, window.devicePixelRatio || 1);
      const ratio = moving ? Math.min(full, this.affordable(start)) : full;
      for (const surface of this.surfaces) this.drawSurface(surface, ratio);
      this.viewer.pointing.repeat();
      this.around();
      this.root.dataset.frames = Number(this.root.dataset.frames || 0) + 1;
      Object.assign(this.root.dataset, { ready: "true", scene: this.scene.id });
      clearTimeout(this.sharpen);
      if (ratio < full) this.sharpen = setTimeout(() => this.draw(), 180);
    });
  }

  // Canvas pixels for each CSS pixel while the picture moves: half of them where frames come too late.
  affordable(start) {
    const since = start - (this.started || 0);
    this.started = start;
    if (since < 250) this.pace = 0.8 * (this.pace || 16) + 0.2 * since;
    if (this.pace > SLOW_MS) this.coarse = true;
    if (this.pace < QUICK_MS) this.coarse = false;
    return this.coarse ? 0.5 : 1;
  }

  drawSurface(surface, ratio) {
    const { canvas } = surface;
    const { width, height } = this.viewer.screen.sizeOf(surface);
    canvas.style.height = `${height}px`;
    const size = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    if (surface.scratch.width !== size[0] || surface.scratch.height !== size[1] || !surface.data) {
      [surface.scratch.width, surface.scratch.height] = size;
      surface.data = new ImageData(...size);
      surface.out = new Uint32Array(surface.data.data.buffer);
    }
    this.panzoom.settle(canvas);
    this.paint(canvas.getContext("2d"), surface, placed(this.camera, this.scene, canvas));
  }

  paint(context, surface, place) {
    const { canvas, out, data, scratch } = surface;
    const { width, height, photo } = this.scene;
    const level = photo.findLast((picture) => picture.width >= width * place.scale) || photo[0];
    context.globalAlpha = 1;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = place.scale < 2;
    context.drawImage(level, place.left, place.top, width * place.scale, height * place.scale);
    if (this.view.layer !== "classes" || this.view.cell) {
      context.fillStyle = "rgb(128 128 128 / 45%)";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    const lay = (alpha) => {
      scratch.getContext("2d").putImageData(data, 0, 0);
      context.globalAlpha = alpha;
      context.drawImage(scratch, 0, 0);
    };
    const [one, other] = surface.panels || this.pair.map((index) => this.scene.panels[index]);
    const cut = this.view.layout === "swipe" && other ? Math.round(canvas.width * this.view.split) : canvas.width;
    out.fill(0);
    compose(out, canvas, place, this.scene, one.layer, 0, cut);
    if (cut < canvas.width) compose(out, canvas, place, this.scene, other.layer, cut);
    lay(this.view.opacity / 100);
    if (this.view.layout === "overlay" && other) {
      out.fill(0);
      compose(out, canvas, place, this.scene, other.lines);
      outlined(out, canvas);
      lay(1);
    }
    this.mark(context, place);
  }

  mark(context, { left, top, scale }) {
    const { region } = this.view;
    context.globalAlpha = 1;
    if (!region) return;
    const box = [left + scale * region.x, top + scale * region.y, scale * region.width, scale * region.height];
    for (const [colour, thick] of [["#000", 4], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: thick });
      context.strokeRect(...box);
    }
  }

  // Opacity, divider, minimap, scale bar: what stands around the pictures.
  around() {
    const [{ canvas, handle }] = this.surfaces;
    this.viewer.controls.percent.value = `${this.view.opacity} %`;
    this.viewer.controls.slider.value = this.view.opacity;
    const ratio = canvas.clientWidth / canvas.width;
    if (handle) {
      handle.style.left = `${100 * this.view.split}%`;
      handle.setAttribute("aria-valuenow", Math.round(100 * this.view.split));
    }
    const part = visible(this.camera, this.scene, canvas);
    this.viewer.stage.map.querySelector("canvas").hidden = this.viewer.stage.mapFrame.hidden = this.camera.zoom < 1.05;
    const { width, height, ground } = this.scene;
    const share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(this.viewer.stage.mapFrame.style, {
      left: share(part.x, width), top: share(part.y, height),
      width: share(part.width, width), height: share(part.height, height),
    });
    const touch = this.camera.zoom > 1 || this.viewer.gestures.armed ? "none" : "pan-y";
    for (const { canvas: each } of this.surfaces) each.style.touchAction = touch;
    this.viewer.stage.bar.hidden = !ground;
    if (!ground) return;
    const { pixels, label } = scaleBar(ground, placed(this.camera, this.scene, canvas).scale * ratio, 120);
    this.viewer.stage.bar.textContent = label;
    this.viewer.stage.bar.style.width = `${pixels}px`;
  }
}
