// The pictures and what lies on them: pickers, divider, minimap, cross. It owns these nodes.

import { LAYERS, KEYS } from "./controls.mjs";
import { button, choice, element } from "../shared/dom.mjs";
import { Part } from "./part.mjs";

// What is shown where a link says nothing else.
export const USUAL_VIEW = {
  layout: "side", layer: "classes", opacity: 60, colours: "safe", a: null, b: null, split: 0.5,
  region: null, cell: null, pair: null, measure: null,
};

export class Stage extends Part {
  constructor(viewer) {
    super(viewer);
    this.shown = [];
    this.made = [];
  }

  // A new place for the pictures.
  begin() {
    this.node = element("div", { class: "stage" });
    return this.node;
  }

  // A picture for each panel, or one for the pair. The models first: the known mask is what they are held against.
  fill() {
    const { panels } = this.scene;
    const known = (panel) => panel === this.viewer.truth;
    this.shown = [...panels.filter((panel) => !known(panel)), ...panels.filter(known)];
    const each = this.view.layout === "side" ? this.shown.map((panel) => [panel]) : [null];
    this.made = each.map((panels) => this.surface(panels));
    this.node.dataset.count = this.made.length;
    this.node.replaceChildren(...this.made.map(({ figure }) => figure));
  }

  surface(panels) {
    const { gestures, pointing } = this.viewer;
    const titles = panels ? panels[0].title : this.pair.map((index) => this.scene.panels[index].title).join(" and ");
    const canvas = element("canvas", {
      tabindex: 0, role: "img", "aria-label": `${titles}: ${LAYERS[this.view.layer][0]}. ${KEYS}`,
      onkeydown: (event) => gestures.press(event), onpointerup: (event) => gestures.release(event),
      onpointercancel: (event) => gestures.release(event),
      onpointerleave: (event) => event.pointerType !== "touch" && !pointing.pointed && pointing.point(null),
      ondblclick: (event) => this.panzoom.zoom(2, this.panzoom.at(event)),
      onpointerdown: (event) => gestures.grab(event), onpointermove: (event) => gestures.drag(event),
    });
    canvas.addEventListener("wheel", (event) => this.panzoom.roll(event), { passive: false });
    const cross = element("i", { class: "cross", hidden: true });
    const frame = element("div", { class: "frame" }, canvas, cross);
    const caption = panels
      ? [element("strong", {}, panels[0].title), element("span", {}, panels[0].note || "")] : this.pickers();
    const figure = element("figure", { "data-role": panels ? panels[0].role : "pair" },
      element("figcaption", {}, ...caption), frame);
    const made = { canvas, cross, frame, figure, panels, scratch: new OffscreenCanvas(1, 1) };
    if (!panels && this.view.layout === "swipe") frame.append((made.handle = this.divider(canvas)));
    if (!panels || panels[0] === this.shown[0]) {
      this.bar = element("span", { class: "bar", hidden: true });
      frame.append(this.minimap(), this.bar);
    }
    return made;
  }

  pickers() {
    const options = this.scene.panels.map((panel, index) => [index, panel.title]);
    const pick = (place, label) => choice(label, options, this.pair[place], (value) => {
      const [a, b] = this.pair.with(place, Number(value));
      this.viewer.change({ a, b }, true);
    });
    const names = { swipe: ["Left", "Right"], blink: ["First", "Second"], overlay: ["Filled", "Lines"] };
    const named = names[this.view.layout];
    const stop = () => button(this.viewer.blinking ? "Pause" : "Go on", () => this.viewer.blink(), { class: "plain" });
    return [element("div", { class: "pair" }, element("label", {}, named[0], " ", pick(0, named[0])),
      element("label", {}, named[1], " ", pick(1, named[1])), this.view.layout === "blink" ? stop() : null)];
  }

  divider(canvas) {
    const slide = (event) => {
      const box = canvas.getBoundingClientRect();
      this.viewer.change({ split: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
    };
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 };
    return element("div", {
      class: "divider", role: "slider", tabindex: 0,
      "aria-label": "Where the two meet", "aria-valuemin": 0, "aria-valuemax": 100,
      onpointerdown: (event) => event.currentTarget.setPointerCapture(event.pointerId),
      onpointermove: (event) => event.currentTarget.hasPointerCapture(event.pointerId) && slide(event),
      onkeydown: (event) => {
        if (!(event.key in step)) return;
        event.preventDefault();
        this.viewer.change({ split: Math.min(1, Math.max(0, this.view.split + step[event.key])) });
      },
    }, element("b", { "aria-hidden": "true" }));
  }

  minimap() {
    const photo = this.scene.photo.at(-1);
    const label = "Where in the picture this is; click to go there";
    const canvas = element("canvas", { class: "map", role: "img", "aria-label": label, hidden: true });
    const width = Math.min(photo.width, 320);
    Object.assign(canvas, { width, height: Math.max(1, Math.round((width * photo.height) / photo.width)) });
    canvas.getContext("2d").drawImage(photo, 0, 0, canvas.width, canvas.height);
    this.panzoom.steer(canvas);
    this.mapFrame = element("i", { hidden: true });
    this.map = element("div", { class: "map" }, canvas, this.mapFrame);
    return this.map;
  }
}
