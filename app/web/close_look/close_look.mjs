// A large picture under its mask: all of it as an overview, and where somebody looks closely its own pixels.

import { placed, scaleBar, visible } from "../shared/camera.mjs";
import { button, element, group } from "../shared/dom.mjs";
import { PanZoom } from "../shared/panzoom.mjs";
import { wanted } from "./rest.mjs";

const REST_MS = 350;
const instances = new WeakMap();
const KEYS = "Drag to move, wheel or + and − to zoom, arrows move, 0 shows all of it.";

// A JSON header behind its length, then the pictures back to back.
function unpack(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const part = ([offset, size]) => bytes.subarray(4 + length + offset, 4 + length + offset + size);
  return { ...header, overview: part(header.overview), detail: header.detail && part(header.detail) };
}

const bitmap = (webp) => createImageBitmap(new Blob([webp], { type: "image/webp" }));

class CloseLook {
  constructor(root) {
    this.root = root;
    this.panzoom = new PanZoom({
      picture: () => this.picture, canvas: () => this.canvas, changed: () => this.panned(), factor: 2, share: 1 / 8,
    });
    this.observer = new ResizeObserver(() => this.draw());
    this.build();
    this.observer.observe(root);
  }

  build() {
    const icon = (label, name, act) => button(label, act, { "aria-label": name, title: name });
    this.tools = element("div", { class: "tools" },
      group("Zoom", icon("−", "Zoom out", () => this.panzoom.farther()),
        icon("+", "Zoom in", () => this.panzoom.closer())),
      button("Back to the whole picture", () => this.panzoom.fit(), { class: "whole" }));
    this.state = element("p", { class: "state", "aria-live": "polite" });
    this.canvas = element("canvas", {
      tabindex: 0, role: "img", "aria-label": `The picture under its mask. ${KEYS}`, title: KEYS,
      onpointerdown: (event) => this.panzoom.grab(event), onpointermove: (event) => this.panzoom.drag(event),
      onpointerup: (event) => this.panzoom.release(event), onpointercancel: (event) => this.panzoom.release(event),
      onkeydown: (event) => this.panzoom.press(event),
      ondblclick: (event) => this.panzoom.closer(this.panzoom.at(event)),
    });
    this.canvas.addEventListener("wheel", (event) => this.panzoom.roll(event), { passive: false });
    this.map = element("canvas", { class: "map", role: "img", "aria-label": "Where this is; click to go there" });
    this.panzoom.steer(this.map);
    this.bar = element("span", { class: "bar", hidden: true });
    const frame = element("div", { class: "frame" }, this.canvas, this.map, this.bar);
    this.root.replaceChildren(this.tools, frame, this.state);
  }

  async show(data, ask) {
    this.ask = ask;
    const decoded = await Promise.all([bitmap(data.overview), data.detail && bitmap(data.detail)]);
    if (this.picture && this.picture.id !== data.id) this.panzoom.reset();
    this.picture = { id: data.id, width: data.width, height: data.height, ground: data.ground, most: data.most };
    [this.overview] = decoded;
    this.detail = decoded[1] ? { ...data.place, image: decoded[1] } : null;
    this.waiting = false;
    this.draw();
    this.rest();
  }

  get camera() {
    return this.panzoom.camera;
  }

  panned() {
    this.draw();
    this.rest();
  }

  // Once nothing moves any more, ask for the pixels that are looked at.
  rest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const part = wanted(this.camera, this.picture, this.canvas, this.overview, this.detail);
      if (!part) return;
      this.waiting = true;
      this.draw();
      this.ask({ ...part, of: this.picture.id });
    }, REST_MS);
  }

  draw() {
    if (!this.picture || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    const { canvas, picture, overview, detail } = this;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = canvas.clientWidth;
    const height = Math.min((width * picture.height) / picture.width, 0.75 * window.innerHeight);
    canvas.style.height = `${height}px`;
    [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * ratio)));
    this.panzoom.settle();
    const place = placed(this.camera, picture, canvas);
    const context = canvas.getContext("2d");
    const put = (image, part) => {
      context.imageSmoothingEnabled = (place.scale * part.width) / image.width < 2;
      const corner = [place.left + place.scale * part.x, place.top + place.scale * part.y];
      context.drawImage(image, ...corner, place.scale * part.width, place.scale * part.height);
    };
    put(overview, { x: 0, y: 0, width: picture.width, height: picture.height });
    if (detail) put(detail.image, detail);
    this.around(place, ratio);
  }

  // Minimap with the frame of what is seen, scale bar, and what one sees in words.
  around({ scale }, ratio) {
    const { canvas, map, picture, overview, detail } = this;
    const seen = visible(this.camera, picture, canvas);
    const near = this.camera.zoom > 1.05;
    map.hidden = this.root.querySelector(".whole").disabled = !near;
    this.root.querySelector(".whole").disabled = !near;
    canvas.style.touchAction = near ? "none" : "pan-y";
    const small = Math.min(1, 160 / Math.max(overview.width, overview.height));
    [map.width, map.height] = [Math.ceil(overview.width * small), Math.ceil(overview.height * small)];
    const context = map.getContext("2d");
    context.drawImage(overview, 0, 0, map.width, map.height);
    const share = map.width / picture.width;
    const size = [Math.max(4, seen.width * share), Math.max(4, seen.height * share)];
    for (const [strokeStyle, lineWidth] of [["#000", 4], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      context.strokeRect(seen.x * share, seen.y * share, ...size);
    }
    this.bar.hidden = !picture.ground;
    if (picture.ground) {
      const { pixels, label } = scaleBar(picture.ground, scale / ratio, 120);
      this.bar.textContent = label;
      this.bar.style.width = `${pixels}px`;
    }
    this.state.textContent = this.told(seen, detail);
    this.root.dataset.detail = detail ? `${detail.x},${detail.y},${detail.width},${detail.height}` : "";
  }

  told(seen, detail) {
    const number = (value) => value.toLocaleString("en");
    const part = `${number(seen.width)} × ${number(seen.height)} of ${number(this.picture.width)} × `
      + `${number(this.picture.height)} pixels`;
    if (this.camera.zoom <= 1.05) return `Overview of ${number(this.picture.width)} × ${number(this.picture.height)} `
      + "pixels. Zoom in for full detail.";
    if (this.waiting) return `${part}. Fetching detail …`;
    const inside = detail && seen.x >= detail.x && seen.x + seen.width <= detail.x + detail.width
      && seen.y >= detail.y && seen.y + seen.height <= detail.y + detail.height;
    if (!inside) return `${part}, as an overview.`;
    return detail.image.width === detail.width ? `${part}, at full resolution.` : `${part}, in more detail.`;
  }

  stop() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
  }
}

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".close-look");
  let viewer = instances.get(root);
  if (!viewer) instances.set(root, (viewer = new CloseLook(root)));
  viewer.show(unpack(data), (part) => setStateValue("part", part));
  return () => {
    viewer.stop();
    instances.delete(root);
  };
}
