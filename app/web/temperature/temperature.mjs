// A window of a picture with teacher's and student's logits: what temperature does to them, pixel by pixel.

import { button, element, table } from "../shared/dom.mjs";
import { packed, ramp } from "../shared/colours.mjs";
import { entropy, entropyMap, gradient, halves, onProbabilities, pixel } from "./soft.mjs";
import { size, softened, softmaxTwice } from "./soft.mjs";

const opened = new WeakMap();
const [COLDEST, HOTTEST] = [0.5, 20];
const LINES = 48;
const SHADES = Array.from({ length: 256 }, (_, value) => packed(ramp(value / 255)));
const share = (value) => `${(100 * value).toFixed(1)} %`;
const atStep = (step) => COLDEST * (HOTTEST / COLDEST) ** step;
const toStep = (temperature) => Math.log(temperature / COLDEST) / Math.log(HOTTEST / COLDEST);

function header(bytes) {
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const { parts, ...json } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, end)));
  const cut = ([at, length]) => bytes.subarray(end + at, end + at + length);
  return { ...json, parts: Object.fromEntries(Object.entries(parts).map(([name, span]) => [name, cut(span)])) };
}

const picture = (webp) => createImageBitmap(new Blob([webp], { type: "image/webp" }));

class Softener {
  constructor(root) {
    this.root = root;
    this.temperature = 2;
  }

  async show(data, ask, tell) {
    const scene = header(data);
    Object.assign(this, { ask, tell });
    if (this.scene?.id === scene.id) return;
    if (!this.scene) this.temperature = scene.temperature;
    this.scene = scene;
    const pixels = scene.width * scene.height;
    const roles = ["teacher", "student"];
    this.models = roles.map((role) => ({ role, title: scene[role], logits: halves(scene.parts[role]) }));
    const [crop, overview] = await Promise.all([picture(scene.parts.crop), picture(scene.parts.overview)]);
    if (this.scene.id !== scene.id) return;
    Object.assign(this, { crop, overview, pixels });
    this.spot = { x: Math.floor(scene.width / 2), y: Math.floor(scene.height / 2), ...this.mostMistaken() };
    this.build();
    this.root.dataset.ready = scene.id;
  }

  // Where the two are furthest apart at T = 1: the pixel to begin with.
  mostMistaken() {
    const { width, classes } = this.scene;
    let [best, furthest] = [0, -1];
    for (let i = 0; i < this.pixels; i += 7) {
      const at = ({ logits }) => softened(pixel(logits, i, classes.length, this.pixels), 1);
      const [wanted, found] = this.models.map(at);
      const apart = wanted.reduce((sum, value, index) => sum + Math.abs(value - found[index]), 0);
      if (apart > furthest) [best, furthest] = [i, apart];
    }
    return { x: best % width, y: Math.floor(best / width) };
  }

  build() {
    const { width, height } = this.scene;
    const map = (title) => {
      const canvas = element("canvas", {
        width, height, tabindex: 0, role: "img", "aria-label": `${title}. Click a pixel, or move with the arrows.`,
        onclick: (event) => this.choose(event), onkeydown: (event) => this.step(event),
      });
      const cross = element("i", { class: "cross" });
      const frame = element("div", { class: "frame" }, canvas, cross);
      return { title, canvas, cross, figure: element("figure", {}, element("figcaption", {}, title), frame) };
    };
    this.maps = [map("The image"), ...this.models.map(({ title }) => map(`Entropy of ${title}`))];
    this.maps[0].canvas.getContext("2d").drawImage(this.crop, 0, 0, width, height);
    this.slider = element("input", {
      type: "range", min: 0, max: 1, step: 0.005, value: toStep(this.temperature), "aria-label": "Temperature",
      oninput: (event) => this.heat(atStep(Number(event.target.value))),
    });
    this.heatTold = element("output", {});
    const usual = [1, 2, 4, 8].map((value) => button(`T = ${value}`, () => this.heat(value), { class: "plain" }));
    this.side = element("section", { class: "side", "aria-live": "polite" });
    const scale = [0, 0.25, 0.5, 0.75, 1].map((value) => `rgb(${ramp(value)})`);
    this.root.replaceChildren(
      element("div", { class: "bar-of-heat" },
        element("label", {}, "Temperature ", this.slider, this.heatTold), ...usual),
      element("div", { class: "body" },
        element("div", {}, element("div", { class: "maps" }, ...this.maps.map(({ figure }) => figure)),
          element("p", { class: "key" }, "certain",
            element("i", { style: `background: linear-gradient(90deg, ${scale})` }), "undecided"), this.where()),
        this.side));
    this.heat(this.temperature);
  }

