// Everything around the pictures that is pressed: layout, layers, opacity, classes, what is saved.
// It owns the bar and its menus.

import { ramp } from "../shared/colours.mjs";
import { button, element, group, save } from "../shared/dom.mjs";
import { menu } from "../shared/panels.mjs";
import { SHARES, hasShare } from "./layers.mjs";
import { asCsv } from "../numbers/report.mjs";
import { copyLink, saveAll, saveLayer } from "./saving.mjs";
import { Part } from "./part.mjs";

export const LAYOUTS = { side: "Side by side", swipe: "Swipe", blink: "Blink", overlay: "Overlay" };
export const LAYERS = {
  classes: ["Classes", "Each model's classes over the picture."],
  disagreement: ["Disagreement", "Pink: a student differs from the teacher. On the teacher: the more, the stronger."],
  confidence: ["Confidence", "How sure each model is of its class."],
  entropy: ["Entropy", "How undecided each model is between all classes."],
  members: ["Members", "How much the members of a committee disagree; other models show their classes."],
  errors: ["Errors", "Pink: the model differs from the known mask. Unlabelled pixels are left out."],
};
export const KEYS = "Arrows move the picture, with Shift a mark whose values are told. + and − zoom, 0 shows all. " +
  "1 to 9 switch classes, [ and ] the opacity. R measures what is in view. Space swaps or stops the blinking. " +
  "F fills the screen. Escape ends one thing after the other. Shift and drag draws a region.";

export class Controls extends Part {
  constructor(viewer) {
    super(viewer);
    this.menus = [];
    this.unfolded = false;
  }

  toolbar() {
    const { gestures, screen } = this.viewer;
    const pressed = (name, value, label) =>
      button(label, () => this.viewer.change({ [name]: value, cell: null }, true),
        { [`data-${name}`]: value, "aria-pressed": String(this.view[name] === value) });
    const layouts = Object.entries(LAYOUTS).filter(([name]) => name === "side" || this.scene.panels.length > 1);
    const students = this.scene.panels.some(({ role }) => role === "student");
    const members = hasShare(this.scene, "members");
    const possible = { errors: Boolean(this.viewer.truth), disagreement: students, members };
    const layers = Object.entries(LAYERS).filter(([name]) => possible[name] ?? true);
    this.slider = element("input", {
      type: "range", min: 0, max: 100, value: this.view.opacity, "aria-label": "Opacity of the masks",
      oninput: (event) => this.viewer.change({ opacity: Number(event.target.value) }),
    });
    this.percent = element("output", {}, `${this.view.opacity} %`);
    const icon = (label, name, act) => button(label, act, { "aria-label": name, title: name });
    const whole = group("Screen",
      button("Full screen", () => screen.fullscreen(),
        { "data-full-screen": true, "aria-pressed": String(screen.full) }),
      screen.full ? this.numbersButton() : null);
    const tools = group("Measuring", button("Region", () => gestures.arm(), {
      "data-tool": "region", "aria-pressed": String(gestures.armed), title: "Draw a rectangle to measure",
    }));
    // Where the bar would take two lines, what is not needed at first waits behind one button.
    const more = button("Tools", () => this.unfold(), {
      class: "opener fold", "aria-expanded": String(this.unfolded),
    });
    const named = (name, node) => (node.classList.add(name), node);
    this.menus = [this.downloads(), menu("Keys", element("p", {}, KEYS))];
    // In the whole screen the bar is one line that scrolls: the way out stands where it is always seen.
    return element("div", { class: "toolbar" }, screen.full ? whole : null,
      group("Layout", ...layouts.map(([name, label]) => pressed("layout", name, label))),
      named("layers", group("What the masks show", ...layers.map(([name, [label]]) => pressed("layer", name, label)))),
      ...(screen.full ? [] : [named("whole", whole), more]),
      ...[
        element("label", { class: "opacity" }, "Opacity", this.slider, this.percent),
        group("Zoom", icon("−", "Zoom out", () => this.panzoom.farther()),
          icon("Fit", "Show the whole picture", () => this.panzoom.fit()),
          icon("+", "Zoom in", () => this.panzoom.closer())),
        tools, ...this.menus,
      ].map((node) => named("later", node)));
  }

  unfold() {
    this.unfolded = !this.unfolded;
    this.viewer.build();
  }

  // In the whole screen the pictures have it to themselves, unless somebody wants the numbers beside them.
  numbersButton() {
    const shown = this.root.dataset.numbers === "true";
    return button("Numbers", () => {
      this.root.dataset.numbers = String(!shown);
      this.viewer.build();
    }, { "aria-pressed": String(shown) });
  }

  downloads() {
    const layers = this.scene.panels.map((panel) =>
      button(`${panel.title}: this layer, PNG`, () => saveLayer(this.viewer, panel)));
    const { measuring } = this.viewer;
    const csv = () => new Blob([asCsv(measuring.found, this.scene.classes, measuring.where())], { type: "text/csv" });
    return menu("Save", element("div", {}, ...layers,
      button("Numbers, CSV", () => measuring.found && save("numbers.csv", csv())),
      button("What is shown, PNG", () => saveAll(this.viewer)),
      button("Copy the link to this view", (event) => copyLink(event.currentTarget))));
  }

  legend() {
    const shown = (index) => String(!this.view.hidden.has(index));
    const named = (name, colour) => element("span", { class: "name" },
      element("i", { class: "swatch", style: `background: rgb(${colour})` }), name);
    const entry = ({ name, ...of }, index) => element("span", { class: "class", "data-shown": shown(index) },
      button(named(name, of[this.view.colours]), () => this.viewer.toggle(index),
        { "data-class": index, "aria-label": name, "aria-pressed": shown(index) }),
      button("only", () => this.viewer.solo(index), { class: "only", "aria-label": `Show only ${name}` }));
    const shares = SHARES.includes(this.view.layer) && !this.view.cell;
    const stops = [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => `rgb(${ramp(share)})`);
    const gradient = `background: linear-gradient(90deg, ${stops})`;
    const scale = element("span", { class: "ramp" }, "0 %", element("i", { style: gradient }), "100 %");
    const own = this.view.colours === "colour";
    return element("div", { class: "legend", role: "group", "aria-label": "Classes" }, ...this.scene.classes.map(entry),
      button("Dataset's colours", () => this.viewer.change({ colours: own ? "safe" : "colour" }, true),
        { class: "class colours", "aria-pressed": String(own) }),
      shares ? scale : null, element("p", { class: "hint" }, this.hint()));
  }

  hint() {
    const { cell } = this.view;
    const none = this.view.layer === "members" && !hasShare(this.scene, "members");
    const layer = none ? "classes" : this.view.layer;
    const waits = !cell && SHARES.includes(layer) && !this.scene.panels.some((panel) => panel[layer]);
    if (waits) return this.scene.complete ? "Still on its way." : "It could not be loaded: press the layer once more.";
    if (!cell) return LAYERS[layer][1];
    const [wanted, found] = [cell.wanted, cell.found].map((index) => this.scene.classes[index].name);
    const where = cell.against === "truth" ? "known mask" : "teacher";
    return `Pink: ${wanted} in the ${where}, ${found} in the model. Escape ends this.`;
  }
}
