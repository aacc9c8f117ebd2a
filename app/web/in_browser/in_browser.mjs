// The page around the engine: a place to drop a picture, the mask over it, how long it took here and on the server.

import { button, element, save } from "../shared/dom.mjs";
import { keep } from "../offline/keeping.mjs";
import { Engine } from "./engine.mjs";
import { toGeojson } from "./polygons.mjs";
import { readPicture } from "./reading.mjs";

const pages = new WeakMap();
const SIDE = 512;
const NO_DATA = 255;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
// As app/services/figure_texts.py writes them.
const milliseconds = (value) => `${value.toFixed(1)} ms`;

class Page {
  constructor(root) {
    this.root = root;
    this.build();
  }

  build() {
    this.file = element("input", {
      type: "file", accept: "image/png,image/jpeg,image/webp,image/tiff,.tif,.tiff", class: "file", id: "picture",
      onchange: () => this.file.files[0] && this.take(this.file.files[0]) });
    this.drop = element("div", { class: "drop",
      ondragover: (event) => { event.preventDefault(); this.drop.classList.add("over"); },
      ondragleave: () => this.drop.classList.remove("over"),
      ondrop: (event) => this.dropped(event) },
      element("label", { class: "button main", for: "picture" }, "Choose an image"), this.file,
      this.hint = element("span", {}),
      this.shipped = button("Use a shipped scene", () => this.take(this.sample), { class: "button" }));
    this.status = element("p", { class: "status", role: "status" });
    this.canvas = element("canvas", {
      class: "result", role: "img", "aria-label": "The picture with its mask", hidden: true,
    });
    this.opacity = element("input", { type: "range", min: 0, max: 100, value: 60, "aria-label": "Opacity of the mask",
      oninput: () => this.draw() });
    this.save = element("button", { type: "button", class: "button", onclick: () => this.download() }, "Download mask");
    this.polygons = button("Download polygons", () => this.downloadPolygons(), { class: "button" });
    this.offline = button("Keep for offline use", () => this.keep(), { class: "button", hidden: true });
    this.legend = element("div", { class: "legend" });
    this.tools = element("div", { class: "tools", hidden: true },
      element("label", {}, "Opacity", this.opacity), this.save, this.polygons);
    this.speeds = element("div", { class: "speeds" });
    this.side = element("div", { class: "side" }, this.speeds, this.tools, this.legend);
    const split = element("div", { class: "split" }, this.canvas, this.side);
    this.root.replaceChildren(this.drop, this.offline, this.status, split);
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
    this.tellKinds(data);
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
      this.offline.hidden = !data.server.length || !navigator.serviceWorker;
      this.say(`${data.title} runs here in ${engine.name}.`);
      if (this.picture) await this.segment();
    } catch (error) {
      console.error(error);
      this.say(
        `This browser cannot run the model (${error.message}). A current Firefox, Chrome, Edge or Safari can.`, true);
    }
  }

  // What can be brought, before anybody brings it.
  tellKinds({ bands, sample }) {
    const kinds = bands ? `a GeoTIFF with ${bands.names.join(", ")} (${bands.depth})` : "PNG, JPEG, WebP or GeoTIFF";
    this.hint.textContent = `or drop one here: ${kinds}, up to 16 megapixels. It stays on this device.`;
    this.shipped.hidden = !sample;
    // Read as the bands of another model.
    if (this.picture && String(this.picture.bands) !== String(bands?.names)) this.picture = this.mask = null;
  }

  dropped(event) {
    event.preventDefault();
    this.drop.classList.remove("over");
    if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
  }

  async take(file) {
    try {
      await this.begin(await readPicture(file, this.data?.bands));
    } catch (error) {
      console.error(error);
      this.say(error.message, true);
    }
  }

  async begin(picture) {
    this.picture = picture;
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
      this.mask = await engine.segment(this.picture);
    } catch (error) {
      console.error(error);
      this.say(`The model failed on this picture (${error.message}): a smaller one may fit into memory.`, true);
      return;
    }
    const taken = performance.now() - begun;
    for (let at = 0; at < this.mask.length; at += 1) if (!rgba[4 * at + 3]) this.mask[at] = NO_DATA;
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
    const pixels = Uint32Array.from(this.mask, (index) => colours[index] ?? 0);
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
    for (const index of this.mask) if (index !== NO_DATA) counts[index] += 1;
    const total = Math.max(1, counts.reduce((sum, count) => sum + count, 0));
    const share = (index) => `${((100 * counts[index]) / total).toFixed(1)} %`;
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
    const theirs = this.data.server.map(({ name, took }) => row(name, took));
    this.speeds.replaceChildren(element("table", {},
      element("caption", {}, `One picture of ${SIDE} × ${SIDE}, median of warm passes`),
      element("tbody", {}, mine, ...theirs)));
  }

  downloadPolygons() {
    const classes = this.data.classes.map(({ name }, index) => ({ name, colour: this.colours[index] }));
    const { text, note, count } = toGeojson(this.mask, this.picture, classes);
    save(`${this.picture.name.replace(/\.\w+$/, "")}.geojson`, new Blob([text], { type: "application/geo+json" }));
    this.say(`${count} polygons were made on this device. ${note ?? "Nothing was uploaded."}`);
    this.root.dataset.state = "done";
  }

  async keep() {
    this.say("Keeping the model and the page in this browser …");
    try {
      const address = await keep(this.data);
      const link = element("a", { href: address, target: "_blank", class: "button" }, "Open the offline page");
      this.offline.replaceWith(link);
      this.say("Kept: the offline page works without a network, and can be installed from the browser's menu.");
    } catch (error) {
      console.error(error);
      this.say(`It could not be kept for offline use: ${error.message}.`, true);
    }
  }

  async download() {
    const blob = await this.overlay.convertToBlob({ type: "image/png" });
    save(`${this.picture.name.replace(/\.\w+$/, "")}-mask.png`, blob);
  }
}

// The page in an element of its own, without Streamlit around it.
export function open(root, data) {
  if (!pages.has(root)) pages.set(root, new Page(root));
  return pages.get(root).show(data);
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".in-browser");
  open(root, data);
  return () => pages.delete(root);
}
