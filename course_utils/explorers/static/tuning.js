// @ts-check
/**
 * An accuracy map, and accuracy against cost beside it. The setting under the hand is told to
 * Python as `pointed` or `chosen`, and the SoundView beneath shows a word with it.
 *
 * Python fills `table` and `chart`. Nothing is computed here but places on the screen.
 *
 * @typedef {{id: number, kind: "measured"|"useless"|"missing", is_course: boolean, told: string,
 *   mean?: string, spread?: string, share?: number}} Cell
 * @typedef {{title: string, columns: string, rows: string, column_heads: string[], row_heads: string[],
 *   cells: Cell[][], low: string, high: string}} Table
 * @typedef {{id: number, x: number, y: number, spread: number, is_front: boolean, is_course: boolean,
 *   in_map: boolean, told: string}} Point
 */

const NOBODY = -1;
const SVG = "http://www.w3.org/2000/svg";
const REACH = 24; // px: a point farther away from the pointer is not meant

/**
 * Where an arrow key leads in a table.
 * @param {string} key @param {number} row @param {number} column @param {number} rows @param {number} columns
 */
export function move(key, row, column, rows, columns) {
  const clamp = (/** @type {number} */ i, /** @type {number} */ n) => Math.min(n - 1, Math.max(0, i));
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key in steps) return [clamp(row + steps[key][0], rows), clamp(column + steps[key][1], columns)];
  if (key === "Home") return [row, 0];
  if (key === "End") return [row, columns - 1];
  return null;
}

/** Where an arrow key leads in a list; `at` may be -1 for nowhere. */
export function step(key, at, n) {
  const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[key];
  if (key === "Home") return 0;
  if (key === "End") return n - 1;
  if (!by) return null;
  return Math.min(n - 1, Math.max(0, at + by));
}

/** Round numbers from `low` to `high` for a logarithmic axis. */
export function logTicks(low, high) {
  const steps = high > 6 * low ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let power = -4; power < 7; power++) {
    for (const one of steps) {
      const tick = Number((one * 10 ** power).toPrecision(6));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

/** Round numbers between two ends, about `count` of them. */
export function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.7) ?? power;
  const ticks = [];
  for (let i = Math.ceil(low / unit); i * unit <= high + 1e-9; i++) ticks.push(Number((i * unit).toPrecision(6)));
  return ticks;
}

/** @param {Point[]} points */
export function extent(points) {
  const xs = points.map((p) => p.x);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const low = Math.min(...points.map((p) => p.y - p.spread));
  const high = Math.max(...points.map((p) => p.y + p.spread));
  const room = Math.max(0.5, 0.06 * (high - low));
  const wide = left < right ? (right / left) ** 0.06 : 1.3;
  return { left: left / wide, right: right * wide, low: low - room, high: Math.min(100.5, high + room) };
}

/**
 * The point nearest to a place, within reach; -1 for none. Equal ones: the later drawn.
 * @param {{px: number, py: number}[]} points @param {number} px @param {number} py
 */
export function nearest(points, px, py, reach = REACH) {
  let best = -1;
  let closest = reach;
  points.forEach((point, i) => {
    const far = Math.hypot(point.px - px, point.py - py);
    if (far <= closest) [best, closest] = [i, far];
  });
  return best;
}

/** @param {string} tag @param {string} [className] @param {Object<string, string>} [attributes] @param {string} [text] */
function make(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

/** @param {string} tag @param {Object<string, string | number>} attributes @param {string} [text] */
function draw(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text) node.textContent = text;
  return node;
}

