// @ts-check
/**
 * SoundView, JavaScript half: lanes over one time axis, one playhead, one transport.
 *
 * It draws numbers and plays samples; it computes no spectrogram. A lane's picture comes from
 * a source (`kernelSource` below). Another engine has only to deliver the same object.
 *
 * Order of this file: pure helpers (exported, tested under node) - colours - Player - Lane -
 * View (layout, hand, keyboard) - sources - render.
 *
 * @typedef {{label: string, unit: string, min: number, max: number, scale: "linear"|"log"|"table",
 *   table: number[], mel_table: number[]}} Axis
 * @typedef {{data: Uint8Array, n_rows: number, n_columns: number, t0_s: number, dt_s: number, y: Axis,
 *   value_label: string, value_unit: string, value_min: number, value_max: number, frames: any, rows: any,
 *   box: any, marks: number[], settings: any, notes: string[], engine: string, serial: number,
 *   colours: "level"|"signed"}} Picture
 */

// ------------------------------------------------------------------ pure helpers

/** Round numbers between `min` and `max`, about `count` of them. */
export function niceTicks(min, max, count) {
  const rough = (max - min) / Math.max(1, count);
  if (!(rough > 0)) return [min];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough * 0.7) * power;
  const ticks = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-6; i++) ticks.push(i * step + 0); // + 0: no negative zero
  return ticks;
}

/** Frequencies that people know, inside the range: for log and Mel axes. */
export function niceFrequencies(min, max) {
  return [20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000].filter((f) => f >= min && f <= max);
}

/** A number as short text: "1 234", "0.25". The minus sign is a real one. */
export function formatNumber(value, digits = 0) {
  const text = Math.abs(value).toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, "\u202f");
  return (value < 0 && Number(Math.abs(value).toFixed(digits)) !== 0 ? "\u2212" : "") + text;
}

/** Value at a place on a vertical axis (0 bottom, 1 top). */
export function axisValue(y, place) {
  if (y.scale === "log") return y.min * (y.max / y.min) ** place;
  if (y.scale === "table") return interpolate(y.table, place);
  return y.min + place * (y.max - y.min);
}

/** Place of a value on a vertical axis; the inverse of `axisValue`. */
export function axisPlace(y, value) {
  if (y.scale === "log") return Math.log(value / y.min) / Math.log(y.max / y.min);
  if (y.scale === "table") {
    const table = y.table;
    let low = 0;
    let high = table.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (table[middle] <= value) low = middle;
      else high = middle;
    }
    return (low + (value - table[low]) / (table[high] - table[low] || 1)) / (table.length - 1);
  }
  return (value - y.min) / (y.max - y.min);
}

/** Linear interpolation in an equally spaced table; `place` runs from 0 to 1. */
export function interpolate(table, place) {
  const x = Math.min(1, Math.max(0, place)) * (table.length - 1);
  const i = Math.min(table.length - 2, Math.floor(x));
  return table[i] + (x - i) * (table[i + 1] - table[i]);
}

/** Shrink a picture; every cell shows the largest of the cells under it, so a thin line never vanishes. */
export function poolMax(data, nRows, nColumns, outRows, outColumns) {
  if (outRows >= nRows && outColumns >= nColumns) return { data, nRows, nColumns };
  outRows = Math.min(outRows, nRows);
  outColumns = Math.min(outColumns, nColumns);
  const column = new Int32Array(nColumns);
  for (let c = 0; c < nColumns; c++) column[c] = Math.floor((c * outColumns) / nColumns);
  const out = new Uint8Array(outRows * outColumns);
  for (let r = 0; r < nRows; r++) {
    const target = Math.floor((r * outRows) / nRows) * outColumns;
    const source = r * nColumns;
    for (let c = 0; c < nColumns; c++) {
      const value = data[source + c];
      if (value > out[target + column[c]]) out[target + column[c]] = value;
    }
  }
  return { data: out, nRows: outRows, nColumns: outColumns };
}

