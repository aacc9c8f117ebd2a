// Masks over a picture, side by side, moved and zoomed in step. Opacity, classes and modes never ask the server.

const instances = new WeakMap();
const MODES = { classes: "Classes", disagreement: "Disagreement", errors: "Errors" };
const HINTS = {
  classes: "Each model's classes over the picture.",
  disagreement: "Pink: a student differs from the teacher. On the teacher: the more students differ, the stronger.",
  errors: "Pink: the model differs from the known mask. Unlabelled pixels are left out.",
};

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.view = { mode: "classes", opacity: 60, hidden: new Set() };
    this.camera = { zoom: 1, x: 0.5, y: 0.5 };
    this.pointers = new Map();
    this.scene = null;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(root);
  }

  start(initial) {
    if (initial.mode) this.view.mode = initial.mode;
    if (initial.opacity !== undefined) this.view.opacity = initial.opacity;
    this.view.hidden = new Set(initial.hidden || []);
  }

  async show(data, report) {
    this.report = report;
    if (this.id === data.id) return;
    this.id = data.id;
    const [photo, ...planes] = await Promise.all([loadPhoto(data.photo), ...data.panels.map((p) => inflate(p.plane))]);
    if (this.id !== data.id) return;
    const panels = data.panels.map((panel, index) => ({ ...panel, plane: planes[index] }));
    this.scene = { ...data, photo, panels };
    if (this.view.mode === "errors" && !panels.some((panel) => panel.role === "truth")) this.view.mode = "classes";
    this.build();
    this.repaint();
  }

  build() {
    const panels = this.scene.panels.map((panel) => this.buildPanel(panel));
    const grid = element("div", { class: "panels", "data-count": panels.length }, ...panels);
    this.readout = element("p", { class: "readout", "aria-live": "off" });
    this.root.replaceChildren(this.buildToolbar(), this.buildLegend(), grid, this.readout);
    this.root.dataset.ready = "true";
    this.root.dataset.scene = this.id;
  }

  buildToolbar() {
    const hasTruth = this.scene.panels.some((panel) => panel.role === "truth");
    const modes = Object.entries(MODES).filter(([mode]) => mode !== "errors" || hasTruth);
    const buttons = modes.map(([mode, label]) =>
      element("button", { type: "button", "data-mode": mode, onclick: () => this.change({ mode }) }, label),
    );
    const slider = element("input", {
      type: "range", min: 0, max: 100, step: 1, value: this.view.opacity, "aria-label": "Opacity of the masks",
      oninput: (event) => this.change({ opacity: Number(event.target.value) }),
    });
    this.opacityValue = element("output", {}, `${this.view.opacity} %`);
    const zoom = (label, name, act) => element("button", { type: "button", "aria-label": name, title: name, onclick: act }, label);
    return element("div", { class: "toolbar" },
      element("div", { class: "group", role: "group", "aria-label": "What the masks show" }, ...buttons),
      element("label", { class: "opacity" }, "Opacity", slider, this.opacityValue),
      element("div", { class: "group zoom", role: "group", "aria-label": "Zoom" },
        zoom("−", "Zoom out", () => this.zoomBy(1 / 1.5)),
        zoom("+", "Zoom in", () => this.zoomBy(1.5)),
        zoom("Fit", "Show the whole picture", () => this.fit())),
    );
  }

  buildLegend() {
    const toggles = this.scene.classes.map(({ name, colour }, index) =>
      element("button", {
        type: "button", class: "class", "data-class": index, "aria-pressed": !this.view.hidden.has(index) ? "true" : "false",
        title: `Show or hide ${name}`, onclick: () => this.toggle(index),
      }, element("span", { class: "swatch", style: `background: rgb(${colour.join(",")})` }), name),
    );
    this.hint = element("p", { class: "hint" });
    return element("div", { class: "legend" }, ...toggles, this.hint);
  }

  buildPanel(panel) {
    panel.overlay = element("canvas", { width: this.scene.width, height: this.scene.height });
    panel.canvas = element("canvas", {
      role: "img", tabindex: "0", "aria-label": `${panel.title}: mask over the picture. Arrow keys move, plus and minus zoom.`,
      onpointerdown: (event) => this.grab(event), onpointermove: (event) => this.drag(event, panel),
      onpointerup: (event) => this.release(event), onpointercancel: (event) => this.release(event),
      onpointerleave: () => { this.readout.textContent = ""; },
      ondblclick: (event) => this.zoomBy(2, this.place(event, panel)), onkeydown: (event) => this.press(event),
    });
    panel.canvas.addEventListener("wheel", (event) => this.roll(event, panel), { passive: false });
    return element("figure", { "data-role": panel.role },
      element("figcaption", {}, element("strong", {}, panel.title), element("span", {}, panel.note || "")), panel.canvas);
  }

  change(part) {
    Object.assign(this.view, part);
    if (part.mode) this.repaint();
    else this.draw();
    this.tell();
  }

  toggle(index) {
    if (!this.view.hidden.delete(index)) this.view.hidden.add(index);
    this.repaint();
    this.tell();
  }

  tell() {
    clearTimeout(this.timer);
    const { mode, opacity, hidden } = this.view;
    this.timer = setTimeout(() => this.report({ mode, opacity, hidden: [...hidden].sort() }), 600);
  }

  repaint() {
    for (const panel of this.scene.panels) paintOverlay(panel, this.scene, this.view);
    for (const button of this.root.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === this.view.mode));
    }
    for (const button of this.root.querySelectorAll("[data-class]")) {
      button.setAttribute("aria-pressed", String(!this.view.hidden.has(Number(button.dataset.class))));
    }
    this.hint.textContent = HINTS[this.view.mode];
    this.draw();
  }

  draw() {
    if (!this.scene || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.opacityValue.textContent = `${this.view.opacity} %`;
      for (const panel of this.scene.panels) this.drawPanel(panel);
    });
  }

  drawPanel({ canvas, overlay, role }) {
    const { width, height, photo } = this.scene;
    const shown = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    canvas.width = shown;
    canvas.height = Math.max(1, Math.round((shown * height) / width));
    const scale = (shown / width) * this.camera.zoom;
    const context = canvas.getContext("2d");
    const left = canvas.width / 2 - this.camera.x * width * scale;
    const top = canvas.height / 2 - this.camera.y * height * scale;
    context.setTransform(scale, 0, 0, scale, left, top);
    context.imageSmoothingEnabled = scale < 2;
    const plain = this.view.mode === "classes" || role === "truth";
    context.filter = plain ? "none" : "grayscale(0.9)";
    context.drawImage(photo, 0, 0, width, height);
    context.filter = "none";
    context.globalAlpha = this.view.opacity / 100;
    context.drawImage(overlay, 0, 0);
    canvas.style.touchAction = this.camera.zoom > 1 ? "none" : "pan-y";
  }

  fit() {
    this.camera = { zoom: 1, x: 0.5, y: 0.5 };
    this.draw();
  }

  // `at`: the point that stays where it is, as a fraction of the picture and of the panel.
  zoomBy(factor, at = null) {
    const before = this.camera.zoom;
    this.camera.zoom = Math.min(32, Math.max(1, before * factor));
    if (at) {
      this.camera.x = at.x - (at.px - 0.5) / this.camera.zoom;
      this.camera.y = at.y - (at.py - 0.5) / this.camera.zoom;
    }
    this.clamp();
  }

  moveBy(dx, dy) {
    this.camera.x += dx / this.camera.zoom;
    this.camera.y += dy / this.camera.zoom;
    this.clamp();
  }

  clamp() {
    const margin = 0.5 / this.camera.zoom;
    this.camera.x = Math.min(1 - margin, Math.max(margin, this.camera.x));
    this.camera.y = Math.min(1 - margin, Math.max(margin, this.camera.y));
    this.draw();
  }

  place(event, panel) {
    const box = panel.canvas.getBoundingClientRect();
    const px = (event.clientX - box.left) / box.width;
    const py = (event.clientY - box.top) / box.height;
    return { px, py, x: this.camera.x + (px - 0.5) / this.camera.zoom, y: this.camera.y + (py - 0.5) / this.camera.zoom };
  }

  grab(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  drag(event, panel) {
    const point = this.place(event, panel);
    this.tellPoint(point);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId);
    const now = [event.clientX, event.clientY];
    if (others.length === 1) {
      const [, fixed] = others[0];
      const span = (point2) => Math.hypot(point2[0] - fixed[0], point2[1] - fixed[1]);
      this.zoomBy(span(now) / Math.max(span(before), 1), point);
    } else {
      const box = panel.canvas.getBoundingClientRect();
      this.moveBy((before[0] - now[0]) / box.width, (before[1] - now[1]) / box.height);
    }
    this.pointers.set(event.pointerId, now);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
  }

  roll(event, panel) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 300), this.place(event, panel));
  }

  press(event) {
    const step = 0.1;
    const acts = {
      ArrowLeft: () => this.moveBy(-step, 0), ArrowRight: () => this.moveBy(step, 0),
      ArrowUp: () => this.moveBy(0, -step), ArrowDown: () => this.moveBy(0, step),
      "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: () => this.fit(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  tellPoint({ x, y }) {
    const { width, height, panels, classes } = this.scene;
    const column = Math.floor(x * width);
    const row = Math.floor(y * height);
    if (column < 0 || row < 0 || column >= width || row >= height) return;
    const found = panels.map((panel) => `${panel.title}: ${classes[panel.plane[row * width + column]]?.name ?? "unknown"}`);
    this.readout.textContent = `x ${column}, y ${row} · ${found.join(" · ")}`;
  }

  stop() {
    clearTimeout(this.timer);
    this.observer.disconnect();
  }
}

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = instances.get(root);
  if (!viewer) {
    viewer = new Viewer(root);
    viewer.start(data.initial);
    instances.set(root, viewer);
  }
  viewer.show(data, (view) => setStateValue("view", view));
  return () => {
    viewer.stop();
    instances.delete(root);
  };
}
