// ------------------------------------------------------------------ sources of pictures

/** A picture as the view wants it, from the state of a trait (bytes arrive as a DataView). */
function readPicture(state) {
  if (!state?.data) return null;
  const { buffer, byteOffset, byteLength } = state.data;
  const numbers = () => new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  if (state.kind === "curve") {
    const all = numbers();
    const lines = readLines(state.lines ?? [], all.subarray(state.n_values ?? all.length));
    return { ...state, values: all.subarray(0, state.n_values ?? all.length), lines, data: null };
  }
  if (state.kind === "chart") return { ...state, lines: readLines(state.lines, numbers()), data: null };
  return { ...state, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** Lines of a chart: x and y of each, one after the other. */
function readLines(lines, numbers) {
  let at = 0;
  return lines.map((line) => {
    const x = numbers.subarray(at, at + line.n);
    const y = numbers.subarray(at + line.n, at + 2 * line.n);
    at += 2 * line.n;
    return { ...line, x, y };
  });
}

/** Whether two pictures, curves or charts look the same, whoever made them: cell by cell, number by number. */
export function looksLike(one, other) {
  const others = Object.keys({ ...one, ...other }).filter((key) => !NOT_SEEN.has(key));
  return others.every((key) => isAlike(one[key], other[key]));
}

/** What the canvas of a lane does not show. */
const NOT_SEEN = new Set(["serial", "settings", "engine", "by", "difference", "notes", "frames", "rows", "box", "bin_hz"]);

/** Alike: numbers up to the last digits, lists and objects item by item; an empty list may be left out. */
function isAlike(a, b) {
  if (a === b) return true;
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a));
  if (typeof (a ?? b) !== "object") return false;
  const [x, y] = [a ?? [], b ?? []];
  if (x.length !== y.length) return false;
  if (x.length === undefined) return Object.keys({ ...x, ...y }).every((key) => isAlike(x[key], y[key]));
  if (x instanceof Uint8Array && y instanceof Uint8Array) return areAlike(x, y);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i] && !isAlike(x[i], y[i])) return false;
  return true;
}

/** The cells of two pictures: a simple loop over whole bytes is many times faster than one that asks what they are. */
function areAlike(x, y) {
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

/** The kernel as source: PyTorch computed the picture, and a trait brought it. */
function kernelSource(model, laneId, deliver) {
  const name = `picture_${laneId}`;
  const current = () => readPicture(model.get(name));
  const arrived = () => {
    const picture = current();
    if (picture) deliver(picture);
  };
  model.on(`change:${name}`, arrived);
  return { current, close: () => model.off(`change:${name}`, arrived) };
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.close();
}

export default { render };
