// @ts-check
/**
 * SoundView, JavaScript half: lanes over one time axis, one playhead, one transport.
 *
 * It draws numbers and plays samples. A lane's picture comes from the kernel (`kernelSource`), or,
 * while the hand moves, from the engine in the browser (`Preview`): both deliver the same object.
 *
 * A widget's module cannot import files beside it, so the parts in this folder are joined into one
 * when the course is imported, as `order.json` says: engine and words (the signal chain, in the folder
 * above) - numbers (pure helpers, tested under node) - colours - player - lane - chart - preview (who
 * draws when) - view (layout, hand, keyboard) - source (and render).
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
  const min = new samples.constructor(n); // 16-bit samples, or a waveform
  const max = new samples.constructor(n);
  const total = Math.floor(samples.length / stride);
  for (let b = 0; b < n; b++) {
    let low = Infinity;
    let high = -Infinity;
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

/** The bar over a name under the pointer: "go: 17.8 %". */
export function namedText({ x, y, lines }, value) {
  const place = Math.min(x.names.length - 1, Math.max(0, Math.round(value)));
  const heights = lines.map((line) => line.y[line.x.indexOf(place)]).filter(Number.isFinite);
  return `${x.names[place]}: ${formatNumber(Math.max(...heights), 1)} ${y.unit}`.trim();
}
