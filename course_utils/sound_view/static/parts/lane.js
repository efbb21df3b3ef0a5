// ------------------------------------------------------------------ one lane

const ICONS = {
  play: "M4 2 L14 8 L4 14 Z",
  pause: "M3 2 H6.5 V14 H3 Z M9.5 2 H13 V14 H9.5 Z",
  start: "M3 2 H5 V14 H3 Z M14 2 V14 L6 8 Z",
  loop: "M8 3 V0.5 L12 4 L8 7.5 V5 A3.5 3.5 0 1 0 11.5 8.5 H13.5 A5.5 5.5 0 1 1 8 3 Z",
};

/** A drawn icon: fonts without these characters would show a box. */
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "sv-icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const make = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

class Lane {
  constructor(view, spec) {
    this.view = view;
    this.spec = spec;
    this.picture = null;
    this.image = null; // the picture at screen resolution, made once per picture and size
    this.node = make("div", `sv-lane sv-${spec.kind}`, { "data-lane": spec.id });
    this.title = make("div", "sv-lane-title");
    this.stage = make("div", "sv-stage");
    this.base = make("canvas", "sv-base", { role: "img" });
    this.overlay = make("canvas", "sv-overlay", { "aria-hidden": "true" });
    this.stage.append(this.base, this.overlay);
    this.node.append(this.title, this.stage);
    this.#describe();
  }

  /** Show another picture; one that looks the same costs no drawing. */
  setPicture(picture) {
    const looksAlike = this.picture && looksLike(this.picture, picture);
    this.picture = picture;
    this.#describe();
    if (looksAlike) return;
    this.image = null;
    this.draw();
  }

  #describe() {
    const p = this.picture;
    this.title.textContent = "";
    const name = make("b");
    name.textContent = this.spec.title;
    this.title.append(name);
    const extra = [];
    if (p && this.spec.id === "pinned") extra.push(settingsText(p.settings));
    if (p) extra.push(...p.notes);
    if (p?.engine && this.spec.id !== "pinned") {
      const engine = make("span", `sv-engine${p.by ? " sv-by-browser" : ""}`, { title: "Who computed this picture" });
      engine.textContent = p.engine;
      this.title.append(engine);
    }
    if (p?.difference) this.title.append(this.#differenceNode(p.difference));
    if (extra.length) this.title.append(" " + extra.join(" \u00b7 "));
    if (this.spec.kind === "curve") p?.lines.forEach((other, k) => this.#nameLine(other.label, (k + 1) % 5));
    const range = p?.y ? `, ${p.y.label} from ${Math.round(p.y.min)} to ${Math.round(p.y.max)} ${p.y.unit}` : "";
    const values = p?.value_label
      ? `, colour is ${p.value_label} from ${Math.round(p.value_min)} to ${Math.round(p.value_max)} ${p.value_unit}`
      : "";
    const made = p?.settings ? `, ${settingsText(p.settings)}` : "";
    this.base.setAttribute("aria-label", `${this.spec.title}${range}${values}${made}`);
  }

  /** How far the preview was from the picture that replaced it. */
  tellDifference(difference) {
    this.picture.difference = difference;
    this.#describe();
  }

  #differenceNode(difference) {
    const node = make("span", `sv-difference${difference.steps > 1 ? " sv-differs" : ""}`);
    node.textContent = differenceText(difference);
    return node;
  }

