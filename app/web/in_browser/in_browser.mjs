// The page around the engine: a place to drop a picture, the mask over it, how long it took here and on the server.

import { button, element, save } from "../shared/dom.mjs";
import { Engine } from "./engine.mjs";

const pages = new WeakMap();
const MOST_PIXELS = 16_000_000;
const SIDE = 512;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const milliseconds = (value) =>
  value < 1000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;

class Page {
  constructor(root) {
    this.root = root;
    this.build();
  }

  build() {
    this.file = element("input", {
      type: "file", accept: "image/png,image/jpeg,image/webp", class: "file", id: "picture",
      onchange: () => this.file.files[0] && this.take(this.file.files[0]) });
    this.drop = element("div", { class: "drop",
      ondragover: (event) => { event.preventDefault(); this.drop.classList.add("over"); },
      ondragleave: () => this.drop.classList.remove("over"),
      ondrop: (event) => this.dropped(event) },
      element("label", { class: "button main", for: "picture" }, "Choose an image"), this.file,
      element("span", {}, "or drop one here: PNG, JPEG or WebP, up to 16 megapixels. It stays on this device."),
      button("Use a shipped scene", () => this.take(this.sample), { class: "button" }));
    this.status = element("p", { class: "status", role: "status" });
    this.canvas = element("canvas", {
      class: "result", role: "img", "aria-label": "The picture with its mask", hidden: true,
    });
    this.opacity = element("input", { type: "range", min: 0, max: 100, value: 60, "aria-label": "Opacity of the mask",
      oninput: () => this.draw() });
    this.save = element("button", { type: "button", class: "button", onclick: () => this.download() }, "Download mask");
    this.legend = element("div", { class: "legend" });
    this.tools = element("div", { class: "tools", hidden: true },
      element("label", {}, "Opacity", this.opacity), this.save);
    this.speeds = element("div", { class: "speeds" });
    this.side = element("div", { class: "side" }, this.speeds, this.tools, this.legend);
    this.root.replaceChildren(this.drop, this.status, element("div", { class: "split" }, this.canvas, this.side));
  }

  say(text, bad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("bad", bad);
    this.root.dataset.state = bad ? "failed" : this.engine ? "ready" : "loading";
  }

  async show(data) {
    this.palette = data.palette;
    if (this.id === data.id) {
      if (this.mask) this.paint();
      return;
    }
    this.id = data.id;
    this.data = data;
    this.engine = null;
    this.sample = new Blob([bytesOf(data.sample)], { type: "image/jpeg" });
    this.say(`Loading ${data.title} (${data.size}) and the runtime …`);
    this.tellSpeeds();
    try {
      const engine = await Engine.start(new URL(data.runtime, document.baseURI).href, bytesOf(data.model), data);
      if (this.id !== data.id) return;
      this.engine = engine;
      this.say("Measuring this device …");
      this.here = await engine.latency(SIDE);
      this.tellSpeeds();
      this.root.dataset.latency = String(this.here);
      this.say(`${data.title} runs here in ${engine.name}.`);
      if (this.picture) await this.segment();
    } catch (error) {
      console.error(error);
      this.say(
        `This browser cannot run the model (${error.message}). A current Firefox, Chrome, Edge or Safari can.`, true);
    }
  }

  dropped(event) {
    event.preventDefault();
    this.drop.classList.remove("over");
    if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
  }

  async take(file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    } catch {
      const name = file.name || "This file";
      this.say(`${name} is no picture that this browser can read: choose a PNG, JPEG or WebP.`, true);
      return;
    }
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS) {
      const size = Math.round((width * height) / 1e6);
      this.say(`This picture has ${size} megapixels; 16 are the most here. Crop it, or make it smaller.`, true);
      return;
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    this.picture = { width, height, bitmap, name: file.name || "scene", rgba };
    this.mask = null;
    if (this.engine) await this.segment();
    else this.say("The picture is here; the model is still loading …");
  }

  async segment() {
    const { rgba, height, width } = this.picture;
    const engine = this.engine;
    this.say("Segmenting …");
    this.root.dataset.state = "working";
    await new Promise((resolve) => setTimeout(resolve, 30));
    const begun = performance.now();
    try {
      this.mask = await engine.segment(rgba, height, width);
    } catch (error) {
      console.error(error);
      this.say(`The model failed on this picture (${error.message}): a smaller one may fit into memory.`, true);
      return;
    }
    const taken = performance.now() - begun;
    this.paint();
    const told = `${width} × ${height} pixels in ${milliseconds(taken)} on this device, in ${engine.name}.`;
    this.say(`${told} Nothing was uploaded.`);
    this.root.dataset.state = "done";
  }

  // Of each class, as the page's switch says.
  get colours() {
    return this.data.classes.map((entry) => entry[this.palette]);
  }

  paint() {
    const { width, height } = this.picture;
    const colours = this.colours.map(([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r);
    const pixels = Uint32Array.from(this.mask, (index) => colours[index]);
    this.overlay = new OffscreenCanvas(width, height);
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    this.overlay.getContext("2d").putImageData(image, 0, 0);
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.hidden = this.tools.hidden = false;
    this.tellShares();
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(this.picture.bitmap, 0, 0);
    context.globalAlpha = this.opacity.value / 100;
    context.drawImage(this.overlay, 0, 0);
  }

  tellShares() {
    const counts = new Array(this.data.classes.length).fill(0);
    for (const index of this.mask) counts[index] += 1;
    const share = (index) => `${((100 * counts[index]) / this.mask.length).toFixed(1)} %`;
    // Of many classes those that occur.
    const all = this.data.classes.map(({ name }, index) => ({ name, index }));
    const there = all.length > 24 ? all.filter(({ index }) => counts[index]) : all;
    this.legend.replaceChildren(...there.map(({ name, index }) =>
      element("div", {},
        element("span", { class: "swatch", style: `background: rgb(${this.colours[index].join(",")})` }),
        element("span", { class: "name" }, name), element("span", {}, share(index)))));
  }

  tellSpeeds() {
    const row = (name, value) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value));
    const known = this.here && this.engine;
    const mine = known ? row(`This device, ${this.engine.name}`, milliseconds(this.here)) : row("This device", "…");
    const theirs = this.data.server.map(({ name, ms }) => row(name, milliseconds(ms)));
    this.speeds.replaceChildren(element("table", {},
      element("caption", {}, `One picture of ${SIDE} × ${SIDE}, median of warm passes`),
      element("tbody", {}, mine, ...theirs)));
  }

  async download() {
    const blob = await this.overlay.convertToBlob({ type: "image/png" });
    save(`${this.picture.name.replace(/\.\w+$/, "")}-mask.png`, blob);
  }
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".in-browser");
  if (!pages.has(root)) pages.set(root, new Page(root));
  pages.get(root).show(data);
  return () => pages.delete(root);
}
