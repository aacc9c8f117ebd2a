// One entry in the browser's history for each thing that a person did: Back then goes back by one such thing.
//
// Streamlit adds an entry for every part of a link that a page sets, also for what it sets by itself once it is opened,
// and Back would seem to do nothing. Without a touch or a key in between, the last entry is replaced instead.

let acted = false;

export default function () {
  if (Object.hasOwn(history, "pushState")) return;
  const add = history.pushState.bind(history);
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => { acted = true; }, { capture: true, passive: true });
  }
  history.pushState = (...entry) => {
    if (acted) add(...entry);
    else history.replaceState(...entry);
    acted = false;
  };
}
