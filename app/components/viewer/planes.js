// Planes are class indices, one byte a pixel, deflated and in base64. Everything here is pure but for the canvases it fills.

const UNLIKE = [236, 32, 96];

async function inflate(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadPhoto(url) {
  const photo = new Image();
  photo.src = url;
  await photo.decode();
  return photo;
}

// A 256-entry table of packed RGBA for class indices; hidden classes stay transparent.
function classTable(classes, hidden) {
  const table = new Uint32Array(256);
  classes.forEach(({ colour: [r, g, b] }, index) => {
    if (!hidden.has(index)) table[index] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
  return table;
}

function fillClasses(pixels, plane, table) {
  for (let i = 0; i < plane.length; i++) pixels[i] = table[plane[i]];
}

// Where `plane` differs from `reference`, for the reference's visible classes; `ignore` is never counted as wrong.
function fillUnlike(pixels, plane, reference, hidden, ignore) {
  const [r, g, b] = UNLIKE;
  const colour = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  for (let i = 0; i < plane.length; i++) {
    const wanted = reference[i];
    pixels[i] = plane[i] !== wanted && wanted !== ignore && !hidden.has(wanted) ? colour : 0;
  }
}

// How many students differ from the teacher: the more, the more opaque.
function fillVotes(pixels, students, reference, hidden) {
  const [r, g, b] = UNLIKE;
  const rgb = (b << 16) | (g << 8) | r;
  for (let i = 0; i < reference.length; i++) {
    let votes = 0;
    for (const plane of students) if (plane[i] !== reference[i]) votes++;
    const alpha = hidden.has(reference[i]) ? 0 : Math.round((255 * votes) / Math.max(students.length, 1));
    pixels[i] = ((alpha << 24) | rgb) >>> 0;
  }
}

// Paint one panel's overlay for a mode: "classes", "disagreement" (with the teacher) or "errors" (against the truth).
function paintOverlay(panel, scene, view) {
  const context = panel.overlay.getContext("2d");
  const data = context.createImageData(scene.width, scene.height);
  const pixels = new Uint32Array(data.data.buffer);
  const teacher = scene.panels.find((other) => other.role === "teacher");
  const truth = scene.panels.find((other) => other.role === "truth");
  if (view.mode === "disagreement" && teacher && panel.role === "student") {
    fillUnlike(pixels, panel.plane, teacher.plane, view.hidden, -1);
  } else if (view.mode === "disagreement" && panel.role === "teacher") {
    const students = scene.panels.filter((other) => other.role === "student").map((other) => other.plane);
    fillVotes(pixels, students, panel.plane, view.hidden);
  } else if (view.mode === "errors" && truth && panel.role !== "truth") {
    fillUnlike(pixels, panel.plane, truth.plane, view.hidden, scene.ignore);
  } else {
    fillClasses(pixels, panel.plane, classTable(scene.classes, view.hidden));
  }
  context.putImageData(data, 0, 0);
}
