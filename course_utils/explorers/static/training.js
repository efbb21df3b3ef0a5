// @ts-check
/**
 * A training that can be watched: two charts, how far it is, and a button that stops it.
 *
 * Python sends what there is to see in two traits, `curves` (one number for each epoch) and
 * `state`; the button sends {type: "stop"}. Nothing is computed here but places on a canvas.
 *
 * @typedef {{train_loss: number[], validation_loss: number[], train_accuracy: number[],
 *   validation_accuracy: number[], live: {x: number, train_loss: number, train_accuracy: number} | null}} Curves
 * @typedef {{phase: "waiting"|"running"|"stopping"|"done"|"stopped"|"failed", share: number, n_epochs: number,
 *   text: string, details: string}} State
 */

const UNHEARD_MS = 4000; // a click that had no effect for so long did not reach the kernel
const UNHEARD =
  "The kernel has not heard this button. Use the square \u25a0 of the notebook's toolbar: what was learned is kept.";

/** The two charts: which numbers, in what, and between which ends at least. */
export const CHARTS = [
  { key: "loss", label: "loss", factor: 1, unit: "", top: null },
  { key: "accuracy", label: "accuracy (%)", factor: 100, unit: " %", top: 100 },
];

/** Round numbers from 0 to `max`, about `count` of them; `whole` for epochs. */
export function niceTicks(max, count, whole = false) {
  const rough = max / Math.max(1, count);
  if (!(rough > 0)) return [0];
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.7) ?? power;
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let i = 0; i * step <= max * (1 + 1e-6); i++) ticks.push(Number((i * step).toPrecision(6)));
  return ticks;
}

/**
 * Largest value of an axis: a little above the highest point, or a fixed one.
 * @param {Curves} curves @param {{key: string, top: number | null}} chart
 */
export function topOf(curves, chart) {
  if (chart.top !== null) return chart.top;
  const live = curves.live ? [curves.live[`train_${chart.key}`]] : [];
  const all = [...curves[`train_${chart.key}`], ...curves[`validation_${chart.key}`], ...live];
  const highest = Math.max(...all.filter(Number.isFinite), 0);
  return highest > 0 ? highest * 1.08 : 1;
}

/**
 * One epoch in words, for the pointer, the arrow keys and a screen reader.
 * @param {Curves} curves @param {number} epoch from 1
 */
export function epochText(curves, epoch) {
  const words = [`epoch ${epoch}`];
  for (const { key, label, factor, unit } of CHARTS) {
    for (const kind of ["train", "validation"]) {
      const value = curves[`${kind}_${key}`][epoch - 1];
      if (!Number.isFinite(value)) continue;
      const name = kind === "train" ? "training" : "validation";
      words.push(`${name} ${label.split(" ")[0]} ${(value * factor).toFixed(factor === 1 ? 3 : 1)}${unit}`);
    }
  }
  return words.join(" \u00b7 ");
}