class TuningMap {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.aborter = new AbortController();
    /** @type {Map<number, HTMLElement>} */
    this.cells = new Map();
    this.drawn = 0;
    this.#build(el);
    this.#listen();
    this.#theme();
    this.#large();
    this.#fillTable();
    this.#drawChart();
  }

  #build(el) {
    this.root = make("div", "tuning-map", { role: "group", "aria-label": "Accuracy of the settings" });
    this.title = make("span", "tm-title");
    this.large = make("button", "tm-button", { type: "button", title: "Large type for a projector", "aria-label": "Large type for a projector" }, "A\u2191");
    this.large.dataset.lmSuppressShortcuts = "true";
    const head = make("div", "tm-head");
    head.append(this.title, this.large);
    this.table = make("table", "tm-grid", { role: "grid" });
    const left = make("div", "tm-left");
    this.legend = make("div", "tm-legend");
    left.append(this.table);
    this.svg = draw("svg", { class: "tm-chart", tabindex: 0, role: "slider", "data-lm-suppress-shortcuts": "true", "aria-label": "Settings by their cost" });
    this.chartLegend = make("div", "tm-legend");
    this.right = make("div", "tm-right");
    this.right.append(this.svg, this.chartLegend);
    left.append(this.legend);
    const both = make("div", "tm-both");
    both.append(left, this.right);
    this.reading = make("div", "tm-reading", { role: "status" });
    this.root.append(head, both, this.reading);
    el.replaceChildren(this.root);
    /** @type {any} */ (this.root).tuningMap = this;
  }

  #listen() {
    const { model, table, svg } = this;
    const { signal } = this.aborter;
    model.on("change:table", () => this.#fillTable());
    model.on("change:chart", () => this.#drawChart());
    for (const name of ["chosen", "pointed"]) model.on(`change:${name}`, () => this.#mark());
    model.on("change:large_type", () => this.#large());
    table.addEventListener("click", (event) => this.#chooseCell(event.target.closest(".tm-cell")));
    table.addEventListener("keydown", (event) => this.#key(event));
    table.addEventListener("pointermove", (event) => this.#pointAt(event, event.target.closest(".tm-cell")?.dataset.id));
    table.addEventListener("pointerleave", () => this.#point(NOBODY));
    svg.addEventListener("click", (event) => this.#choosePoint(event));
    svg.addEventListener("pointermove", (event) => this.#pointAt(event, this.#pointUnder(event)));
    svg.addEventListener("pointerleave", () => this.#point(NOBODY));
    svg.addEventListener("keydown", (event) => this.#chartKey(event));
    this.large.addEventListener("click", () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.#large();
    });
    this.observers = [new ResizeObserver(() => this.#resized())];
    this.observers[0].observe(this.right);
    const themes = new MutationObserver(() => this.#theme());
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    this.observers.push(themes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  // ---- the hand

  #pointAt(event, id) {
    if (event.pointerType === "touch") return; // a finger chooses, it does not hover
    this.#point(id === undefined || id === null ? NOBODY : Number(id));
  }

  #point(id) {
    if (this.model.get("pointed") === id) return;
    this.model.set("pointed", id);
    this.model.save_changes();
    this.#mark();
  }

  #choose(id) {
    if (id === null || id === undefined) return;
    this.model.set({ chosen: id, pointed: NOBODY });
    this.model.save_changes();
    this.#mark();
  }

  /** The ringed one: a click has whole pixels only, and points may lie closer than that. */
  #choosePoint(event) {
    const pointed = this.model.get("pointed");
    this.#choose(pointed === NOBODY ? this.#pointUnder(event) : pointed);
  }

  #chooseCell(cell) {
    if (!cell) return;
    this.#choose(Number(cell.dataset.id));
    cell.focus();
  }

  #key(event) {
    const cell = event.target.closest(".tm-cell");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Cell[][]} */
    const rows = this.model.get("table").cells;
    const next = move(event.key, Number(cell.dataset.row), Number(cell.dataset.column), rows.length, rows[0].length);
    if (next) this.#chooseCell(this.cells.get(rows[next[0]][next[1]].id));
    else if (event.key === "Enter" || event.key === " ") this.#chooseCell(cell);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #chartKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { points } = this.model.get("chart");
    const next = step(event.key, points.findIndex((p) => p.id === this.model.get("chosen")), points.length);
    if (next === null || !points.length) return;
    this.#choose(points[next].id);
    event.preventDefault();
    event.stopPropagation();
  }

  #pointUnder(event) {
    const box = this.svg.getBoundingClientRect();
    const found = nearest(this.places, event.clientX - box.left, event.clientY - box.top);
    return found < 0 ? null : this.places[found].id;
  }

  // ---- the map

  #fillTable() {
    /** @type {Table} */
    const table = this.model.get("table");
    if (!table.cells) return;
    this.focused = document.activeElement?.closest?.(".tm-cell")?.getAttribute("data-at") ?? null;
    this.title.textContent = table.title;
    this.table.setAttribute("aria-label", `${table.title}. Columns: ${table.columns}. Rows: ${table.rows}.`);
    const head = make("tr", "", { role: "row" });
    head.append(make("th", "tm-corner", {}, `${table.rows} \u2193 ${table.columns} \u2192`));
    for (const text of table.column_heads) head.append(make("th", "", { scope: "col", role: "columnheader" }, text));
    this.cells.clear();
    const lines = table.cells.map((cells, row) => {
      const line = make("tr", "", { role: "row" });
      line.append(make("th", "tm-row", { scope: "row", role: "rowheader" }, table.row_heads[row]));
      line.append(...cells.map((cell, column) => this.#cell(cell, row, column)));
      return line;
    });
    const hadFocus = this.focused !== null && this.table.contains(document.activeElement);
    this.table.replaceChildren(head, ...lines);
    this.#fillLegend(table);
    this.#mark();
    if (hadFocus) this.table.querySelector(`[data-at="${this.focused}"]`)?.focus();
    this.drawn += 1;
  }

  /** @param {Cell} cell @param {number} row @param {number} column */
  #cell(cell, row, column) {
    const node = make("td", "tm-cell", {
      role: "gridcell",
      tabindex: "-1",
      "aria-label": cell.told,
      "data-id": String(cell.id),
      "data-at": `${row},${column}`,
      "data-row": String(row),
      "data-column": String(column),
      "data-kind": cell.kind,
      "data-lm-suppress-shortcuts": "true",
    });
    if (cell.kind === "measured") {
      const strength = 0.08 + 0.92 * (cell.share ?? 0);
      node.style.setProperty("--strength", strength.toFixed(3));
      node.dataset.strength = strength > 0.78 ? "high" : strength > 0.62 ? "middle" : "low";
      node.append(make("b", "", {}, cell.mean), make("span", "", {}, cell.spread));
    } else node.append(make("b", "", {}, cell.kind === "useless" ? "" : "?"));
    if (cell.is_course) node.append(make("i", "", { title: "the course's setting" }, "\u25c6"));
    this.cells.set(cell.id, node);
    return node;
  }

  /** @param {Table} table */
  #fillLegend(table) {
    const all = table.cells.flat();
    const ramp = make("span");
    ramp.append(make("span", "", {}, table.low), make("span", "tm-ramp"), make("span", "", {}, table.high));
    const parts = [ramp];
    if (all.some((cell) => cell.is_course)) parts.push(make("span", "", {}, "\u25c6 the course's setting"));
    if (all.some((cell) => cell.kind === "useless")) {
      const useless = make("span");
      useless.append(make("span", "tm-swatch", { "data-kind": "useless" }), make("span", "", {}, "makes no sense: point at it"));
      parts.push(useless);
    }
    this.legend.replaceChildren(...parts);
  }

  // ---- the chart

  #resized() {
    const width = this.right.clientWidth;
    if (width && width !== this.width) this.#drawChart();
  }

  #drawChart() {
    const { points, x_label, y_label, bars } = this.model.get("chart");
    const width = (this.width = this.right.clientWidth);
    this.places = [];
    if (!points?.length || !width) return this.svg.replaceChildren();
    const font = (this.font = this.model.get("large_type") ? 19 : 12);
    const height = Math.round(font * 20);
    const room = { left: font * 4.2, right: font, top: font * 1.9, bottom: font * 3.2 };
    const [w, h] = [width - room.left - room.right, height - room.top - room.bottom];
    const ends = extent(points);
    const x = (v) => room.left + (w * Math.log(v / ends.left)) / Math.log(ends.right / ends.left);
    const y = (v) => room.top + (h * (ends.high - v)) / (ends.high - ends.low);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", String(height));
    this.svg.setAttribute("font-size", String(font));
    const parts = [draw("rect", { class: "tm-plot", x: room.left, y: room.top, width: w, height: h })];
    for (const tick of linearTicks(ends.low, ends.high, h / (font * 2.6))) {
      parts.push(draw("line", { class: "tm-gridline", x1: room.left, x2: room.left + w, y1: y(tick), y2: y(tick) }));
      parts.push(draw("text", { x: room.left - 6, y: y(tick) + font * 0.35, "text-anchor": "end" }, String(tick)));
    }
    for (const tick of logTicks(ends.left, ends.right)) {
      parts.push(draw("line", { class: "tm-gridline", x1: x(tick), x2: x(tick), y1: room.top, y2: room.top + h }));
      parts.push(draw("text", { x: x(tick), y: room.top + h + font * 1.2, "text-anchor": "middle" }, String(tick)));
    }
    parts.push(draw("text", { x: room.left + w / 2, y: height - font * 0.6, "text-anchor": "middle" }, x_label));
    parts.push(draw("text", { x: 2, y: font }, y_label));
    parts.push(this.#front(points, x, y, room.left + w));
    this.places = points.map((point) => ({ ...point, px: x(point.x), py: y(point.y) }));
    for (const point of this.places) parts.push(this.#point_(point, y));
    this.rings = ["chosen", "pointed"].map((which) => draw("circle", { class: "tm-ring", "data-which": which, r: font * 0.75 }));
    this.svg.replaceChildren(...parts, ...this.rings);
    this.svg.setAttribute("aria-valuemin", "1");
    this.svg.setAttribute("aria-valuemax", String(points.length));
    this.#fillChartLegend(bars, points);
    this.#mark();
    this.drawn += 1;
  }

  /** The best that each cost buys: a staircase. */
  #front(points, x, y, end) {
    const front = points.filter((p) => p.is_front);
    const path = front.map((p, i) => (i ? `H${x(p.x)}V${y(p.y)}` : `M${x(p.x)} ${y(p.y)}`)).join("");
    return draw("path", { class: "tm-front", d: `${path}H${end}` });
  }

  #point_(point, y) {
    const { px, py } = point;
    const r = this.font * 0.36;
    const group = draw("g", { class: "tm-point", "data-id": point.id, "data-front": point.is_front ? "yes" : "no", "data-in-map": point.in_map ? "yes" : "no" });
    if (point.spread) group.append(draw("line", { x1: px, x2: px, y1: y(point.y - point.spread), y2: y(point.y + point.spread) }));
    const d = r * 1.5;
    const shape = point.is_course
      ? `M${px} ${py - d}L${px + d} ${py}L${px} ${py + d}L${px - d} ${py}Z`
      : `M${px - r} ${py}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    group.append(draw("path", { d: shape }));
    return group;
  }

  #fillChartLegend(bars, points) {
    const parts = ["\u25cf not beaten: none is as good for less", "\u25cb beaten"];
    if (points.some((p) => p.is_course)) parts.push("\u25c6 the course's setting");
    if (points.some((p) => !p.in_map)) parts.push("faint: not in the map on the left");
    if (bars) parts.push(bars);
    this.chartLegend.replaceChildren(...parts.map((text) => make("span", "", {}, text)));
  }

  // ---- what is chosen

  #mark() {
    const chosen = this.model.get("chosen");
    const pointed = this.model.get("pointed");
    const first = this.cells.has(chosen) ? chosen : this.cells.keys().next().value;
    for (const [id, cell] of this.cells) {
      cell.setAttribute("aria-selected", String(id === chosen));
      cell.dataset.pointed = id === pointed && id !== chosen ? "yes" : "no";
      cell.tabIndex = id === first ? 0 : -1;
    }
    const shown = pointed === NOBODY ? chosen : pointed;
    const points = this.places ?? [];
    for (const [ring, id] of this.rings ? [[this.rings[0], chosen], [this.rings[1], pointed]] : []) {
      const point = points.find((p) => p.id === id);
      ring.setAttribute("visibility", point ? "visible" : "hidden");
      if (!point) continue;
      ring.setAttribute("cx", String(point.px));
      ring.setAttribute("cy", String(point.py));
    }
    const at = points.findIndex((p) => p.id === chosen);
    this.svg.setAttribute("aria-valuenow", String(at + 1));
    this.svg.setAttribute("aria-valuetext", at < 0 ? "this setting was not measured" : points[at].told);
    const told = points.find((p) => p.id === shown)?.told ?? this.cells.get(shown)?.getAttribute("aria-label") ?? "";
    if (this.reading.textContent !== told) this.reading.textContent = told;
  }

  #theme() {
    const lab = document.body.dataset.jpThemeLight;
    const dark = lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.dataset.theme = dark ? "dark" : "light";
  }

  #large() {
    const large = this.model.get("large_type");
    this.root.classList.toggle("tm-large-type", large);
    this.large.setAttribute("aria-pressed", String(large));
    this.#drawChart();
  }

  close() {
    this.aborter.abort();
    this.observers.forEach((observer) => observer.disconnect());
  }
}

function render({ model, el }) {
  const map = new TuningMap(model, el);
  return () => map.close();
}

export default { render };
