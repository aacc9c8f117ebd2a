// The page In your browser without the app: the model that the visitor kept, and no server.

import { element } from "../shared/dom.mjs";
import { open } from "../in_browser/in_browser.mjs";
import { keptData } from "./keeping.mjs";

export async function start() {
  const root = document.querySelector(".in-browser");
  const data = await keptData();
  if (!data) {
    root.replaceChildren(element("p", {},
      "No model is kept in this browser yet: open In your browser in the app, and press Keep for offline use."));
    return;
  }
  open(root, data);
}

if (globalThis.document) start();
