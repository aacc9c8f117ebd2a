// Masks over a picture, moved and zoomed in step. Nothing that is done here asks the server.

import { addLevels, addShares, decode, unpack } from "./blob.mjs";
import { visible } from "../shared/camera.mjs";
import { element } from "../shared/dom.mjs";
import { PanZoom } from "../shared/panzoom.mjs";
import { tip } from "../shared/panels.mjs";
import { SHARES, layerOf } from "./layers.mjs";
import { controls } from "./controls.mjs";
import { gestures } from "./gestures.mjs";
import { measuring } from "../numbers/measuring.mjs";
import { painting } from "./painting.mjs";
import { pointing } from "./pointing.mjs";
import { saving } from "./saving.mjs";
import { screen } from "./screen.mjs";
import { stage, USUAL_VIEW } from "./stage.mjs";

const BLINK_MS = 800;
const MOST_KEPT = 4;
const MOST_PIXELS = 6e6;
const instances = new WeakMap();

class Viewer {
  constructor(root) {
    this.root = root;
    this.view = { ...USUAL_VIEW, hidden: new Set() };
    this.panzoom = new PanZoom({
      picture: () => this.scene, canvas: () => this.surfaces[0].canvas, changed: () => this.panned(),
    });
    this.kept = new Map();
    this.surfaces = [];
    this.blinking = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(root);
    this.tip = tip();
    this.menus = [];
    this.ends = new AbortController();
    const { signal } = this.ends;
    document.addEventListener("fullscreenchange", () => this.fullChanged(), { signal });
    document.addEventListener("keydown", (event) => this.escaped(event), { signal });
    addEventListener("resize", () => this.resized(), { signal });
    addEventListener("scroll", () => this.tip.show(null), { signal, capture: true, passive: true });
    this.blinker = setInterval(() => this.blinking && this.view.layout === "blink" && this.swap(), BLINK_MS);
  }

  // What a link says, at first and whenever another one is followed.
  start({ hidden, camera, shares, link, ...initial }) {
    clearTimeout(this.timer);
    this.link = link;
    Object.assign(this.view, USUAL_VIEW, initial, { hidden: new Set(hidden || []) });
    if (camera) this.panzoom.camera = camera;
    else this.panzoom.reset();
    this.told = this.view.colours;
    if (this.scene) this.build();
  }

  async show(id, scene, address, report) {
    Object.assign(this, { report, address });
    if (this.id === id) return;
    this.id = id;
    const decoded = this.kept.get(id) || (await decode(scene));
    if (SHARES.includes(this.view.layer)) await this.complete(decoded);
    if (this.id !== id) return;
    this.keep(id, decoded);
    this.adopt(decoded);
    this.scene = decoded;
    this.found = null;
    this.truth = decoded.panels.find((panel) => panel.role === "truth");
    if (this.view.layer === "errors" && !this.truth) this.view.layer = "classes";
    this.build();
    requestAnimationFrame(() => setTimeout(() => this.complete(decoded)));
  }

  // What was chosen on the picture before stays where it means something on this one.
  adopt(next) {
    const { region, cell } = this.view;
    const { width, height } = next;
    const same = !this.scene || (this.scene.width === width && this.scene.height === height);
    if (!same) this.panzoom.reset();
    const within = (from, size, whole) => size > 0 && from + size <= whole;
    if (!same || !region || !within(region.x, region.width, width) || !within(region.y, region.height, height)) {
      this.view.region = null;
    }
    const there = cell && next.panels.some((panel) => panel.role === cell.against);
    if (this.scene || !there || Math.max(cell.wanted, cell.found) >= next.classes.length) this.view.cell = null;
  }

  // Confidence and entropy come after the first paint, and what needs them follows. A second try where it failed.
  complete(scene) {
    const failed = (error) => {
      console.warn("Confidence and entropy did not come:", error);
      scene.complete = null;
    };
    // Only then are there words to change; building anew would close a menu or end a drag.
    const shown = () => (SHARES.includes(this.view.layer) ? this.build() : this.repaint());
    const all = () => Promise.all([addLevels(scene), addShares(scene, this.address)]);
    return (scene.complete ??= all().catch(failed).then(() => scene === this.scene && shown()));
  }

  // What was looked at last is there at once when somebody comes back to it; large pictures are not kept.
  keep(id, decoded) {
    this.kept.delete(id);
    this.kept.set(id, decoded);
    const pixels = () => [...this.kept.values()].reduce((total, { width, height }) => total + width * height, 0);
    const tooMuch = () => this.kept.size > MOST_KEPT || pixels() > MOST_PIXELS;
    while (this.kept.size > 1 && tooMuch()) this.kept.delete(this.kept.keys().next().value);
  }

  get pair() {
    const { panels } = this.scene;
    const models = [...panels.keys()].filter((index) => panels[index] !== this.truth);
    const one = this.scene.panels[this.view.a] ? this.view.a : models[0];
    const other = this.scene.panels[this.view.b] ? this.view.b : models[1] ?? 0;
    return [one, other];
  }