  /** A curve beside the values: its name in its colour, beside the title. */
  #nameLine(label, series) {
    if (!label) return;
    const name = make("span", "sv-line-name", { style: `color: var(--sv-series-${series + 1})` });
    name.textContent = `\u2501 ${label}`;
    this.title.append(name);
  }

  get leastHeight() {
    return Math.round(this.view.size.font * 4.6);
  }

  /** Whether the overlay shows all this already: a canvas that is left alone costs nothing. */
  isOverlaid(what) {
    const { hover, size, colours } = this.view;
    const shown = JSON.stringify([what, size, this.height, colours.accent]);
    const same = !hover && shown === this.overlaid;
    this.overlaid = hover ? null : shown;
    return same;
  }

  resize() {
    const { width, ratio, scale } = this.view.size;
    const height = Math.max(Math.round(this.spec.height * scale), this.leastHeight);
    this.height = height;
    for (const canvas of [this.base, this.overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.stage.style.height = `${height}px`;
    this.image = this.overlaid = null;
  }

  begin(canvas) {
    const context = canvas.getContext("2d");
    const { ratio } = this.view.size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.width / ratio, canvas.height / ratio);
    return context;
  }

  draw() {
    const { width, left, right } = this.view.size;
    if (!width) return;
    const c = this.begin(this.base);
    const w = width - left - right;
    const colours = this.view.colours;
    c.fillStyle = this.spec.kind === "picture" ? "#000004" : colours.plot;
    c.fillRect(left, 0, w, this.height);
    c.save();
    c.beginPath();
    c.rect(left, 0, w, this.height);
    c.clip();
    if (this.spec.kind === "waveform") this.#drawWaveform(c, w);
    else if (this.picture && this.spec.kind === "curve") this.#drawCurve(c, w);
    else if (this.picture) this.#drawPicture(c, w);
    c.restore();
    c.strokeStyle = colours.line;
    c.lineWidth = 1;
    c.strokeRect(left + 0.5, 0.5, w - 1, this.height - 1);
    this.#drawAxis(c);
    if (this.picture && this.spec.kind === "picture") this.#drawColourBar(c);
    this.drawOverlay();
  }

  /** Two channels share the lane, the left one above. */
  #drawWaveform(c, w) {
    for (let channel = 0; channel < this.view.nChannels; channel++) this.#drawChannel(c, w, channel);
  }

  #drawChannel(c, w, channel) {
    const { view } = this;
    const { left } = view.size;
    const [t0, t1] = view.visible;
    const rate = view.sampleRate;
    const room = this.height / view.nChannels;
    const middle = room * (channel + 0.5);
    const gain = ((room / 2 - 4 / view.nChannels) / 32768) * view.gain;
    const perPixel = ((t1 - t0) * rate) / w;
    c.strokeStyle = view.colours.grid;
    c.beginPath();
    c.moveTo(left, middle);
    c.lineTo(left + w, middle);
    c.stroke();
    c.fillStyle = c.strokeStyle = view.colours.wave;
    if (perPixel > 2) {
      const ends = view.columns(t0 * rate, perPixel, w, channel);
      for (let x = 0; x < w; x++) {
        const low = view.shown(ends[2 * x]) * gain;
        const high = view.shown(ends[2 * x + 1]) * gain;
        if (low <= high) c.fillRect(left + x, middle - high, 1, Math.max(1, high - low));
      }
      return;
    }
    const first = Math.max(0, Math.floor(t0 * rate) - 1);
    const last = Math.min(view.nSamples - 1, Math.ceil(t1 * rate) + 1);
    c.lineWidth = 1.2;
    c.beginPath();
    for (let n = first; n <= last; n++) c.lineTo(view.xOf(n / rate), middle - view.sampleAt(n, channel) * gain);
    c.stroke();
    if (1 / perPixel > 5) {
      for (let n = first; n <= last; n++) {
        drawStem(c, view.xOf(n / rate), middle - view.sampleAt(n, channel) * gain, middle);
      }
    }
  }

  #drawCurve(c) {
    const p = this.picture;
    const { view } = this;
    const [t0, t1] = view.visible;
    const first = Math.max(0, Math.floor((t0 - p.t0_s) / p.dt_s) - 1);
    const last = Math.min(p.values.length - 1, Math.ceil((t1 - p.t0_s) / p.dt_s) + 1);
    const at = (i) => [view.xOf(p.t0_s + i * p.dt_s), this.height * (1 - axisPlace(p.y, p.values[i]))];
    const room = (p.dt_s / (t1 - t0)) * (view.size.width - view.size.left - view.size.right);
    const stems = p.stems && room >= 4;
    this.#drawMarks(c);
    p.lines.forEach((line, k) => {
      c.strokeStyle = view.colours.series[(k + 1) % view.colours.series.length];
      c.lineWidth = 1.5;
      c.setLineDash(line.style === "dashed" ? [6, 4] : []);
      c.beginPath();
      line.x.forEach((x, i) => c.lineTo(view.xOf(p.t0_s + x), this.height * (1 - axisPlace(p.y, line.y[i]))));
      c.stroke();
      c.setLineDash([]);
    });
    c.fillStyle = c.strokeStyle = view.colours.wave;
    c.lineWidth = 1.5;
    if (room < 1.25) return fillColumns(c, last - first + 1, (i) => at(first + i), 1.5);
    c.beginPath();
    if (p.joined || !stems) for (let i = first; i <= last; i++) c.lineTo(...at(i));
    c.stroke();
    if (!stems) return;
    const zero = this.height * (1 - axisPlace(p.y, 0));
    for (let i = first; i <= last; i++) drawStem(c, ...at(i), zero);
  }

  #drawPicture(c, w) {
    const p = this.picture;
    const { view } = this;
    const { ratio } = view.size;
    this.image ??= this.#makeImage(Math.round(this.height * ratio), Math.round(w * ratio));
    const x0 = view.xOf(p.t0_s);
    const x1 = view.xOf(p.t0_s + p.dt_s * p.n_columns);
    c.imageSmoothingEnabled = false;
    c.drawImage(this.image, x0, 0, x1 - x0, this.height);
    const row = this.height / p.n_rows;
    this.#drawMarks(c);
    for (const mark of p.marks) this.#hatch(c, x0, this.height - (mark + 1) * row, x1 - x0, row);
  }

  /** Horizontal lines with a name, for example the Nyquist frequency; the steps of a quantiser have none. */
  #drawMarks(c) {
    const { left, right, width, font } = this.view.size;
    const picture = this.spec.kind === "picture";
    c.font = `${font}px system-ui, sans-serif`;
    c.textAlign = "right";
    for (const [value, name] of this.picture.y_marks ?? []) {
      const at = this.height * (1 - axisPlace(this.picture.y, value));
      if (picture) c.setLineDash([7, 5]);
      if (picture) line(c, left, at, width - right, at, this.view.colours.accent, 1.5);
      else {
        c.fillStyle = this.view.colours.grid;
        c.fillRect(left, at - 0.5, width - left - right, 1);
      }
      c.setLineDash([]);
      if (!name) continue;
      const above = at > this.height * 0.15;
      c.textBaseline = above ? "bottom" : "top";
      c.lineWidth = 3;
      c.strokeStyle = picture ? "#000" : this.view.colours.plot;
      c.strokeText(name, width - right - 6, at + (above ? -3 : 3));
      c.fillStyle = picture ? "#fff" : this.view.colours.strong;
      c.fillText(name, width - right - 6, at + (above ? -3 : 3));
    }
  }

  #hatch(c, x, y, w, h) {
    const pattern = (this.view.hatch ??= makeHatch(c));
    c.fillStyle = pattern;
    c.fillRect(x, y, w, Math.max(h, 1.5));
  }

  #makeImage(maxRows, maxColumns) {
    const p = this.picture;
    const small = poolMax(p.data, p.n_rows, p.n_columns, maxRows, maxColumns);
    const canvas = document.createElement("canvas");
    canvas.width = small.nColumns;
    canvas.height = small.nRows;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(small.nColumns, small.nRows);
    const words = new Uint32Array(pixels.data.buffer);
    const colours = coloursOf(p);
    for (let r = 0; r < small.nRows; r++) {
      const source = (small.nRows - 1 - r) * small.nColumns; // row 0 is the lowest frequency
      const target = r * small.nColumns;
      for (let i = 0; i < small.nColumns; i++) words[target + i] = colours[small.data[source + i]];
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  get yAxis() {
    if (this.spec.kind === "waveform") {
      const edge = (this.height / 2) / (this.height / 2 - 4);
      return { label: "amplitude", unit: "", min: -edge, max: edge, scale: "linear", table: [], mel_table: [] };
    }
    return this.picture?.y ?? null;
  }

  #drawAxis(c) {
    const y = this.yAxis;
    if (!y) return;
    const { left, font } = this.view.size;
    const room = Math.max(3, Math.floor(this.height / (font * 2.4)));
    let ticks = y.scale === "linear" ? niceTicks(y.min, y.max, room) : niceFrequencies(y.min, y.max);
    if (this.spec.kind === "waveform") ticks = [-1, 0, 1];
    const sides = this.spec.kind === "waveform" && this.view.nChannels === 2;
    if (sides) ticks = [-0.5, 0.5];
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = c.strokeStyle = this.view.colours.text;
    c.textAlign = "right";
    c.textBaseline = "middle";
    const digits = ticks.every((v) => Number.isInteger(v)) ? 0 : 1;
    let above = -Infinity;
    for (const value of [...ticks].reverse()) {
      const at = this.height * (1 - axisPlace(y, value));
      const text = Math.min(this.height - font / 2, Math.max(font / 2, at));
      if (text - above < font * 1.1) continue; // no label over another
      c.fillRect(left - 5, Math.min(this.height - 1, Math.max(0, at - 0.5)), 5, 1);
      const name = sides ? (value > 0 ? "left" : "right") : this.spec.kind === "curve" ? formatTick(value) : formatNumber(value, digits);
      c.fillText(name, left - 8, text);
      above = text;
    }
    upright(c, y.unit ? `${y.label} (${y.unit})` : y.label, font * 0.75, this.height, font);
  }

  #drawColourBar(c) {
    const p = this.picture;
    const { width, right, font } = this.view.size;
    const x = width - right + 10;
    const w = 12;
    const h = this.height;
    c.imageSmoothingEnabled = false;
    c.drawImage(colourStrip(coloursOf(p)), x, 0, w, h);
    c.strokeStyle = this.view.colours.line;
    c.strokeRect(x + 0.5, 0.5, w, h - 1);
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = this.view.colours.text;
    c.textAlign = "left";
    c.textBaseline = "middle";
    const ticks = niceTicks(p.value_min, p.value_max, Math.max(3, Math.floor(h / (font * 3))));
    for (const value of ticks) {
      const at = h * (1 - (value - p.value_min) / (p.value_max - p.value_min));
      c.fillRect(x + w, at - 0.5, 4, 1);
      c.fillText(formatTick(value), x + w + 6, Math.min(h - font / 2, Math.max(font / 2, at)));
    }
    upright(c, p.value_unit ? `${p.value_label} (${p.value_unit})` : p.value_label, width - font * 0.65, h, font);
  }

  /** Everything that moves: playhead, pointer, selection, the samples and the box of the frame under the pointer. */
  drawOverlay() {
    const { view } = this;
    const { width, left, right } = view.size;
    if (!width) return;
    if (this.isOverlaid([view.playhead_s, view.visible, view.selection])) return;
    const c = this.begin(this.overlay);
    const w = width - left - right;
    c.save();
    c.beginPath();
    c.rect(left, 0, w, this.height);
    c.clip();
    if (view.selection) {
      const [a, b] = view.selection.map((t) => view.xOf(t));
      c.fillStyle = view.colours.select;
      c.fillRect(a, 0, b - a, this.height);
      c.fillStyle = view.colours.accent;
      c.fillRect(a, 0, 1, this.height);
      c.fillRect(b - 1, 0, 1, this.height);
    }
    if (view.hover) this.#drawHover(c);
    line(c, view.xOf(view.playhead_s), 0, view.xOf(view.playhead_s), this.height, view.colours.accent, 2);
    c.restore();
  }

  #drawHover(c) {
    const { view } = this;
    const { hover } = view;
    const x = view.xOf(hover.time_s);
    line(c, x, 0, x, this.height, view.colours.hover, 1);
    if (hover.samples) {
      const [a, b] = hover.samples.map((n) => view.xOf(n / view.sampleRate));
      if (this.spec.kind === "waveform") {
        c.fillStyle = view.colours.seen;
        c.fillRect(a, 0, Math.max(1, b - a), this.height);
        this.#drawWindow(c, a, b, hover.window);
      }
    }
    if (this.spec.kind !== "picture" || !this.picture || hover.freq_hz === null) return;
    if (hover.field && hover.lane !== this.spec.id) this.#drawField(c, hover.field);
    const place = axisPlace(this.picture.y, hover.freq_hz);
    const at = this.height * (1 - place);
    if (at >= 0 && at <= this.height) line(c, view.size.left, at, view.size.width, at, view.colours.hover, 1);
    if (hover.band !== null && this.picture.rows.kind === "band" && hover.band < this.picture.n_rows) {
      const row = this.height / this.picture.n_rows;
      c.strokeStyle = view.colours.accent;
      c.strokeRect(view.size.left, this.height - (hover.band + 1) * row, view.size.width, row);
    }
    const box = this.picture.box;
    if (box?.dt_s && hover.centre_s !== null) {
      const a = view.xOf(hover.centre_s - box.dt_s / 2);
      const b = view.xOf(hover.centre_s + box.dt_s / 2);
      const clamp = (f) => Math.min(1, Math.max(0, axisPlace(this.picture.y, Math.max(f, this.picture.y.min))));
      const top = this.height * (1 - clamp(hover.freq_hz + box.df_hz / 2));
      const bottom = this.height * (1 - clamp(hover.freq_hz - box.df_hz / 2));
      c.strokeStyle = "#000";
      c.lineWidth = 3;
      c.strokeRect(a, top, b - a, bottom - top);
      c.strokeStyle = "#fff";
      c.lineWidth = 1.5;
      c.strokeRect(a, top, b - a, bottom - top);
    }
  }

  /** The receptive field of the unit that is pointed at: the cells that it sees. */
  #drawField(c, { row, column }) {
    const [a, b] = [column.from, column.to].map((t) => this.view.xOf(t));
    const [bottom, top] = [row.from, row.to].map((f) => this.height * (1 - axisPlace(this.picture.y, f)));
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.strokeRect(a, top, b - a, bottom - top);
    }
  }

  #drawWindow(c, a, b, shape) {
    if (!shape?.length || b - a < 4) return;
    c.strokeStyle = this.view.colours.accent;
    c.lineWidth = 1.5;
    c.beginPath();
    shape.forEach((v, i) => c.lineTo(a + ((b - a) * i) / (shape.length - 1), this.height / 2 - v * (this.height / 2 - 4)));
    c.stroke();
  }
}