  // The whole picture with the window in it; a click asks for another window.
  where() {
    const { place } = this.scene;
    const canvas = element("canvas", {
      width: this.overview.width, height: this.overview.height, role: "img", tabindex: 0,
      "aria-label": "The whole image; click to look elsewhere",
      onclick: (event) => this.ask({ x: event.offsetX / canvas.clientWidth, y: event.offsetY / canvas.clientHeight }),
      onkeydown: (event) => {
        const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!by) return;
        event.preventDefault();
        this.ask({ x: place.x + place.width * (0.5 + by[0] / 2), y: place.y + place.height * (0.5 + by[1] / 2) });
      },
    });
    const context = canvas.getContext("2d");
    context.drawImage(this.overview, 0, 0);
    const { width, height } = canvas;
    const box = [place.x * width, place.y * height, place.width * width, place.height * height];
    for (const [colour, lineWidth] of [["#000", 9], ["#fff", 5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth });
      context.strokeRect(...box);
    }
    return element("figure", { class: "overview" }, canvas, element("figcaption", {}, "Click to look elsewhere."));
  }

  choose(event) {
    const { width, height } = this.scene;
    const canvas = event.currentTarget;
    this.spot = {
      x: Math.min(width - 1, Math.floor((event.offsetX / canvas.clientWidth) * width)),
      y: Math.min(height - 1, Math.floor((event.offsetY / canvas.clientHeight) * height)),
    };
    this.explain();
  }

  step(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const { width, height } = this.scene;
    const within = (value, most) => Math.min(most - 1, Math.max(0, value));
    this.spot = { x: within(this.spot.x + by[0], width), y: within(this.spot.y + by[1], height) };
    this.explain();
  }

  heat(temperature) {
    this.temperature = temperature;
    this.slider.value = toStep(temperature);
    this.heatTold.textContent = `T = ${temperature.toFixed(temperature < 10 ? 1 : 0)}`;
    this.models.forEach(({ logits }, index) => {
      const values = entropyMap(logits, this.scene.classes.length, this.pixels, temperature);
      const data = new ImageData(this.scene.width, this.scene.height);
      const out = new Uint32Array(data.data.buffer);
      for (let i = 0; i < out.length; i++) out[i] = SHADES[values[i]];
      this.maps[index + 1].canvas.getContext("2d").putImageData(data, 0, 0);
    });
    this.explain();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(Number(temperature.toFixed(2))), 700);
  }

  explain() {
    const { width, height, classes } = this.scene;
    const { x, y } = this.spot;
    const at = { left: `${(100 * (x + 0.5)) / width}%`, top: `${(100 * (y + 0.5)) / height}%` };
    for (const { cross } of this.maps) Object.assign(cross.style, at);
    const here = ({ logits }) => pixel(logits, y * width + x, classes.length, this.pixels);
    const [teacher, student] = this.models.map(here);
    const T = this.temperature;
    const right = softened(teacher, T);
    const wrong = [onProbabilities(teacher, T), softmaxTwice(teacher, T)];
    const rows = classes.map(({ name }, i) => [name, "", [right, ...wrong].map((shares) => share(shares[i]))]);
    rows.push(["Entropy", "0 %: certain, 100 %: all alike", [right, ...wrong].map((shares) => share(entropy(shares)))]);
    this.side.replaceChildren(
      element("h3", {}, `Pixel x ${x}, y ${y}`),
      this.bars(right, softened(student, T)),
      table("What the teacher teaches here: by the paper, and by two mistakes",
        ["softmax(z / T)", "softmax(p / T)", "softmax twice"], rows),
      this.gradients(teacher, student));
  }

  bars(teacher, student) {
    const bar = (value, kind) => element("span", { class: "track" },
      element("i", { class: kind, style: `width: ${100 * value}%` }), element("b", {}, share(value)));
    const rows = this.scene.classes.map(({ name }, i) => element("div", { class: "row" },
      element("span", {}, name), bar(teacher[i], "teacher"), bar(student[i], "student")));
    const key = this.models.map(({ role, title }) =>
      element("span", { class: "track" }, element("i", { class: `swatch ${role}` }), title));
    return element("div", { class: "bars" }, element("div", { class: "row" }, element("span", {}), ...key), ...rows);
  }

  // Length of the gradient over T, with the factor T² and without.
  gradients(teacher, student) {
    const temperatures = Array.from({ length: LINES }, (_, i) => atStep(i / (LINES - 1)));
    const [scaled, plain] = [(T) => size(gradient(teacher, student, T)), (T) => size(gradient(teacher, student, T, 1))];
    const lines = [temperatures.map(scaled), temperatures.map(plain)];
    const most = Math.max(...lines.flat(), 1e-6);
    const place = (value, i) => `${(100 * i) / (LINES - 1)} ${50 - (50 * value) / most}`;
    const path = (values) => values.map((value, i) => (i ? "L" : "M") + place(value, i)).join("");
    const [now, without] = [scaled(this.temperature), plain(this.temperature)].map((value) => value.toFixed(3));
    const told = `Length of the gradient on the student's logits at T = ${this.temperature.toFixed(1)}: ` +
      `${now} with T², ${without} without.`;
    const holder = element("div", {});
    const at = 100 * toStep(this.temperature);
    holder.innerHTML = `<svg viewBox="-1 -1 102 52" role="img" preserveAspectRatio="none">
      <path class="with" d="${path(lines[0])}"/><path class="without" d="${path(lines[1])}"/>
      <line x1="${at}" x2="${at}" y1="0" y2="50"/></svg>`;
    holder.firstChild.setAttribute("aria-label", told);
    const key = element("span", {}, element("i", { class: "with" }), "with T²",
      element("i", { class: "without" }), "without");
    const ends = element("p", { class: "ends" }, `T = ${COLDEST}`, key, `T = ${HOTTEST}`);
    return element("figure", { class: "gradients" }, element("figcaption", {}, told), holder.firstChild, ends);
  }
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".temperature");
  const softener = opened.get(root) || new Softener(root);
  opened.set(root, softener);
  const tell = (temperature) => setStateValue("temperature", temperature);
  softener.show(data, (place) => setTriggerValue("place", place), tell);
  return () => {
    clearTimeout(softener.timer);
    opened.delete(root);
  };
}
