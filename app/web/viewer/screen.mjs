// The whole screen, and what Escape ends first. A part of Viewer.

import { filling } from "../shared/placing.mjs";

const [GAP, CAPTION] = [8, 26];

export const screen = {
  get full() {
    return this.root.matches(":fullscreen, :popover-open");
  },

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
      this.build();
    }
  },

  leaveFull() {
    if (document.fullscreenElement) return document.exitFullscreen();
    this.root.hidePopover();
    this.root.removeAttribute("popover");
    return this.fullChanged();
  },

  // After the browser changed it, whoever asked.
  fullChanged() {
    if (!this.scene) return;
    if (!this.full) navigator.keyboard?.unlock?.();
    this.build();
    if (!this.full) this.root.querySelector(this.openedBy || "[data-full-screen]").focus();
  },

  // One thing at a time, the innermost first; says whether there was any.
  escape() {
    if (this.menus.some((menu) => menu.shut())) return true;
    if (this.corner) {
      this.corner = null;
      this.setRegion(null);
    }
    if (this.armed) this.arm();
    else if (this.pointed) this.point(null);
    else if (this.view.cell) this.change({ cell: null }, true);
    else if (this.view.region) this.setRegion(null);
    else if (this.full) this.leaveFull();
    else return false;
    return true;
  },

  escaped(event) {
    const focused = this.root.getRootNode().activeElement;
    const ours = this.full || (focused && this.root.contains(focused)) || this.menus.some((menu) => menu.isOpen());
    if (event.key !== "Escape" || event.defaultPrevented || !this.scene || !ours) return;
    this.tip.show(null);
    if (this.escape()) event.preventDefault();
  },

  // In the whole screen the pictures share all the room there is; elsewhere they are as wide as their columns.
  sizeOf(surface) {
    const shape = this.scene.height / this.scene.width;
    const width = surface.canvas.clientWidth;
    if (!this.full) return { width, height: Math.min(width * shape, surface.panels ? Infinity : 0.74 * innerHeight) };
    const box = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    const room = { gap: GAP, caption: CAPTION, least: this.before };
    const { columns, height } = filling(this.surfaces.length, box, shape, room);
    this.stage.style.setProperty("--columns", columns);
    return { width: surface.canvas.clientWidth, height };
  },
};
