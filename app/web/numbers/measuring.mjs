// The numbers of what is drawn or in view, counted while nothing moves. A part of Viewer.

import { button, element } from "../shared/dom.mjs";
import { measure } from "./report.mjs";
import { numbersOf } from "./tables.mjs";

export const measuring = {
  where() {
    const { width, height, step } = this.scene;
    const part = this.rect;
    const size = `${part.width * step} × ${part.height * step} pixels`;
    if (this.view.region) return `Region of ${size} at x ${part.x * step}, y ${part.y * step}`;
    return part.width === width && part.height === height ? `Whole picture, ${size}` : `Visible part, ${size}`;
  },

  // While the picture moves, counting waits.
  busy() {
    return performance.now() - (this.moving || 0) < 250;
  },

  count() {
    clearTimeout(this.counter);
    this.counter = setTimeout(async () => {
      const turn = (this.turn = (this.turn || 0) + 1);
      await this.complete(this.scene);
      const found = await measure(this.scene, this.rect, () => turn !== this.turn || this.busy());
      if (!found && turn === this.turn) this.count();
      if (!found) return;
      this.found = found;
      this.tabulate();
    }, 300);
  },

  tabulate() {
    const act = (part) => {
      Object.assign(this.view, part);
      if ("cell" in part) this.change({}, true);
      else this.tabulate();
      this.tell();
    };
    const whole = this.view.region ? button("Whole", () => this.setRegion(null), { class: "plain" }) : null;
    const where = element("p", { class: "where" }, this.where(), whole);
    this.numbers.replaceChildren(where, ...numbersOf(this.found, this.scene, this.view, act));
    this.numbers.dataset.where = this.where();
  },
};