const STRIPS = new Map();

/** All colours over each other, the highest value on top: drawn once for each list of colours. */
function colourStrip(colours) {
  if (!STRIPS.has(colours)) {
    const strip = make("canvas", "", { width: 1, height: colours.length });
    const context = strip.getContext("2d");
    const pixels = context.createImageData(1, colours.length);
    new Uint32Array(pixels.data.buffer).set(Uint32Array.from(colours).reverse());
    context.putImageData(pixels, 0, 0);
    STRIPS.set(colours, strip);
  }
  return STRIPS.get(colours);
}

/** A tick's number with as many digits as it needs. */
export function formatTick(value) {
  const digits = [0, 1, 2, 3].find((d) => Math.abs(value - Number(value.toFixed(d))) < 1e-9 * Math.max(1, Math.abs(value)));
  return digits === undefined ? value.toPrecision(2) : formatNumber(value, digits);
}

/** A label along a vertical axis, made smaller where the lane is too low for it. */
function upright(c, text, x, height, font) {
  c.save();
  c.translate(x, height / 2);
  c.rotate(-Math.PI / 2);
  c.textAlign = "center";
  const room = Math.min(1, height / c.measureText(text).width);
  c.font = `${Math.floor(font * room)}px system-ui, sans-serif`;
  c.fillText(text, 0, 0);
  c.restore();
}

