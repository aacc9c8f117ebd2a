// The numbers of what is drawn or in view, counted while nothing moves. It owns what was counted.

import { button, element } from "../shared/dom.mjs";
import { measure } from "./report.mjs";
import { numbersOf } from "./tables.mjs";
import { Part } from "../viewer/part.mjs";

export class Measuring extends Part {
  constructor(viewer) {
    super(viewer);
    this.found = null;
    this.turn = 0;
  }

  // A new place for the numbers.
  begin() {
    this.node = element("section", { class: "numbers", "aria-label": "Numbers" });
    return this.node;
  }

  where() {
    const { width, height, step } = this.scene;
    const part = this.viewer.rect;
    const size = `${part.width * step} × ${part.height * step} pixels`;
    if (this.view.region) return `Region of ${size} at x ${part.x * step}, y ${part.y * step}`;
    return part.width === width && part.height === height ? `Whole picture, ${size}` : `Visible part, ${size}`;
  }

  // While the picture moves, counting waits.
  busy() {
    return performance.now() - this.viewer.painting.moved < 250;
  }

  count() {
    clearTimeout(this.counter);
    this.counter = setTimeout(async () => {
      const turn = (this.turn += 1);
      await this.viewer.complete(this.scene);
      const found = await measure(this.scene, this.viewer.rect, () => turn !== this.turn || this.busy());
      if (!found && turn === this.turn) this.count();
      if (!found) return;
      this.found = found;
      this.tabulate();
    }, 300);
  }

  tabulate() {
    const act = (part) => {
      Object.assign(this.view, part);
      if ("cell" in part) this.viewer.change({}, true);
      else this.tabulate();
      this.viewer.tell();
    };
    const whole = this.view.region ? button("Whole", () => this.viewer.setRegion(null), { class: "plain" }) : null;
    const where = element("p", { class: "where" }, this.where(), whole);
    this.node.replaceChildren(where, ...numbersOf(this.found, this.scene, this.view, act));
    this.node.dataset.where = this.where();
  }
}