/** Smallest and largest sample of every block: what a zoomed-out waveform is drawn from. */
export function envelope(samples, block, stride = 1, offset = 0) {
  const n = Math.ceil(samples.length / stride / block);
  const min = new Int16Array(n);
  const max = new Int16Array(n);
  const total = Math.floor(samples.length / stride);
  for (let b = 0; b < n; b++) {
    let low = 32767;
    let high = -32768;
    const end = Math.min(total, (b + 1) * block);
    for (let i = b * block; i < end; i++) {
      const value = samples[i * stride + offset];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    min[b] = low;
    max[b] = high;
  }
  return { block, min, max };
}

/**
 * Smallest and largest sample of a channel between two sample numbers, from an outline: for each
 * channel its samples one by one, or first the smallest and then the largest of each block.
 */
export function outlined({ first, block, length, samples }, from, to, channel) {
  const n = block > 1 ? length / 2 : length;
  const a = Math.max(0, Math.floor((from - first) / block));
  const b = Math.min(n, Math.max(a + 1, Math.ceil((to - first) / block)));
  let low = 32767;
  let high = -32768;
  for (let i = a; i < b; i++) {
    const at = channel * length + i;
    if (samples[at] < low) low = samples[at];
    if (samples[at + length - n] > high) high = samples[at + length - n];
  }
  return low <= high ? [low, high] : [0, 0]; // beside the stretch that was outlined
}

/** Playhead of a running player, in seconds: where it started, plus what has been played, folded into the loop. */
export function playedTo(startedAt_s, elapsed_s, loop, start_s, end_s) {
  const now = startedAt_s + Math.max(0, elapsed_s);
  if (now < end_s) return now;
  return loop ? start_s + ((now - start_s) % (end_s - start_s)) : end_s;
}

/**
 * What lies under a point of a picture: everything that the hover line says.
 * @param {Picture} picture @param {number} time_s @param {number} place 0 bottom to 1 top
 */
export function inspect(picture, time_s, place, sampleRate) {
  const column = Math.floor((time_s - picture.t0_s) / picture.dt_s);
  if (column < 0 || column >= picture.n_columns || place < 0 || place >= 1) return null;
  const row = Math.floor(place * picture.n_rows);
  const cell = picture.data[row * picture.n_columns + column];
  const frames = picture.frames;
  const frame = frames.first + column * frames.step;
  const centre_s = frames.centre0_s + frame * frames.hop_s;
  const freq_hz = axisValue(picture.y, place);
  const found = {
    frame,
    row,
    centre_s,
    freq_hz,
    db: picture.value_min + (cell / 255) * (picture.value_max - picture.value_min),
    floor: cell === 0,
    samples: [Math.round((centre_s - frames.before_s) * sampleRate), Math.round((centre_s + frames.after_s) * sampleRate)],
    mel: picture.y.mel_table.length ? interpolate(picture.y.mel_table, place) : null,
    bin: null,
    band: null,
    field: null,
  };
  if (frames.fields) {
    // a unit of a network: what it sees of the picture, and of the sound
    const field = { row: frames.fields.rows[row], column: frames.fields.columns[column] };
    found.field = field;
    found.samples = [field.column.start_s, field.column.end_s].map((t) => Math.round(t * sampleRate));
  }
  if (picture.rows.kind === "bin") {
    const { count, spacing_hz, per_row } = picture.rows;
    found.bin = Math.max(0, Math.min(count - 1, per_row > 1 ? row * per_row : Math.round(freq_hz / spacing_hz)));
  } else if (picture.rows.kind === "band") {
    found.band = row;
  }
  return found;
}

/** An amplitude and its level. */
export function amplitudeText(value) {
  const level = value ? `${formatNumber(20 * Math.log10(Math.abs(value)), 1)} dBFS` : "silent";
  return `${formatNumber(value, 3)} (${level})`;
}

/**
 * Frequency bins inside a band, each with its weight from 0 (at both ends) to 1 (at the centre).
 * Ends come rounded to 0.01 Hz; a bin on an end weighs nothing and is not counted.
 */
export function binsInside(low, centre, high, bin_hz) {
  const bins = [];
  for (let k = Math.ceil((low + 0.01) / bin_hz); k * bin_hz < high - 0.01; k++) {
    const f = k * bin_hz;
    bins.push({ bin: k, freq_hz: f, weight: f < centre ? (f - low) / (centre - low) : (high - f) / (high - centre) });
  }
  return bins;
}

/** What a unit of a feature map is, and what it sees: its receptive field in cells, ms and Hz. */
export function fieldText({ row, frame, field, db }, picture) {
  const ms = [field.column.start_s, field.column.end_s].map((t) => formatNumber(1000 * t));
  const hz = [field.row.low_hz, field.row.high_hz].map((f) => formatNumber(f));
  const name = `${picture.value_label} ${formatNumber(db, 2)} ${picture.value_unit}`.trim();
  return [
    `unit in row ${row}, column ${frame}`,
    `sees ${field.row.count} bands \u00d7 ${field.column.count} frames`,
    `${ms[0]} to ${ms[1]} ms`,
    `${hz[0]} to ${hz[1]} Hz`,
    name,
  ].join(" \u00b7 ");
}

/** Settings as a short text: "n_fft 1024 · hop_length 512". */
export function settingsText(settings) {
  return Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(" \u00b7 ");
}

// ------------------------------------------------------------------ colours

// 33 samples of the colormap «magma» (S. van der Walt and N. Smith, CC0), straight lines between
const MAGMA =
  "000004 030312 0a0822 130d34 1d1147 29115a 36106b 440f76 51127c 5d177f 6a1c81 762181 832681 902a81 9c2e7f aa337d b73779 c43c75 d0416f dc4869 e75263 ef5d5e f56b5c f9795d fc8961 fd9869 fea772 feb67c fec488 fed395 fde2a3 fcf0b2 fcfdbf";

/** 256 colours as ABGR integers, ready for a little-endian ImageData. */
export function makeColours(anchors = MAGMA) {
  const points = anchors.split(" ").map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const colours = new Uint32Array(256);
  for (let v = 0; v < 256; v++) {
    const x = (v / 255) * (points.length - 1);
    const i = Math.min(points.length - 2, Math.floor(x));
    const [r, g, b] = points[i].map((p, k) => Math.round(p + (x - i) * (points[i + 1][k] - p)));
    colours[v] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return colours;
}

// and of «RdBu_r» (C. Brewer, Apache-2.0): its white is the middle
const RED_BLUE =
  "053061 0e4179 175290 1f63a8 2a71b2 3480b9 3f8ec0 529dc8 6bacd1 84bcd9 9bc9e0 aed3e6 c2ddec d4e6f1 e0ecf3 ecf2f5 f7f6f6 f9eee7 fbe5d8 fddcc9 fbccb4 f8bb9e f5aa89 ee9677 e48066 db6b55 d05548 c53e3d ba2832 ab162a 930e26 7c0722 67001f";

/** Colours by what a picture shows: a level, or numbers on both sides of a middle. */
const COLOURS = { level: makeColours(), signed: makeColours(RED_BLUE) };
const coloursOf = (picture) => COLOURS[picture.colours] ?? COLOURS.level;

// ------------------------------------------------------------------ sound

/** Plays the samples as they are (times the gain that Python sets): no normalising, 5 ms fades so that starting does not click. */
class Player {
  constructor() {
    this.level = 1;
    this.context = null;
    this.buffer = null;
    this.playing = false;
    this.onEnd = () => {};
  }

  load(samples, sampleRate, nChannels) {
    this.stop();
    this.samples = samples;
    this.sampleRate = sampleRate;
    this.nChannels = nChannels;
    this.buffer = null;
  }

  /** Start at `from_s`; throws where the browser cannot play. Call it from a click or a key. */
  async play(from_s, loop, start_s, end_s) {
    this.stop();
    this.context ??= new AudioContext();
    await this.context.resume();
    this.buffer ??= this.#makeBuffer();
    const context = this.context;
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = this.buffer;
    source.connect(gain).connect(this.#volume());
    source.loop = loop;
    source.loopStart = start_s;
    source.loopEnd = end_s;
    const now = context.currentTime;
    const fade_s = 0.005;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + fade_s);
    if (loop) source.start(now, from_s);
    else {
      const length_s = end_s - from_s;
      gain.gain.setValueAtTime(1, Math.max(now + fade_s, now + length_s - fade_s));
      gain.gain.linearRampToValueAtTime(0, now + Math.max(2 * fade_s, length_s));
      source.start(now, from_s, length_s);
    }
    this.running = { source, gain, from_s, loop, start_s, end_s, at: now };
    this.playing = true;
    source.onended = () => {
      if (this.running?.source === source) {
        this.playing = false;
        this.running = null;
        this.onEnd(end_s);
      }
    };
  }

  /** The factor on all samples; a change while playing slides for some milliseconds, so that it does not click. */
  setLevel(level) {
    this.level = level;
    if (this.context) this.#volume().gain.setTargetAtTime(level, this.context.currentTime, 0.01);
  }

  #volume() {
    if (!this.volume) {
      this.volume = this.context.createGain();
      this.volume.gain.value = this.level;
      this.volume.connect(this.context.destination);
    }
    return this.volume;
  }

  position() {
    const r = this.running;
    const late = this.context.outputLatency || 0;
    return playedTo(r.from_s, this.context.currentTime - r.at - late, r.loop, r.start_s, r.end_s);
  }

  stop() {
    if (!this.running) return;
    const { source, gain } = this.running;
    const now = this.context.currentTime;
    this.running = null;
    this.playing = false;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, 0.002);
    source.stop(now + 0.015);
  }

  close() {
    this.stop();
    this.context?.close();
  }

  #makeBuffer() {
    const length = this.samples.length / this.nChannels;
    const buffer = this.context.createBuffer(this.nChannels, length, this.sampleRate);
    for (let c = 0; c < this.nChannels; c++) {
      const channel = buffer.getChannelData(c);
      for (let i = 0; i < length; i++) channel[i] = this.samples[i * this.nChannels + c] / 32767;
    }
    return buffer;
  }
}

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

  setPicture(picture) {
    this.picture = picture;
    this.image = null;
    this.#describe();
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
      const engine = make("span", "sv-engine", { title: "Who computed this picture" });
      engine.textContent = p.engine;
      this.title.append(engine);
    }
    if (extra.length) this.title.append(" " + extra.join(" \u00b7 "));
    if (this.spec.kind === "curve") p?.lines.forEach((other, k) => this.#nameLine(other.label, (k + 1) % 5));
    const range = p?.y ? `, ${p.y.label} from ${Math.round(p.y.min)} to ${Math.round(p.y.max)} ${p.y.unit}` : "";
    const values = p?.value_label
      ? `, colour is ${p.value_label} from ${Math.round(p.value_min)} to ${Math.round(p.value_max)} ${p.value_unit}`
      : "";
    const made = p?.settings ? `, ${settingsText(p.settings)}` : "";
    this.base.setAttribute("aria-label", `${this.spec.title}${range}${values}${made}`);
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
    const gain = ((room / 2 - 4 / view.nChannels) / 32767) * view.gain;
    const perPixel = ((t1 - t0) * rate) / w;
    c.strokeStyle = view.colours.grid;
    c.beginPath();
    c.moveTo(left, middle);
    c.lineTo(left + w, middle);
    c.stroke();
    c.fillStyle = c.strokeStyle = view.colours.wave;
    if (perPixel > 2) {
      for (let x = 0; x < w; x++) {
        const [low, high] = view.extremes(t0 * rate + x * perPixel, t0 * rate + (x + 1) * perPixel, channel);
        if (low <= high) c.fillRect(left + x, middle - high * gain, 1, Math.max(1, (high - low) * gain));
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
    for (let i = 0; i < h; i++) {
      const colour = coloursOf(p)[Math.round(255 * (1 - i / (h - 1)))];
      c.fillStyle = `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
      c.fillRect(x, i, w, 1);
    }
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

/** Lines over an axis of their own (a filterbank over frequency, a histogram over level). */
class Chart extends Lane {
  /** Where a value lies on the horizontal axis, in pixels. */
  #x(value) {
    const { left, right, width } = this.view.size;
    return left + axisPlace(this.picture.x, value) * (width - left - right);
  }

  valueAt(x) {
    const { left, right, width } = this.view.size;
    return axisValue(this.picture.x, Math.min(1, Math.max(0, (x - left) / (width - left - right))));
  }

  get axisRoom() {
    return Math.round(this.view.size.font * 3);
  }

  get leastHeight() {
    return super.leastHeight + this.axisRoom; // its own horizontal axis stands inside
  }

  #path(c, line) {
    const floor = this.plotHeight;
    c.beginPath();
    const first = this.#x(line.x[0]);
    const half = line.style === "bars" && line.x.length > 1 ? (this.#x(line.x[1]) - first) / 2 : 0;
    if (line.style !== "line" && line.style !== "dashed") c.moveTo(first - half, floor);
    for (let i = 0; i < line.x.length; i++) {
      const [x, y] = this.#at(line, i);
      if (half) c.lineTo(x - half, y);
      c.lineTo(x + half, y);
    }
    if (line.style !== "line" && line.style !== "dashed") c.lineTo(this.#x(line.x[line.x.length - 1]) + half, floor);
  }

  #stroke(c, line, colour, strong) {
    this.#path(c, line);
    c.setLineDash(line.style === "dashed" ? [6, 4] : []);
    if (line.style === "area" || line.style === "bars") {
      c.globalAlpha = strong ? 0.75 : 0.25;
      c.fillStyle = colour;
      c.fill();
    }
    c.globalAlpha = 1;
    c.fillStyle = c.strokeStyle = colour;
    c.lineWidth = strong ? 2.5 : 1.3;
    const { left, right, width } = this.view.size;
    if (line.style === "bars" || line.style === "dashed" || line.x.length < 0.8 * (width - left - right)) c.stroke();
    else fillColumns(c, line.x.length, (i) => this.#at(line, i), c.lineWidth);
    c.setLineDash([]);
  }

  #at(line, i) {
    return [this.#x(line.x[i]), this.plotHeight * (1 - axisPlace(this.picture.y, line.y[i]))];
  }

  /** Bands take two colours in turn, an empty one (dashed) a third; lines with a name take others. */
  #colour(i) {
    const { series, bad } = this.view.colours;
    const { bands, lines } = this.picture;
    if (!bands) return series[i % series.length];
    if (!lines[i].label) return lines[i].style === "dashed" ? bad : series[i % 2];
    const first = lines.findIndex((line) => line.label);
    return series[2 + ((i - first) % (series.length - 2))];
  }

  /** The bins that the band under the pointer gathers, as dots on its triangle. */
  #drawBins(c, band) {
    const { bin_hz, y } = this.picture;
    const [low, high] = [band.x[0], band.x[band.x.length - 1]];
    const top = band.y.indexOf(Math.max(...band.y));
    const bins = binsInside(low, band.x[top], high, bin_hz);
    c.fillStyle = this.view.colours.strong;
    if (this.#x(high) - this.#x(low) < 5 * bins.length) return; // dots would run into each other
    for (const { freq_hz, weight } of bins) {
      const at = this.plotHeight * (1 - axisPlace(y, weight * band.y[top]));
      drawStem(c, this.#x(freq_hz), at, this.plotHeight);
    }
  }

  draw() {
    const { width, left, right, font } = this.view.size;
    if (!width || !this.picture) return;
    const p = this.picture;
    const c = this.begin(this.base);
    const w = width - left - right;
    this.plotHeight = this.height - this.axisRoom;
    c.fillStyle = this.view.colours.plot;
    c.fillRect(left, 0, w, this.plotHeight);
    c.save();
    c.beginPath();
    c.rect(left, 0, w, this.plotHeight);
    c.clip();
    p.lines.forEach((line, i) => this.#stroke(c, line, this.#colour(i), false));
    c.restore();
    c.strokeStyle = this.view.colours.line;
    c.lineWidth = 1;
    c.strokeRect(left + 0.5, 0.5, w - 1, this.plotHeight - 1);
    this.#axes(c, w, font);
    this.#legend(c);
    this.drawOverlay();
  }

  #axes(c, w, font) {
    const { x, y } = this.picture;
    const { left } = this.view.size;
    const h = this.plotHeight;
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = this.view.colours.text;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const value of niceTicks(y.min, y.max, Math.max(2, Math.floor(h / (font * 3))))) {
      const at = h * (1 - axisPlace(y, value));
      c.fillRect(left - 5, Math.min(h - 1, Math.max(0, at - 0.5)), 5, 1);
      c.fillText(formatTick(value), left - 8, Math.min(h - font / 2, Math.max(font / 2, at)));
    }
    upright(c, y.unit ? `${y.label} (${y.unit})` : y.label, font * 0.75, h, font);
    c.textAlign = "center";
    let ticks = x.scale === "linear" ? niceTicks(x.min, x.max, Math.floor(w / (font * 8))) : niceFrequencies(x.min, x.max);
    if (x.names?.length) ticks = x.names.map((_name, i) => i);
    for (const value of ticks) {
      c.fillRect(this.#x(value) - 0.5, h, 1, 5);
      c.fillText(x.names?.[value] ?? formatTick(value), this.#x(value), h + font * 0.9);
    }
    c.fillText(x.unit ? `${x.label} (${x.unit})` : x.label, left + w / 2, h + font * 2.2);
  }

  #legend(c) {
    const series = this.picture.lines.map((line, i) => [line, this.#colour(i)]);
    drawLegend(c, series, this.view, this.plotHeight);
  }

  /** Names of vertical marks, the band under the pointer, and the pointer's frequency or level. */
  drawOverlay() {
    const { view } = this;
    const { width, left, right, font } = view.size;
    if (!width || !this.picture || this.isOverlaid([this.picture.marks, this.picture.x])) return;
    const c = this.begin(this.overlay);
    c.save();
    c.beginPath();
    c.rect(left, 0, width - left - right, this.plotHeight);
    c.clip();
    c.font = `${font}px system-ui, sans-serif`;
    c.textBaseline = "top";
    for (const [i, [value, name]] of this.picture.marks.entries()) {
      const x = this.#x(value);
      line(c, x, 0, x, this.plotHeight, view.colours.accent, 1.5);
      const late = x > (left + width - right) / 2;
      c.textAlign = late ? "right" : "left";
      c.fillStyle = view.colours.strong;
      c.fillText(name, x + (late ? -5 : 5), 3 + i * font * 1.3); // one below the other: marks may meet
    }
    const { hover } = view;
    if (hover) {
      const band = this.picture.bands && hover.band !== null ? this.picture.lines[hover.band] : null;
      if (band) this.#stroke(c, band, view.colours.accent, true);
      if (band && this.picture.bin_hz) this.#drawBins(c, band);
      const value = this.picture.x.unit === "Hz" ? hover.freq_hz : (hover.levels?.[this.picture.x.unit] ?? null);
      if (value !== null && !this.picture.x.names?.length) line(c, this.#x(value), 0, this.#x(value), this.plotHeight, view.colours.hover, 1);
    }
    c.restore();
  }
}

/** The bar over a name under the pointer: "go: 17.8 %". */
export function namedText({ x, y, lines }, value) {
  const place = Math.min(x.names.length - 1, Math.max(0, Math.round(value)));
  const heights = lines.map((line) => line.y[line.x.indexOf(place)]).filter(Number.isFinite);
  return `${x.names[place]}: ${formatNumber(Math.max(...heights), 1)} ${y.unit}`.trim();
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

// ------------------------------------------------------------------ the view

const HELP = [
  ["click", "move the playhead"],
  ["drag", "select a stretch (Esc clears it)"],
  ["space", "play or pause"],
  ["L", "loop"],
  ["P", "pin the picture, to compare"],
  ["\u2190 \u2192", "one frame back or on"],
  ["\u2191 \u2193", "read the picture at another frequency"],
  ["Home, End", "to the start or the end"],
  ["+ \u2212 0", "zoom in, zoom out, show all"],
  ["Ctrl + wheel", "zoom; Shift + wheel moves"],
];

/** How long the hand rests before the sound that its last step made is fetched. */
const REST_MS = 150;

class View {
  constructor(model, el) {
    this.model = model;
    this.player = new Player();
    this.selection = null;
    this.hover = null;
    this.drawn = 0;
    this.loop = false;
    this.size = { width: 0, left: 64, right: 74, ratio: 1, font: 12, scale: 1 };
    this.aborter = new AbortController();
    this.#build(el);
    this.#setGain();
    this.#readSound();
    this.#makeLanes();
    this.#readOutline();
    this.#listen();
    this.#text();
    this.#theme();
  }

  // ---- building

  #build(el) {
    const root = (this.root = make("div", "sound-view", {
      role: "group",
      tabindex: "0",
      "data-lm-suppress-shortcuts": "true",
    }));
    const button = (name, label, text) => {
      const node = make("button", `sv-button sv-${name}`, {
        type: "button",
        "aria-label": label,
        title: label,
        "data-lm-suppress-shortcuts": "true",
      });
      node.append(ICONS[text] ? icon(text) : text);
      return node;
    };
    this.buttons = {
      play: button("play", "Play (space)", "play"),
      loop: button("loop", "Loop (L)", "loop"),
      start: button("start", "To the start (Home)", "start"),
      pin: button("pin", "Pin this picture, to compare (P)", "Pin"),
      zoomIn: button("zoom-in", "Zoom in (+)", "+"),
      zoomOut: button("zoom-out", "Zoom out (\u2212)", "\u2212"),
      fit: button("fit", "Show the whole sound (0)", "All"),
      large: button("large", "Large type for a projector", "A\u2191"),
      help: button("help", "Keys and mouse", "?"),
    };
    this.clock = make("span", "sv-clock", { "aria-hidden": "true" });
    const transport = make("div", "sv-transport", { role: "toolbar", "aria-label": "Transport" });
    const { play, loop, start, pin, zoomIn, zoomOut, fit, large, help } = this.buttons;
    const gap = make("span", "sv-gap");
    transport.append(play, start, loop, this.clock, gap, zoomOut, zoomIn, fit, pin, large, help);
    this.help = make("div", "sv-keys", { hidden: "" });
    for (const [keys, what] of HELP) {
      const name = make("b");
      name.textContent = keys;
      const meaning = make("span");
      meaning.textContent = what;
      this.help.append(name, meaning);
    }
    this.readout = make("div", "sv-readout");
    this.message = make("div", "sv-message", { role: "alert" });
    this.notes = make("ul", "sv-notes", { "aria-live": "polite" });
    this.laneBox = make("div", "sv-lanes");
    this.chartBox = make("div", "sv-charts");
    this.timeAxis = make("canvas", "sv-time-axis", { "aria-hidden": "true" });
    this.seek = make("input", "sv-seek", {
      type: "range",
      min: "0",
      step: "any",
      "aria-label": "Playhead in seconds",
      "data-lm-suppress-shortcuts": "true",
    });
    this.hoverLine = make("div", "sv-hover", { role: "status" });
    root.append(transport, this.help, this.message, this.readout, this.notes, this.hoverLine, this.laneBox, this.timeAxis, this.seek, this.chartBox);
    el.append(root);
    root.soundView = this;
  }

  #readSound() {
    const bytes = this.model.get("sound");
    this.sampleRate = this.model.get("sample_rate");
    this.nSamples = this.model.get("n_samples");
    this.nChannels = this.model.get("n_channels");
    const start = bytes.byteOffset ?? 0;
    const buffer = bytes.buffer ?? bytes;
    this.samples = new Int16Array(buffer.slice(start, start + bytes.byteLength)); // a copy is aligned
    this.pyramid = null;
    this.outline = null;
    this.duration_s = this.nSamples / this.sampleRate;
    this.visible = this.#checkedVisible(this.model.get("visible"));
    this.playhead_s = Math.min(this.duration_s, this.model.get("playhead_s"));
    this.player.load(this.samples, this.sampleRate, this.nChannels);
    this.seek.max = String(this.duration_s);
  }

  /**
   * A slider makes a new sound at every step. While the hand moves, only its outline comes, to be
   * drawn; the sound itself is asked for when no newer one came for a while, or to be played.
   */
  #readOutline() {
    clearTimeout(this.rest);
    const { data, ...outline } = this.model.get("outline");
    if (!this.#lacksSound()) return;
    const start = data.byteOffset ?? 0;
    const samples = new Int16Array((data.buffer ?? data).slice(start, start + data.byteLength));
    this.outline = { ...outline, samples, length: samples.length / outline.n_channels };
    this.nChannels = outline.n_channels;
    this.rest = setTimeout(() => this.#askForSound(), REST_MS);
    this.lanes?.filter((lane) => lane.spec.kind === "waveform").forEach((lane) => lane.draw());
  }

  #lacksSound() {
    return (this.model.get("outline").serial ?? 0) > this.model.get("sound_serial");
  }

  #askForSound() {
    clearTimeout(this.rest);
    if (this.#lacksSound()) this.model.send({ type: "sound" });
  }

  /** Resolves when the newest sound is here, or after a second: then the last one must do. */
  async #newestSound() {
    this.#askForSound();
    const end = performance.now() + 1000;
    while (this.#lacksSound() && performance.now() < end) await new Promise((go) => setTimeout(go, 10));
  }

  /** An explorer's gain slider: heard and seen without sending the sound again. */
  #setGain() {
    this.gain = this.model.get("gain") ?? 1;
    this.player.setLevel(this.gain);
    this.lanes?.filter((lane) => lane.spec.kind === "waveform").forEach((lane) => lane.draw());
  }

  #makeLanes() {
    this.sources?.forEach((source) => source.close());
    this.sources = [];
    this.lanes = [];
    this.laneBox.textContent = this.chartBox.textContent = "";
    for (const spec of this.model.get("lanes")) {
      const lane = this.#addLane(spec);
      if (spec.kind === "waveform") continue;
      const source = kernelSource(this.model, spec.id, (picture) => this.#receive(lane, picture));
      this.sources.push(source);
      const first = source.current();
      if (first) lane.setPicture(first);
    }
    this.#placePin();
  }

  #addLane(spec, after = null) {
    const chart = spec.kind === "chart";
    const lane = chart ? new Chart(this, spec) : new Lane(this, spec);
    if (chart) {
      this.chartBox.append(lane.node);
      this.lanes.push(lane);
      this.#chartPointer(lane);
      return lane;
    }
    if (after) {
      after.node.after(lane.node);
      this.lanes.splice(this.lanes.indexOf(after) + 1, 0, lane);
    } else {
      this.laneBox.append(lane.node);
      this.lanes.push(lane);
    }
    this.#pointer(lane);
    return lane;
  }

  #receive(lane, picture) {
    lane.setPicture(picture);
    if (this.pointer) this.#hoverAt(this.pointer.lane, this.pointer.x, this.pointer.y);
    this.#drewPicture(lane);
  }

  #drewPicture(lane) {
    this.drawn += 1;
    const { settings, serial } = lane.picture;
    const detail = { lane: lane.spec.id, settings, serial };
    this.root.dispatchEvent(new CustomEvent("soundview:drawn", { bubbles: true, detail }));
  }

  #placePin() {
    const old = this.lanes.find((lane) => lane.spec.id === "pinned");
    if (old) {
      old.node.remove();
      this.lanes.splice(this.lanes.indexOf(old), 1);
    }
    const pinned = this.model.get("pinned");
    this.buttons.pin.setAttribute("aria-pressed", String(Boolean(pinned.lane)));
    this.buttons.pin.textContent = pinned.lane ? "Unpin" : "Pin";
    this.buttons.pin.hidden = !this.lanes.some((lane) => lane.spec.kind === "picture");
    const live = this.lanes.find((lane) => lane.spec.id === pinned.lane);
    if (!live) return;
    const lane = this.#addLane({ ...live.spec, id: "pinned", title: "pinned" }, live);
    lane.picture = readPicture(pinned.picture);
    lane.resize();
    lane.setPicture(lane.picture);
  }

  // ---- listening

  #listen() {
    const { model, root, buttons } = this;
    const { signal } = this.aborter;
    const on = (names, action) => names.forEach((name) => model.on(`change:${name}`, action));
    on(["readout", "notes", "error", "label"], () => this.#text());
    on(["theme"], () => this.#theme());
    on(["gain"], () => this.#setGain());
    on(["large_type"], () => this.layout(true));
    on(["pinned"], () => this.#placePin());
    on(["visible"], () => this.#setVisible(model.get("visible"), false));
    on(["playhead_s"], () => this.player.playing || this.#movePlayhead(model.get("playhead_s"), false));
    on(["outline"], () => this.#readOutline());
    on(["sound_serial", "sample_rate"], () => {
      const running = this.player.playing;
      const { playhead_s } = this;
      this.#readSound(); // stops what plays
      this.playhead_s = this.#inside(playhead_s); // wherever the hand looks meanwhile
      this.#transport();
      if (running) this.toggle(); // the new sound goes on where the old one was
      this.drawAll();
      this.#readOutline(); // a still newer one may have come meanwhile
    });
    buttons.play.onclick = () => this.toggle();
    buttons.start.onclick = () => this.seekTo(0);
    buttons.loop.onclick = () => this.setLoop(!this.loop);
    buttons.pin.onclick = () => model.send({ type: "pin" });
    buttons.zoomIn.onclick = () => this.zoom(0.5);
    buttons.zoomOut.onclick = () => this.zoom(2);
    buttons.fit.onclick = () => this.#setVisible([0, this.duration_s], true);
    buttons.large.onclick = () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.layout(true);
    };
    buttons.help.onclick = () => {
      this.help.hidden = !this.help.hidden;
      buttons.help.setAttribute("aria-expanded", String(!this.help.hidden));
    };
    this.seek.oninput = () => this.seekTo(Number(this.seek.value));
    root.addEventListener("keydown", (event) => this.#key(event));
    // only one view sounds at a time; another one's start pauses this one
    document.addEventListener("soundview:play", (event) => event.target !== root && this.#pause(), { signal });
    this.player.onEnd = (end_s) => this.#movePlayhead(end_s, true);
    this.observers = [new ResizeObserver(() => this.layout())];
    this.observers[0].observe(root);
    const themes = new MutationObserver(() => this.#theme());
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    this.observers.push(themes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  /** On a chart the pointer chooses a frequency (or a level), and the pictures above follow. */
  #chartPointer(lane) {
    const canvas = lane.overlay;
    canvas.addEventListener("pointermove", (event) => {
      if (!lane.picture) return;
      const value = lane.valueAt(event.clientX - canvas.getBoundingClientRect().left);
      const hover = this.#emptyHover(lane.spec.id, this.playhead_s);
      if (lane.picture.x.unit === "Hz") Object.assign(hover, { freq_hz: value, band: this.#bandOf(value) });
      else Object.assign(hover, { db: value, levels: { [lane.picture.x.unit]: value } });
      if (lane.picture.x.names?.length) hover.text = namedText(lane.picture, value);
      else hover.text = `${lane.picture.x.label} ${formatNumber(value, Math.abs(value) < 100 ? 1 : 0)} ${lane.picture.x.unit}`;
      this.#showHover(hover);
    });
    canvas.addEventListener("pointerleave", () => this.#showHover(null));
  }

  #pointer(lane) {
    const canvas = lane.overlay;
    let down = null;
    const timeAt = (event) => this.timeOf(event.clientX - canvas.getBoundingClientRect().left);
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      this.#hoverAt(lane, event.clientX - box.left, event.clientY - box.top);
      if (down && Math.abs(event.clientX - down.x) > 4) {
        const ends = [down.time_s, timeAt(event)].sort((a, b) => a - b);
        this.selection = ends.map((t) => this.#inside(t));
        this.drawOverlays();
      }
    });
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.#showHover(null);
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      down = { x: event.clientX, time_s: timeAt(event) };
      canvas.setPointerCapture(event.pointerId);
      this.root.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!down) return;
      if (Math.abs(event.clientX - down.x) <= 4) {
        if (this.selection && (down.time_s < this.selection[0] || down.time_s > this.selection[1])) this.selection = null;
        this.seekTo(down.time_s);
      } else this.seekTo(this.selection[0]);
      down = null;
    });
    canvas.addEventListener("pointercancel", () => (down = null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
        else if (event.shiftKey) this.pan((event.deltaX || event.deltaY) / 800);
        else return; // the page scrolls
        event.preventDefault();
      },
      { passive: false },
    );
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onSeek = event.target === this.seek;
    const onButton = event.target.tagName === "BUTTON";
    const step = this.#frameStep();
    const actions = {
      " ": () => this.toggle(),
      l: () => this.setLoop(!this.loop),
      p: () => !this.buttons.pin.hidden && this.model.send({ type: "pin" }),
      ArrowLeft: () => this.#inspectAt(this.playhead_s - step),
      ArrowRight: () => this.#inspectAt(this.playhead_s + step),
      ArrowUp: () => this.#inspectAt(this.playhead_s, 1),
      ArrowDown: () => this.#inspectAt(this.playhead_s, -1),
      Home: () => this.seekTo(0),
      End: () => this.seekTo(this.duration_s),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.#setVisible([0, this.duration_s], true),
      Escape: () => {
        this.selection = null;
        this.drawOverlays();
      },
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (onSeek && event.key !== " " && event.key.length > 1) || (onButton && event.key === " ")) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- sound and playhead

  async toggle() {
    if (this.player.playing) return this.#pause();
    if (this.#lacksSound()) await this.#newestSound();
    const [start, end] = this.selection ?? [0, this.duration_s];
    const outside = this.playhead_s < start || this.playhead_s >= end - 1e-3;
    const from = outside ? start : this.playhead_s;
    try {
      await this.player.play(from, this.loop, start, end);
    } catch (problem) {
      this.#say(`This browser cannot play the sound (${problem.message}). The pictures still work.`);
      return;
    }
    this.root.dispatchEvent(new CustomEvent("soundview:play", { bubbles: true }));
    this.#transport();
    const tick = () => {
      if (!this.player.playing) return;
      this.playhead_s = this.player.position();
      this.#follow();
      this.drawOverlays();
      this.#transport();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  #pause() {
    if (!this.player.playing) return;
    this.playhead_s = this.player.position();
    this.player.stop();
    this.#movePlayhead(this.playhead_s, true);
  }

  /** Move the playhead; sound that is running goes on from there. */
  seekTo(time_s) {
    const running = this.player.playing;
    this.player.stop();
    this.#movePlayhead(time_s, true);
    if (running) this.toggle();
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.player.playing) {
      this.#pause();
      this.toggle();
    }
    this.#transport();
  }

  #movePlayhead(time_s, save) {
    this.playhead_s = this.#inside(time_s);
    if (save && this.model.get("playhead_s") !== this.playhead_s) {
      this.model.set("playhead_s", this.playhead_s);
      this.model.save_changes();
    }
    this.#follow();
    this.drawOverlays();
    this.#transport();
  }

  #follow() {
    const [a, b] = this.visible;
    const span = b - a;
    if (this.playhead_s >= a && this.playhead_s <= b) return;
    const start = Math.max(0, Math.min(this.playhead_s, this.duration_s - span));
    this.#setVisible([start, start + span], true);
  }

  #transport() {
    const { play, loop } = this.buttons;
    const { playing } = this.player;
    if (this.wasPlaying !== playing) {
      play.replaceChildren(icon(playing ? "pause" : "play"));
      const label = playing ? "Pause (space)" : "Play (space)";
      play.setAttribute("aria-label", label);
      play.title = label;
      this.wasPlaying = playing;
    }
    loop.setAttribute("aria-pressed", String(this.loop));
    const digits = this.duration_s < 60 ? 2 : 1;
    this.clock.textContent = `${this.playhead_s.toFixed(digits)} / ${this.duration_s.toFixed(digits)} s`;
    this.seek.value = String(this.playhead_s);
    this.seek.setAttribute("aria-valuetext", `${this.playhead_s.toFixed(2)} seconds of ${this.duration_s.toFixed(2)}`);
  }

  // ---- the visible stretch

  #inside(time_s) {
    return Math.min(this.duration_s, Math.max(0, time_s));
  }

  #checkedVisible(visible) {
    const shortest = Math.min(this.duration_s, 16 / this.sampleRate);
    let [a, b] = visible?.length === 2 ? visible : [0, this.duration_s];
    a = this.#inside(a);
    b = this.#inside(b);
    if (b - a < shortest) {
      a = Math.max(0, Math.min(a, this.duration_s - shortest));
      b = a + shortest;
    }
    return [a, b];
  }

  #setVisible(visible, save) {
    this.visible = this.#checkedVisible(visible);
    if (save) {
      this.model.set("visible", [...this.visible]);
      this.model.save_changes();
    }
    this.drawAll();
  }

  /** Make the visible stretch `factor` times as long; the selection, if there is one, fills the view first. */
  zoom(factor, around = null) {
    const [a, b] = this.visible;
    if (factor < 1 && around === null && this.selection && this.selection[1] - this.selection[0] < (b - a) * 0.95) {
      this.#setVisible(this.selection, true);
      return;
    }
    const inView = this.playhead_s >= a && this.playhead_s <= b;
    const centre = around ?? (inView ? this.playhead_s : (a + b) / 2);
    const place = (centre - a) / (b - a);
    const span = Math.min(this.duration_s, (b - a) * factor);
    const start = Math.max(0, Math.min(centre - place * span, this.duration_s - span));
    this.#setVisible([start, start + span], true);
  }

  pan(share) {
    const [a, b] = this.visible;
    const start = Math.max(0, Math.min(a + share * (b - a), this.duration_s - (b - a)));
    this.#setVisible([start, start + (b - a)], true);
  }

  xOf(time_s) {
    const { width, left, right } = this.size;
    const [a, b] = this.visible;
    return left + ((time_s - a) / (b - a)) * (width - left - right);
  }

  timeOf(x) {
    const { width, left, right } = this.size;
    const [a, b] = this.visible;
    return a + ((x - left) / (width - left - right)) * (b - a);
  }

  // ---- samples

  sampleAt(n, channel = 0) {
    if (this.outline) return outlined(this.outline, n, n + 1, channel)[1];
    return this.samples[n * this.nChannels + channel];
  }

  /** Smallest and largest sample of a channel between two sample numbers. */
  extremes(from, to, channel = 0) {
    if (this.outline) return outlined(this.outline, from, to, channel);
    let a = Math.max(0, Math.floor(from));
    const b = Math.min(this.nSamples, Math.max(a + 1, Math.ceil(to)));
    let low = 32767;
    let high = -32768;
    if (b - a > 512) {
      this.pyramid ??= [];
      const { block, min, max } = (this.pyramid[channel] ??= envelope(this.samples, 64, this.nChannels, channel));
      for (let i = Math.floor(a / block); i < Math.ceil(b / block); i++) {
        if (min[i] < low) low = min[i];
        if (max[i] > high) high = max[i];
      }
      return [low, high];
    }
    for (; a < b; a++) {
      const value = this.sampleAt(a, channel);
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  }

  // ---- reading the picture

  #frameLane() {
    return this.lanes.find((lane) => lane.picture?.frames?.hop_s);
  }

  #frameStep() {
    const lane = this.#frameLane();
    return lane ? lane.picture.frames.hop_s * lane.picture.frames.step : (this.visible[1] - this.visible[0]) / 100;
  }

  /** Keyboard reading: the playhead chooses the time, up and down choose the row. */
  #inspectAt(time_s, up = 0) {
    this.player.stop();
    this.#movePlayhead(time_s, true);
    const lane = this.#frameLane();
    if (!lane) return;
    const rows = Math.min(lane.picture.n_rows, 128);
    this.keyPlace = Math.min(1 - 0.5 / rows, Math.max(0.5 / rows, (this.keyPlace ?? 0.25) + up / rows));
    this.#showHover(this.#found(lane, this.playhead_s, this.keyPlace));
  }

  #hoverAt(lane, x, y) {
    this.pointer = { lane, x, y };
    const time_s = this.timeOf(x);
    const [a, b] = this.visible;
    if (time_s < a || time_s > b) return this.#showHover(null);
    this.#showHover(this.#found(lane, time_s, 1 - y / lane.height));
  }

  #emptyHover(lane, time_s) {
    const unknown = ["frame", "freq_hz", "bin", "mel", "band", "db", "samples", "centre_s", "amplitude", "window", "field"];
    return { lane, time_s, ...Object.fromEntries(unknown.map((name) => [name, null])) };
  }

  #found(lane, time_s, place) {
    const hover = this.#emptyHover(lane.spec.id, time_s);
    const source = lane.spec.kind === "picture" ? lane : this.#frameLane();
    const at = source?.picture ? inspect(source.picture, time_s, lane === source ? place : 0, this.sampleRate) : null;
    if (at) {
      const { frame, centre_s, samples } = at;
      Object.assign(hover, { frame, centre_s, samples, window: source.picture.frames.window });
      if (lane === source) Object.assign(hover, at, { levels: this.#levelsAt(lane, time_s, at.freq_hz) });
    }
    if (hover.freq_hz !== null && hover.band === null && !hover.field) hover.band = this.#bandOf(hover.freq_hz);
    const n = Math.min(this.nSamples - 1, Math.max(0, Math.round(time_s * this.sampleRate)));
    hover.sample = n;
    hover.amplitude = (this.sampleAt(n) / 32767) * this.gain;
    hover.right = this.nChannels === 2 ? (this.sampleAt(n, 1) / 32767) * this.gain : null;
    return hover;
  }

  /** What every picture shows at this time and frequency, by its unit: for the charts in that unit. */
  #levelsAt(lane, time_s, freq_hz) {
    const levels = {};
    for (const other of [lane, ...this.lanes]) {
      const { picture } = other;
      if (other.spec.kind !== "picture" || !picture || picture.value_unit in levels) continue;
      const at = inspect(picture, time_s, axisPlace(picture.y, freq_hz), this.sampleRate);
      if (at) levels[picture.value_unit] = at.db;
    }
    return levels;
  }

  #bandOf(freq_hz) {
    const lane = this.lanes.find((other) => other.picture?.rows?.kind === "band");
    if (!lane) return null;
    const place = axisPlace(lane.picture.y, freq_hz);
    return place >= 0 && place < 1 ? Math.floor(place * lane.picture.n_rows) : null;
  }

  #showHover(hover) {
    this.hover = hover;
    this.hoverLine.textContent = hover ? this.#hoverText(hover) : "";
    this.drawOverlays();
  }

  #hoverText(hover) {
    if (hover.text) return hover.band === null ? hover.text : `${hover.text} \u00b7 ${this.#bandText(hover.band)}`;
    const words = [`time ${hover.time_s.toFixed(4)} s`];
    const lane = this.lanes.find((other) => other.spec.id === hover.lane);
    if (hover.field) return fieldText(hover, lane.picture);
    if (lane.spec.kind === "waveform") {
      words.push(`sample ${formatNumber(hover.sample)}`);
      if (hover.right === null) words.push(`amplitude ${amplitudeText(hover.amplitude)}`);
      else words.push(`left ${amplitudeText(hover.amplitude)}`, `right ${amplitudeText(hover.right)}`);
    } else if (lane.spec.kind === "curve" && lane.picture?.stems) {
      const { values, t0_s, dt_s, y } = lane.picture;
      const value = values[Math.round((hover.time_s - t0_s) / dt_s)];
      if (value !== undefined) words.push(`${y.label} ${formatNumber(value, 4)} ${y.unit}`.trim());
    }
    if (hover.frame !== null) words.push(`frame ${formatNumber(hover.frame)}`);
    if (hover.samples) words.push(`samples ${formatNumber(hover.samples[0])} to ${formatNumber(hover.samples[1])}`);
    if (hover.freq_hz !== null) {
      words.push(`${formatNumber(hover.freq_hz)} Hz`);
      if (hover.mel !== null) words.push(`${formatNumber(hover.mel)} mel`);
      if (hover.bin !== null) words.push(this.#binText(lane.picture.rows, hover.bin));
      if (hover.band !== null && this.lanes.some((other) => other.picture?.rows?.kind === "band")) {
        words.push(this.#bandText(hover.band));
      }
      const { value_unit } = lane.picture;
      words.push(`${hover.floor ? "\u2264 " : ""}${formatNumber(hover.db, 1)} ${value_unit}`);
    }
    return words.join(" \u00b7 ");
  }

  #binText(rows, bin) {
    if (rows.per_row <= 1) return `bin ${bin}`;
    return `bins ${bin} to ${Math.min(rows.count, bin + rows.per_row) - 1}`; // the loudest is shown
  }

  #bandText(band) {
    const { rows } = this.lanes.find((other) => other.picture?.rows?.kind === "band").picture;
    const text = `band ${band} (${formatNumber(rows.low[band])} to ${formatNumber(rows.high[band])} Hz)`;
    if (!rows.bin_hz) return text;
    const count = binsInside(rows.low[band], rows.centre[band], rows.high[band], rows.bin_hz).length;
    return `${text}: ${count || "no"} bin${count === 1 ? "" : "s"}`;
  }

  // ---- text, theme, layout

  #say(text) {
    this.message.textContent = text;
  }

  #text() {
    this.root.setAttribute("aria-label", this.model.get("label"));
    this.#say(this.model.get("error"));
    this.readout.textContent = "";
    for (const [name, value] of this.model.get("readout")) {
      const pair = make("span");
      const number = make("b");
      number.textContent = value;
      pair.append(`${name} `, number);
      this.readout.append(pair);
    }
    this.notes.textContent = "";
    for (const note of this.model.get("notes")) {
      const item = make("li");
      item.textContent = note;
      this.notes.append(item);
    }
  }

  #theme() {
    const wanted = this.model.get("theme");
    const lab = document.body.dataset.jpThemeLight;
    const system = matchMedia("(prefers-color-scheme: dark)").matches;
    const dark = wanted === "auto" ? (lab ? lab === "false" : system) : wanted === "dark";
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const read = (name) => style.getPropertyValue(`--sv-${name}`).trim();
    this.colours = Object.fromEntries(
      ["plot", "line", "grid", "text", "strong", "wave", "accent", "hover", "seen", "select", "bad"].map((name) => [name, read(name)]),
    );
    this.colours.series = [1, 2, 3, 4, 5].map((i) => read(`series-${i}`));
    this.drawAll();
  }

  layout(force = false) {
    const large = this.model.get("large_type");
    this.root.classList.toggle("sv-large", large);
    this.buttons.large.setAttribute("aria-pressed", String(large));
    const width = this.laneBox.clientWidth;
    if (width && !this.colours.plot) this.#theme(); // computed styles exist only inside a page
    const ratio = window.devicePixelRatio || 1;
    if (!width || (!force && width === this.size.width && ratio === this.size.ratio)) return;
    const font = large ? 19 : 12;
    const tall = this.lanes.reduce((sum, lane) => sum + lane.spec.height, 0);
    // on a projector all lanes should stand on one screen, under the sliders
    const scale = large ? Math.min(1.4, Math.max(0.7, (window.innerHeight - 340) / tall)) : 1;
    this.size = { width, ratio, font, scale, left: Math.round(font * 5.6), right: Math.round(font * 6) };
    this.root.style.setProperty("--sv-left", `${this.size.left}px`);
    this.root.style.setProperty("--sv-right", `${this.size.right}px`);
    this.lanes.forEach((lane) => lane.resize());
    this.drawAll();
  }

  drawAll() {
    if (!this.size.width || !this.colours) return;
    this.lanes.forEach((lane) => lane.draw());
    this.#drawTimeAxis();
    this.#transport();
  }

  drawOverlays() {
    this.lanes.forEach((lane) => lane.drawOverlay());
  }

  #drawTimeAxis() {
    const { width, ratio, left, right, font } = this.size;
    const canvas = this.timeAxis;
    const height = Math.round(font * 3);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = this.colours.text;
    c.textAlign = "center";
    const [a, b] = this.visible;
    const ticks = niceTicks(a, b, Math.floor((width - left - right) / (font * 7)));
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : b - a;
    const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
    for (const t of ticks) {
      c.fillRect(this.xOf(t) - 0.5, 0, 1, 5);
      c.fillText(t.toFixed(digits), this.xOf(t), font + 6);
    }
    c.fillText("time (s)", left + (width - left - right) / 2, font * 2 + 8);
  }

  /** What the tests and a curious student read: root.soundView.state() */
  state() {
    const lanes = this.lanes.map((lane) => ({
      id: lane.spec.id,
      kind: lane.spec.kind,
      title: lane.spec.title,
      settings: lane.picture?.settings ?? null,
      shape: lane.picture?.data ? [lane.picture.n_rows, lane.picture.n_columns] : null,
    }));
    const { playhead_s, loop, duration_s, visible, hover, drawn, selection } = this;
    return {
      playhead_s, loop, duration_s, visible, hover, drawn, selection, lanes,
      playing: this.player.playing,
      pinned: this.lanes.some((lane) => lane.spec.id === "pinned"),
      waitsForSound: this.#lacksSound(),
      error: this.message.textContent,
      notes: [...this.notes.children].map((item) => item.textContent),
      theme: this.root.dataset.theme,
      large: this.root.classList.contains("sv-large"),
    };
  }

  close() {
    clearTimeout(this.rest);
    this.aborter.abort();
    this.observers.forEach((observer) => observer.disconnect());
    this.sources.forEach((source) => source.close());
    this.player.close();
  }
}

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
