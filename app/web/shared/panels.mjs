// Panels above the page: menus that open at a button, and values that stand at a point. In the browser's top layer, so
// that nothing around them cuts them off.

import { button, element } from "./dom.mjs";
import { besideAnchor, besidePoint } from "./placing.mjs";

const EDGE = 6;
const area = () => ({
  left: EDGE, top: EDGE,
  right: document.documentElement.clientWidth - EDGE, bottom: window.innerHeight - EDGE,
});

// A button and the panel that it opens. The element has `shut()`, which says whether it was open, and `isOpen()`.
export function menu(label, content) {
  const panel = element("div", { class: "panel", popover: "manual", role: "group", "aria-label": label }, content);
  const opener = button(label, () => (panel.matches(":popover-open") ? shut() : open()), {
    class: "opener", "aria-expanded": "false", "aria-haspopup": "true",
  });
  const made = element("span", { class: "menu" }, opener, panel);
  const place = () => {
    if (!made.isConnected) return leave();
    panel.style.maxHeight = "none";
    const { width, height } = panel.getBoundingClientRect();
    const at = besideAnchor(opener.getBoundingClientRect(), { width, height }, area());
    Object.assign(panel.style, { left: `${at.left}px`, top: `${at.top}px`, maxHeight: `${at.height}px` });
  };
  const outside = (event) => !event.composedPath().includes(made) && shut(false);
  const leave = () => {
    document.removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", place, true);
    removeEventListener("resize", place);
  };
  const open = () => {
    panel.showPopover();
    opener.setAttribute("aria-expanded", "true");
    place();
    document.addEventListener("pointerdown", outside, true);
    addEventListener("scroll", place, { capture: true, passive: true });
    addEventListener("resize", place);
  };
  // Whoever closes it by the keyboard goes on where it was opened.
  const shut = (back = true) => {
    if (!panel.matches(":popover-open")) return false;
    panel.hidePopover();
    opener.setAttribute("aria-expanded", "false");
    leave();
    if (back) opener.focus();
    return true;
  };
  return Object.assign(made, { shut, isOpen: () => panel.matches(":popover-open") });
}

// Values beside a point of the window, `point` null to hide them.
export function tip() {
  const panel = element("div", { class: "tip", popover: "manual", "aria-hidden": "true" });
  const show = (point, ...content) => {
    if (!point || !panel.isConnected) {
      if (panel.matches(":popover-open")) panel.hidePopover();
      return;
    }
    panel.replaceChildren(...content);
    if (!panel.matches(":popover-open")) panel.showPopover();
    const { width, height } = panel.getBoundingClientRect();
    const { left, top } = besidePoint(point, { width, height }, area());
    Object.assign(panel.style, { left: `${left}px`, top: `${top}px` });
  };
  return Object.assign(panel, { show });
}
