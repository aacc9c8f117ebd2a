// What every part of the viewer reads. A part owns what it sets on itself, and asks its owner for the rest.

export class Part {
  constructor(viewer) {
    this.viewer = viewer;
  }

  get root() {
    return this.viewer.root;
  }

  get scene() {
    return this.viewer.scene;
  }

  get view() {
    return this.viewer.view;
  }

  get panzoom() {
    return this.viewer.panzoom;
  }

  get camera() {
    return this.viewer.panzoom.camera;
  }

  get pair() {
    return this.viewer.pair;
  }

  get surfaces() {
    return this.viewer.stage.made;
  }
}
