// Masks over a picture, moved and zoomed in step. Nothing that is done here asks the server.

import { addLevels, addShares, decode, unpack } from "./blob.mjs";
import { visible } from "../shared/camera.mjs";
import { element } from "../shared/dom.mjs";
import { PanZoom } from "../shared/panzoom.mjs";
import { SHARES, layerOf } from "./layers.mjs";
import { Controls } from "./controls.mjs";
import { Gestures } from "./gestures.mjs";
import { Measuring } from "../numbers/measuring.mjs";
import { Painting } from "./painting.mjs";
import { Pointing } from "./pointing.mjs";
import { Screen } from "./screen.mjs";
import { Stage, USUAL_VIEW } from "./stage.mjs";

const BLINK_MS = 800;
const MOST_KEPT = 4;
const MOST_PIXELS = 6e6;
const instances = new WeakMap();

// Owns what is shown: the picture, the view of it that a link tells, and the parts that draw it and act on it.
class Viewer {
  constructor(root) {
    this.root = root;
    this.view = { ...USUAL_VIEW, hidden: new Set() };
    this.panzoom = new PanZoom({
      picture: () => this.scene, canvas: () => this.stage.made[0].canvas, changed: () => this.panned(),
    });
    this.kept = new Map();
    this.stage = new Stage(this);
    this.controls = new Controls(this);
    this.gestures = new Gestures(this);
    this.pointing = new Pointing(this);
    this.painting = new Painting(this);
    this.measuring = new Measuring(this);
    this.screen = new Screen(this);
    this.blinking = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.observer = new ResizeObserver(() => this.screen.resized());
    this.observer.observe(root);
    this.ends = new AbortController();
    const { signal } = this.ends;
    document.addEventListener("fullscreenchange", () => this.screen.fullChanged(), { signal });
    document.addEventListener("keydown", (event) => this.screen.escaped(event), { signal });
    addEventListener("resize", () => this.screen.resized(), { signal });
    addEventListener("scroll", () => this.pointing.tip.show(null), { signal, capture: true, passive: true });
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
    this.measuring.found = null;
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
    const picture = element("div", { class: "picture" }, this.stage.begin(), this.pointing.begin());
    const body = element("div", { class: "body" }, picture, this.measuring.begin());
    this.screen.label();
    this.root.replaceChildren(this.controls.toolbar(), this.controls.legend(), body, this.pointing.tip);
    this.stage.fill();
    this.screen.measure();
    this.repaint();
    if (this.measuring.found) this.measuring.tabulate();
    const focusable = [...this.root.querySelectorAll("button, canvas, select, input, summary")];
    if (key) focusable.find((node) => keyOf(node) === key)?.focus();
    this.measuring.count();
  }

  change(part, rebuild = false) {
    Object.assign(this.view, part);
    if ("layer" in part) this.complete(this.scene);
    if ("hidden" in part || rebuild) this.build();
    else this.painting.draw();
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

  // After every move of the picture.
  panned() {
    this.painting.moved = performance.now();
    this.painting.draw();
    if (!this.view.region) this.measuring.count();
    this.tell();
  }

  setRegion(region) {
    this.view.region = region;
    this.painting.draw();
    this.measuring.count();
    this.tell();
  }

  repaint() {
    for (const panel of this.scene.panels) {
      panel.layer = layerOf(panel, this.scene, this.view);
      panel.lines = layerOf(panel, this.scene, { ...this.view, layer: "classes", cell: null });
    }
    this.painting.draw();
  }

  get camera() {
    return this.panzoom.camera;
  }

  get rect() {
    return this.view.region || visible(this.camera, this.scene, this.stage.made[0].canvas);
  }

  stop() {
    clearTimeout(this.timer);
    clearInterval(this.blinker);
    this.ends.abort();
    this.controls.menus.forEach((menu) => menu.shut(false));
    this.observer.disconnect();
  }
}

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