/** Names of the lines that have one, at the right edge, on a veil of the background. */
function drawLegend(c, series, view, height) {
  const { left, right, width, font } = view.size;
  const named = series.filter(([line]) => line.label);
  if (!named.length || height < font * 1.4 * named.length) return;
  const edge = width - right - 8;
  c.font = `${font}px system-ui, sans-serif`;
  c.textAlign = "right";
  c.textBaseline = "middle";
  const widest = Math.max(...named.map(([line]) => c.measureText(line.label).width));
  c.globalAlpha = 0.8;
  c.fillStyle = view.colours.plot;
  c.fillRect(Math.max(left + 1, edge - widest - 36), 2, widest + 40, font * 1.35 * named.length + 2);
  c.globalAlpha = 1;
  let at = font;
  for (const [line, colour] of named) {
    c.fillStyle = view.colours.text;
    c.fillText(line.label, edge - 30, at);
    c.strokeStyle = colour;
    c.lineWidth = 3;
    c.setLineDash(line.style === "dashed" ? [6, 4] : []);
    c.beginPath();
    c.moveTo(edge - 24, at);
    c.lineTo(edge, at);
    c.stroke();
    c.setLineDash([]);
    at += font * 1.35;
  }
}

/** A line with as many points as pixels, as an upright bar in each pixel: a stroke is much slower. */
function fillColumns(c, count, at, thickness) {
  let [x, low] = at(0);
  let high = low;
  const fill = () => c.fillRect(Math.floor(x), low - thickness / 2, 1, high - low + thickness);
  for (let i = 1; i < count; i++) {
    const [next, y] = at(i);
    if (Math.floor(next) !== Math.floor(x)) {
      const before = at(i - 1)[1];
      fill();
      [x, low, high] = [next, before, before]; // joined to the column before
    }
    if (y < low) low = y;
    if (y > high) high = y;
  }
  fill();
}

/** One sample: a dot on a thin stem. */
function drawStem(c, x, y, zero) {
  c.globalAlpha = 0.4;
  c.fillRect(x - 0.5, Math.min(y, zero), 1, Math.abs(y - zero));
  c.globalAlpha = 1;
  c.beginPath();
  c.arc(x, y, 2.4, 0, 2 * Math.PI);
  c.fill();
}

function line(c, x0, y0, x1, y1, colour, width) {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.strokeStyle = "rgb(0 0 0 / 55%)";
  c.lineWidth = width + 2;
  c.stroke();
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.stroke();
}

function makeHatch(c) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const t = tile.getContext("2d");
  t.fillStyle = "#5a5a66";
  t.fillRect(0, 0, 8, 8);
  t.strokeStyle = "#c9c9d6";
  t.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    t.beginPath();
    t.moveTo(shift, 8);
    t.lineTo(shift + 8, 0);
    t.stroke();
  }
  return c.createPattern(tile, "repeat");
}
