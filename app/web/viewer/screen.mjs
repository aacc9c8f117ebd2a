// The whole screen, and what Escape ends first.
// It owns the room that the pictures have.

import { filling } from "../shared/placing.mjs";
import { Part } from "./part.mjs";

const [GAP, CAPTION] = [8, 26];
// Outside of the whole screen: between pictures, above each, below all of them; how wide each is at least.
const [APART, TITLES, BELOW, LEAST] = [12, 48, 36, 280];

export class Screen extends Part {
  constructor(viewer) {
    super(viewer);
    this.available = 0;
  }

  get full() {
    return this.root.matches(":fullscreen, :popover-open");
  }

  async fullscreen() {
    if (this.full) return this.leaveFull();
    const { width, height } = this.surfaces[0].canvas.getBoundingClientRect();
    this.before = Math.min(width, (height * this.scene.width) / this.scene.height);
    const by = this.root.getRootNode().activeElement;
    this.openedBy = by?.matches(".frame > canvas") ? ".frame > canvas" : "[data-full-screen]";
    try {
      await this.root.requestFullscreen();
      // Otherwise the browser takes Escape for itself, and a menu that is open could not be closed alone.
      navigator.keyboard?.lock?.(["Escape"]).catch(() => {});
    } catch {
      // Phones and frames that may not fill the screen: the whole window then.
      this.root.popover = "manual";
      this.root.showPopover();
      this.viewer.build();
    }
  }

  leaveFull() {
    if (document.fullscreenElement) return document.exitFullscreen();
    this.root.hidePopover();
    this.root.removeAttribute("popover");
    return this.fullChanged();
  }

  // After the browser changed it, whoever asked.
  fullChanged() {
    if (!this.scene) return;
    if (!this.full) navigator.keyboard?.unlock?.();
    this.viewer.build();
    if (!this.full) this.root.querySelector(this.openedBy || "[data-full-screen]").focus();
  }

  // One thing at a time, the innermost first; says whether there was any.
  escape() {
    if (this.viewer.controls.menus.some((menu) => menu.shut())) return true;
    if (this.viewer.gestures.corner) {
      this.viewer.gestures.corner = null;
      this.viewer.setRegion(null);
    }
    if (this.viewer.gestures.armed) this.viewer.gestures.arm();
    else if (this.viewer.pointing.pointed) this.viewer.pointing.point(null);
    else if (this.view.cell) this.viewer.change({ cell: null }, true);
    else if (this.view.region) this.viewer.setRegion(null);
    else if (this.full) this.leaveFull();
    else return false;
    return true;
  }

  escaped(event) {
    const focused = this.root.getRootNode().activeElement;
    const { menus } = this.viewer.controls;
    const ours = this.full || (focused && this.root.contains(focused)) || menus.some((menu) => menu.isOpen());
    if (event.key !== "Escape" || event.defaultPrevented || !this.scene || !ours) return;
    this.viewer.pointing.tip.show(null);
    if (this.escape()) event.preventDefault();
  }

  measure() {
    this.available = this.room();
  }

  resized() {
    if (this.scene) this.measure();
    this.viewer.painting.draw();
  }

  // What the style sheet goes by.
  label() {
    const [full, unfolded] = [this.full, this.viewer.controls.unfolded].map(String);
    Object.assign(this.root.dataset, { full, unfolded, layer: this.view.layer });
  }

  // Height from the upper edge of the pictures to the lower edge of the window, as long as nothing is scrolled.
  room() {
    const overflows = (node) => node.scrollHeight > node.clientHeight;
    const scrolls = (node) => overflows(node) && /auto|scroll/.test(getComputedStyle(node).overflowY);
    let around = this.root;
    while (around && !scrolls(around)) around = around.parentElement || around.getRootNode().host;
    const above = this.viewer.stage.node.getBoundingClientRect().top + (around ? around.scrollTop : scrollY);
    // Something of the page's own may stand at the lower edge of the window (app/components/tour.py).
    const kept = getComputedStyle(document.documentElement).getPropertyValue("--kept-below");
    const below = BELOW + (parseFloat(kept) || 0) * (kept.endsWith("rem") ? 16 : 1);
    return Math.max(innerHeight - above - below, Math.min(320, 0.75 * innerHeight));
  }

  // The pictures share all the room there is; as many at once as can be seen well, the rest a scroll away.
  sizeOf(surface) {
    const shape = this.scene.height / this.scene.width;
    const { clientWidth: wide, clientHeight: high } = this.viewer.stage.node;
    const box = this.full ? { width: wide, height: high } : { width: wide, height: this.available };
    const least = Math.min(LEAST, (wide - APART) / 2, (this.available - TITLES) / Math.max(shape, 0.01));
    const room = this.full
      ? { gap: GAP, caption: CAPTION, least: this.before } : { gap: APART, caption: TITLES, least };
    const { columns, width, height } = filling(this.surfaces.length, box, shape, room);
    this.viewer.stage.node.style.setProperty("--columns", columns);
    const own = this.full ? null : Math.min(width, height / shape);
    // Panes of the picture's own shape, as long as they do not fill the screen.
    this.viewer.stage.node.style.setProperty("--pane", own ? `${own}px` : "1fr");
    return { width: surface.canvas.clientWidth, height: own ? own * shape : height };
  }
}