  // Everything anew; what had the keyboard's focus gets it back.
  build() {
    const focused = this.root.getRootNode().activeElement;
    const keyOf = (node) =>
      [node.tagName, node.getAttribute("aria-label"), node.closest("figure")?.dataset.role, node.textContent].join(" ");
    const key = focused && this.root.contains(focused) ? keyOf(focused) : null;
    this.stage = element("div", { class: "stage" });
    this.readout = element("p", { class: "readout" });
    this.numbers = element("section", { class: "numbers", "aria-label": "Numbers" });
    const picture = element("div", { class: "picture" }, this.stage, this.readout);
    const body = element("div", { class: "body" }, picture, this.numbers);
    this.pointed = null;
    this.label();
    this.root.replaceChildren(this.toolbar(), this.legend(), body, this.tip);
    // The models first: the known mask is what they are held against.
    const { panels } = this.scene;
    this.shown = [...panels.filter((panel) => panel !== this.truth), ...panels.filter((panel) => panel === this.truth)];
    const each = this.view.layout === "side" ? this.shown.map((panel) => [panel]) : [null];
    this.surfaces = each.map((panels) => this.surface(panels));
    this.stage.dataset.count = this.surfaces.length;
    this.stage.replaceChildren(...this.surfaces.map(({ figure }) => figure));
    this.available = this.room();
    this.repaint();
    if (this.found) this.tabulate();
    const focusable = [...this.root.querySelectorAll("button, canvas, select, input, summary")];
    if (key) focusable.find((node) => keyOf(node) === key)?.focus();
    this.count();
  }

  change(part, rebuild = false) {
    Object.assign(this.view, part);
    if ("layer" in part) this.complete(this.scene);
    if ("hidden" in part || rebuild) this.build();
    else this.draw();
    this.tell();
  }

  toggle(index) {
    const hidden = new Set(this.view.hidden);
    if (!hidden.delete(index)) hidden.add(index);
    this.recolour(hidden);
  }

  solo(index) {
    const others = this.scene.classes.map((_, other) => other).filter((other) => other !== index);
    const alone = others.every((other) => this.view.hidden.has(other)) && !this.view.hidden.has(index);
    this.recolour(new Set(alone ? [] : others));
  }

  recolour(hidden) {
    this.view.hidden = hidden;
    for (const entry of this.root.querySelectorAll("[data-class]")) {
      const shown = String(!hidden.has(Number(entry.dataset.class)));
      entry.setAttribute("aria-pressed", shown);
      entry.parentElement.dataset.shown = shown;
    }
    this.repaint();
    this.tell();
  }

  tell() {
    clearTimeout(this.timer);
    const { hidden, ...view } = this.view;
    const sorted = [...hidden].sort((one, other) => one - other);
    // Colours at once: what is downloaded from the page has those of the screen.
    const wait = this.told === view.colours ? 700 : 0;
    this.told = view.colours;
    this.timer = setTimeout(() => this.report({ ...view, hidden: sorted, camera: this.camera }), wait);
  }

  swap() {
    [this.view.a, this.view.b] = this.pair.toReversed();
    this.repaint();
  }

  blink() {
    this.blinking = !this.blinking;
    this.build();
  }

  arm() {
    this.armed = !this.armed;
    this.root.querySelector("[data-tool]").setAttribute("aria-pressed", String(this.armed));
    this.stage.dataset.armed = String(this.armed);
  }

  setRegion(region) {
    this.view.region = region;
    this.draw();
    this.count();
    this.tell();
  }

  repaint() {
    for (const panel of this.scene.panels) {
      panel.layer = layerOf(panel, this.scene, this.view);
      panel.lines = layerOf(panel, this.scene, { ...this.view, layer: "classes", cell: null });
    }
    this.draw();
  }

  get camera() {
    return this.panzoom.camera;
  }

  get rect() {
    return this.view.region || visible(this.camera, this.scene, this.surfaces[0].canvas);
  }

  stop() {
    clearTimeout(this.timer);
    clearInterval(this.blinker);
    this.ends.abort();
    this.menus.forEach((menu) => menu.shut(false));
    this.observer.disconnect();
  }
}

const parts = [controls, gestures, measuring, painting, pointing, saving, screen, stage];
for (const part of parts) Object.defineProperties(Viewer.prototype, Object.getOwnPropertyDescriptors(part));

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".viewer");
  const { session, scene } = unpack(data);
  let viewer = instances.get(root);
  const fresh = !viewer;
  if (fresh) instances.set(root, (viewer = new Viewer(root)));
  if (fresh || viewer.link !== session.link) viewer.start(session);
  viewer.show(scene.id, scene, session.shares, (view) => setStateValue("view", view));
  return () => {
    viewer.stop();
    instances.delete(root);
  };
}