/** @param {string} tag @param {string} [className] @param {Object<string, string>} [attributes] */
function make(tag, className = "", attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

class TrainingView {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.pointed = null; // the epoch that is read, from 1
    this.drawn = 0;
    this.aborter = new AbortController();
    this.#build(el);
    this.#listen();
    this.#theme();
    this.#tell();
  }

  #build(el) {
    this.root = make("div", "training-view", { role: "group", "aria-label": "Training" });
    this.bar = make("div", "tv-bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Share of the training that is done" });
    this.fill = make("div", "tv-fill");
    this.bar.append(this.fill);
    this.stop = /** @type {HTMLButtonElement} */ (make("button", "tv-button tv-stop", { type: "button", title: "End the training after this batch; what was learned is kept" }));
    this.stop.textContent = "Stop";
    this.large = make("button", "tv-button tv-large", { type: "button", title: "Large type for a projector", "aria-label": "Large type for a projector" });
    this.large.textContent = "A\u2191";
    for (const button of [this.stop, this.large]) button.dataset.lmSuppressShortcuts = "true";
    const row = make("div", "tv-row");
    row.append(this.bar, this.stop, this.large);
    this.text = make("div", "tv-text", { role: "status" });
    this.details = make("div", "tv-details");
    this.reading = make("div", "tv-reading", { role: "status" });
    const charts = (this.charts = make("div", "tv-charts"));
    this.canvases = CHARTS.map(({ key }) => {
      const canvas = make("canvas", "tv-chart", { role: "img", tabindex: "0", "data-chart": key, "data-lm-suppress-shortcuts": "true" });
      charts.append(canvas);
      return /** @type {HTMLCanvasElement} */ (canvas);
    });
    this.root.append(row, this.text, this.details, charts, this.reading);
    el.replaceChildren(this.root);
    /** @type {any} */ (this.root).trainingView = this;
  }

  #listen() {
    const { model } = this;
    const { signal } = this.aborter;
    model.on("change:state", () => this.#tell());
    model.on("change:curves", () => this.draw());
    model.on("change:large_type", () => this.layout(true));
    this.stop.addEventListener("click", () => {
      this.askedAt = performance.now();
      model.send({ type: "stop" });
      this.#tell();
    });
    this.large.addEventListener("click", () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.layout(true);
    });
    for (const canvas of this.canvases) {
      canvas.addEventListener("pointermove", (event) => this.#point(this.#epochAt(canvas, event)));
      canvas.addEventListener("pointerleave", () => this.#point(null));
      canvas.addEventListener("blur", () => this.#point(null));
      canvas.addEventListener("keydown", (event) => this.#key(event));
    }
    this.observers = [new ResizeObserver(() => this.layout())];
    this.observers[0].observe(this.root);
    const themes = new MutationObserver(() => this.#theme());
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    this.observers.push(themes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const n = this.curves.train_loss.length;
    if (!by || !n) return;
    const now = this.pointed ?? (by > 0 ? 0 : n + 1);
    this.#point(Math.min(n, Math.max(1, now + by)));
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number | null} epoch */
  #point(epoch) {
    if (epoch === this.pointed) return;
    this.pointed = epoch;
    this.reading.textContent = epoch ? epochText(this.curves, epoch) : "";
    this.draw();
  }

  #epochAt(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const { left, right } = this.room;
    const place = (event.clientX - box.left - left) / (box.width - left - right);
    const n = this.curves.train_loss.length;
    if (!n || place < -0.02 || place > 1.02) return null;
    return Math.min(n, Math.max(1, Math.round(place * this.lastEpoch)));
  }

  /** @returns {Curves} */
  get curves() {
    return this.model.get("curves");
  }

  /** @returns {State} */
  get told() {
    return this.model.get("state");
  }

  get lastEpoch() {
    return Math.max(1, this.told.n_epochs, this.curves.train_loss.length);
  }

  /** The line of text, the bar and the button. */
  #tell() {
    const { phase, share, text, details } = this.told;
    const running = phase === "running" || phase === "stopping";
    const asked = this.askedAt !== undefined && running;
    if (!running) this.askedAt = undefined;
    const unheard = asked && phase === "running" && performance.now() - this.askedAt > UNHEARD_MS;
    this.root.dataset.phase = phase;
    this.stop.disabled = !running || (asked && !unheard);
    this.stop.textContent = asked || phase === "stopping" ? "Stopping \u2026" : "Stop";
    this.fill.style.width = `${(100 * share).toFixed(1)}%`;
    this.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.bar.setAttribute("aria-valuetext", details || text);
    const said = unheard ? UNHEARD : text;
    if (this.text.textContent !== said) this.text.textContent = said; // a screen reader says changes only
    this.details.textContent = details;
    this.draw();
  }

  #theme() {
    const lab = document.body.dataset.jpThemeLight;
    const dark = lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const names = ["plot", "line", "grid", "text", "strong", "train", "validation"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--tv-${name}`).trim()]));
    this.draw();
  }

  layout(force = false) {
    const large = this.model.get("large_type");
    this.root.classList.toggle("tv-large-type", large);
    this.large.setAttribute("aria-pressed", String(large));
    const width = this.charts.clientWidth;
    if (width && !this.colours.plot) this.#theme(); // computed styles exist only inside a page
    if (!width || (!force && width === this.width)) return;
    this.width = width;
    this.font = large ? 19 : 12;
    this.room = { left: Math.round(this.font * 4.6), right: Math.round(this.font * 1.2), top: Math.round(this.font * 2.1), bottom: Math.round(this.font * 3.2) };
    const beside = width > 620;
    const each = Math.floor(beside ? (width - 12) / 2 : width);
    const height = large ? 300 : 210;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      canvas.width = Math.round(each * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${each}px`;
      canvas.style.height = `${height}px`;
    }
    this.size = { width: each, height, ratio };
    this.draw();
  }

  draw() {
    if (!this.size || !this.colours.plot) return;
    this.canvases.forEach((canvas, i) => this.#drawChart(canvas, CHARTS[i]));
    this.drawn += 1;
  }

  #drawChart(canvas, chart) {
    const { width, height, ratio } = this.size;
    const { left, right, top, bottom } = this.room;
    const { curves, colours, font } = this;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    const w = width - left - right;
    const h = height - top - bottom;
    const highest = topOf(curves, chart);
    const x = (epoch) => left + (epoch / this.lastEpoch) * w;
    const y = (value) => top + h * (1 - Math.min(1.02, (value * chart.factor) / highest));
    c.fillStyle = colours.plot;
    c.fillRect(left, top, w, h);
    this.#axes(c, chart, { x, w, h, highest });
    const kinds = [["train", "training"], ["validation", "validation"]];
    for (const [kind] of kinds) this.#curve(c, curves[`${kind}_${chart.key}`], kind, x, y);
    if (curves.live && Number.isFinite(curves.live[`train_${chart.key}`])) {
      c.strokeStyle = colours.train; // the epoch that runs is an open circle
      c.lineWidth = 1.5;
      c.beginPath();
      c.arc(x(curves.live.x), y(curves.live[`train_${chart.key}`]), font * 0.3, 0, 2 * Math.PI);
      c.stroke();
    }
    if (this.pointed) {
      c.fillStyle = colours.strong;
      c.fillRect(x(this.pointed) - 0.5, top, 1, h);
    }
    this.#legend(c, kinds, left + w);
    const last = curves.train_loss.length;
    canvas.setAttribute("aria-label", `${chart.label} over epochs. ${last ? epochText(curves, last) : "Nothing has been trained yet."}`);
  }

  #axes(c, chart, { x, w, h, highest }) {
    const { left, top } = this.room;
    const { colours, font } = this;
    c.font = `${font}px system-ui, sans-serif`;
    c.textBaseline = "middle";
    c.textAlign = "right";
    const ticks = niceTicks(highest, Math.max(2, Math.floor(h / (font * 2.6))));
    const digits = Math.max(0, ...ticks.map((tick) => (String(tick).split(".")[1] ?? "").length));
    for (const value of ticks) {
      const at = top + h * (1 - value / highest);
      c.fillStyle = colours.grid;
      c.fillRect(left, Math.round(at), w, 1);
      c.fillStyle = colours.text;
      c.fillText(value.toFixed(digits), left - 6, at);
    }
    c.textAlign = "center";
    for (const epoch of niceTicks(this.lastEpoch, Math.floor(w / (font * 4)), true)) {
      c.fillStyle = colours.grid;
      c.fillRect(Math.round(x(epoch)), top, 1, h);
      c.fillStyle = colours.text;
      c.fillText(String(epoch), x(epoch), top + h + font * 0.9);
    }
    c.fillText("epoch", left + w / 2, top + h + font * 2.2);
    c.strokeStyle = colours.line;
    c.lineWidth = 1;
    c.strokeRect(left + 0.5, top + 0.5, w - 1, h - 1);
    c.textAlign = "left";
    c.fillStyle = colours.strong;
    c.font = `600 ${font}px system-ui, sans-serif`;
    c.fillText(chart.label, left, font * 0.95);
    c.font = `${font}px system-ui, sans-serif`;
  }

  /** Training is a line with dots, validation one with squares: the colour is not the only difference. */
  #curve(c, values, kind, x, y) {
    const { font } = this;
    c.strokeStyle = c.fillStyle = this.colours[kind];
    c.lineWidth = font / 7;
    c.beginPath();
    values.forEach((value, i) => Number.isFinite(value) && c.lineTo(x(i + 1), y(value)));
    c.stroke();
    const r = font * (values.length > 60 ? 0.1 : 0.22);
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      c.beginPath();
      if (kind === "train") c.arc(x(i + 1), y(value), r, 0, 2 * Math.PI);
      else c.rect(x(i + 1) - r, y(value) - r, 2 * r, 2 * r);
      c.fill();
    });
  }

  /** Names of the curves, over the chart: there nothing can stand under them. */
  #legend(c, kinds, edge) {
    const { font, colours } = this;
    c.textAlign = "right";
    let at = edge;
    for (const [kind, name] of [...kinds].reverse()) {
      c.fillStyle = colours.text;
      c.fillText(name, at, font * 0.95);
      at -= c.measureText(name).width + font * 0.5;
      c.fillStyle = colours[kind];
      const r = font * 0.28;
      c.beginPath();
      if (kind === "train") c.arc(at - r, font * 0.95, r, 0, 2 * Math.PI);
      else c.rect(at - 2 * r, font * 0.95 - r, 2 * r, 2 * r);
      c.fill();
      at -= font * 1.4;
    }
  }

  close() {
    this.aborter.abort();
    this.observers.forEach((observer) => observer.disconnect());
  }
}

function render({ model, el }) {
  const view = new TrainingView(model, el);
  return () => view.close();
}

export default { render };
