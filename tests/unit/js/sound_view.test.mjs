// The pure helpers of the widget's JavaScript, under node: `node --test tests/unit/js`
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const parts = new URL("../../../course_utils/sound_view/static/parts/", import.meta.url);
const read = (name) => readFileSync(new URL(name, parts), "utf8");
const text = JSON.parse(read("order.json")).map((name) => read(`${name}.js`)).join("\n");
const view = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));

const close = (a, b, tolerance = 1e-9) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);
const LINEAR = { scale: "linear", min: -10, max: 110, table: [], mel_table: [] };
const LOG = { scale: "log", min: 40, max: 8000, table: [], mel_table: [] };
const TABLE = { scale: "table", min: 0, max: 8000, table: [0, 100, 400, 1600, 8000], mel_table: [] };

test("an axis place and its value undo each other on every scale", () => {
  for (const y of [LINEAR, LOG, TABLE]) {
    for (const place of [0, 0.1, 0.25, 0.6, 0.99, 1]) {
      close(view.axisPlace(y, view.axisValue(y, place)), place);
    }
  }
});

test("axis values are where they should be", () => {
  close(view.axisValue(LINEAR, 0.5), 50);
  close(view.axisValue(LOG, 0.5), Math.sqrt(40 * 8000), 1e-6);
  close(view.axisValue(TABLE, 0.5), 400);
  close(view.axisValue(TABLE, 0.375), 250);
});

test("ticks are round, inside and about as many as asked", () => {
  assert.deepEqual(view.niceTicks(0, 8000, 4), [0, 2000, 4000, 6000, 8000]);
  for (const [min, max] of [[-45, 35], [0.123, 0.131], [0, 600]]) {
    const ticks = view.niceTicks(min, max, 4);
    assert.ok(ticks.length >= 2 && ticks.length <= 8, `${ticks}`);
    assert.ok(ticks.every((t) => t >= min - 1e-9 && t <= max + 1e-6));
  }
});

test("numbers are written with groups and a real minus", () => {
  assert.equal(view.formatNumber(1234567), "1\u202f234\u202f567");
  assert.equal(view.formatNumber(-12.34, 1), "\u221212.3");
  assert.equal(view.formatNumber(-0.04, 1), "0.0");
  assert.equal(view.formatNumber(0.12345, 4), "0.1235");
});

test("pooling keeps the loudest cell, so a thin line never vanishes", () => {
  const data = new Uint8Array(100 * 100);
  data[37 * 100 + 91] = 200;
  const small = view.poolMax(data, 100, 100, 10, 20);
  assert.deepEqual([small.nRows, small.nColumns], [10, 20]);
  assert.equal(small.data[3 * 20 + 18], 200);
  assert.equal(small.data.reduce((sum, v) => sum + v, 0), 200);
});

test("a picture that fits is not copied", () => {
  const data = new Uint8Array(12);
  assert.equal(view.poolMax(data, 3, 4, 10, 10).data, data);
});

test("the envelope of a waveform holds its extremes, also in the last short block", () => {
  const samples = Int16Array.from([1, -5, 3, 9, 0, 7, -2]);
  const { min, max } = view.envelope(samples, 3);
  assert.deepEqual([...min], [-5, 0, -2]);
  assert.deepEqual([...max], [3, 9, -2]);
});

test("the envelope of a stereo sound takes one channel", () => {
  const { max } = view.envelope(Int16Array.from([1, 100, 2, 100, 3, 100]), 2, 2, 0);
  assert.deepEqual([...max], [2, 3]);
});

test("an outline gives the extremes of its blocks, channel by channel, and nothing beside them", () => {
  const lows = [-1, -2], highs = [1, 2];
  const samples = Int16Array.from([...lows, ...highs, -30, -40, 30, 40]);
  const outline = { first: 100, block: 10, length: 4, samples };
  assert.deepEqual(view.outlined(outline, 100, 110, 0), [-1, 1]);
  assert.deepEqual(view.outlined(outline, 100, 111, 0), [-2, 2]);
  assert.deepEqual(view.outlined(outline, 112, 119, 1), [-40, 40]);
  assert.deepEqual(view.outlined(outline, 130, 140, 0), [0, 0]);
});

test("an outline of single samples gives back each of them", () => {
  const outline = { first: 7, block: 1, length: 3, samples: Int16Array.from([5, -6, 8, 50, -60, 80]) };
  assert.deepEqual([7, 8, 9].map((n) => view.outlined(outline, n, n + 1, 0)[1]), [5, -6, 8]);
  assert.deepEqual(view.outlined(outline, 8, 10, 1), [-60, 80]);
});

test("the playhead runs, stops at the end, and folds into the loop", () => {
  close(view.playedTo(0.5, 0.25, false, 0, 2), 0.75);
  close(view.playedTo(0.5, 9, false, 0, 2), 2);
  close(view.playedTo(1.5, 1.0, true, 1, 2), 1.5);
  close(view.playedTo(0, -0.1, false, 0, 2), 0); // sound that is still on its way out
});

const PICTURE = {
  data: Uint8Array.from([0, 51, 102, 153, 204, 255]), n_rows: 2, n_columns: 3, t0_s: -0.016, dt_s: 0.032,
  y: { label: "frequency", unit: "Hz", scale: "linear", min: 0, max: 200, table: [], mel_table: [0, 100, 200] },
  value_min: -80, value_max: 0, rows: { kind: "bin", spacing_hz: 100, count: 2, per_row: 1 },
  frames: { first: 0, step: 1, hop_s: 0.032, centre0_s: 0, before_s: 0.01, after_s: 0.02 },
};

test("inspect says frame, frequency, level, and the samples that the frame saw", () => {
  const found = view.inspect(PICTURE, 0.035, 0.75, 1000);
  assert.equal(found.frame, 1);
  close(found.centre_s, 0.032);
  close(found.freq_hz, 150);
  close(found.mel, 150);
  close(found.db, -80 + (204 / 255) * 80);
  assert.deepEqual(found.samples, [22, 52]);
  assert.equal(found.floor, false);
  assert.equal(view.inspect(PICTURE, 0, 0.1, 1000).floor, true);
});

test("inspect counts frames of a thinned picture in true frame numbers", () => {
  const thinned = { ...PICTURE, frames: { ...PICTURE.frames, first: 8, step: 4, hop_s: 0.008 } };
  assert.equal(view.inspect(thinned, 0.035, 0.75, 1000).frame, 12);
});

test("a unit of a network says what it sees, and lights the samples that its field saw", () => {
  const cell = { count: 4, from: 0, to: 1 };
  const rows = [0, 1, 2, 3].map((i) => ({ ...cell, low_hz: 100 * i, high_hz: 100 * i + 250 }));
  const columns = [0, 1, 2, 3].map((i) => ({ ...cell, start_s: i, end_s: i + 0.5 }));
  const unit = { ...PICTURE, frames: { ...PICTURE.frames, fields: { rows, columns } }, value_label: "activation", value_unit: "" };
  const found = view.inspect(unit, 0.035, 0.75, 1000);
  assert.deepEqual(found.samples, [1000 * found.frame, 1000 * found.frame + 500]);
  assert.equal(found.field.row.low_hz, 100 * found.row);
  const text = view.fieldText({ ...found, db: 0.5 }, unit);
  assert.match(text, /^unit in row \d, column 1 · sees 4 bands × 4 frames · 1\u202f000 to 1\u202f500 ms · /);
  assert.match(text, /activation 0\.50$/);
  assert.equal(view.inspect(PICTURE, 0.035, 0.75, 1000).field, null);
});
test("a bar under the pointer says its name and its value", () => {
  const x = { names: ["yes", "no"] };
  const bars = [{ x: [0, 1], y: [97.25, 0] }, { x: [0, 1], y: [0, 2.75] }];
  const chart = { x, y: { unit: "%" }, lines: bars };
  assert.equal(view.namedText(chart, 0.2), "yes: 97.3 %");
  assert.equal(view.namedText(chart, 5), "no: 2.8 %");
});
test("inspect finds nothing outside the picture", () => {
  assert.equal(view.inspect(PICTURE, -1, 0.5, 1000), null);
  assert.equal(view.inspect(PICTURE, 0.5, 0.5, 1000), null);
});

test("the colours run from near black to near white and never jump", () => {
  const colours = view.makeColours();
  const channels = (v) => [v & 255, (v >> 8) & 255, (v >> 16) & 255];
  assert.deepEqual(channels(colours[0]), [0, 0, 4]);
  assert.deepEqual(channels(colours[255]), [0xfc, 0xfd, 0xbf]);
  let light = -1;
  for (const colour of colours) {
    const [r, g, b] = channels(colour);
    const now = 0.299 * r + 0.587 * g + 0.114 * b;
    assert.ok(now >= light - 1.5, "lightness falls");
    light = now;
  }
});

test("an amplitude is told with its level, silence without one", () => {
  assert.equal(view.amplitudeText(0.5), "0.500 (\u22126.0 dBFS)");
  assert.equal(view.amplitudeText(-1), "\u22121.000 (0.0 dBFS)");
  assert.equal(view.amplitudeText(0), "0.000 (silent)");
});

test("bins inside a band: those on its ends weigh nothing", () => {
  assert.deepEqual(view.binsInside(42.2, 56.87, 71.8, 40), []);
  const bins = view.binsInside(1000, 1250, 1500, 125);
  assert.deepEqual(bins.map((b) => b.bin), [9, 10, 11]);
  assert.deepEqual(bins.map((b) => b.weight), [0.5, 1, 0.5]);
  assert.deepEqual(view.binsInside(0, 27.67, 56.44, 15.625).map((b) => b.bin), [1, 2, 3]);
});

test("a file keeps whole steps of a sound behind a gain, and clips", () => {
  const stored = { samples: Int16Array.of(-32768, -3, 0, 100, 32767), fullScale: 32768 };
  assert.deepEqual([...view.fileBehind(stored, 1)], [-32768, -3, 0, 100, 32767]);
  assert.deepEqual([...view.fileBehind(stored, 0.5)], [-16384, -1, 0, 50, 16384]);
  assert.deepEqual([...view.fileBehind(stored, 2)], [-32768, -6, 0, 200, 32767]);
  const computed = { samples: Float32Array.of(0.25, -1.5, 1e-6), fullScale: 1 };
  assert.deepEqual([...view.fileBehind(computed, 1)], [8192, -32768, 0]);
});

const cells = (data, others = {}) => ({
  data: Uint8Array.from(data), n_rows: 2, value_min: -80, value_max: 0, value_unit: "dB", ...others,
});

test("the difference of two pictures is that of their worst cell", () => {
  const picture = cells([0, 10, 200, 255]);
  assert.deepEqual(view.pictureDifference(cells([0, 10, 200, 255]), picture), { steps: 0, size: 0, unit: "dB" });
  const found = view.pictureDifference(cells([1, 10, 197, 255]), picture);
  assert.equal(found.steps, 3);
  close(found.size, (3 * 80) / 255);
});

test("colours that mean something else differ, too, and so does another shape", () => {
  const picture = cells([0, 10, 200, 255]);
  const shifted = view.pictureDifference(cells([0, 10, 200, 255], { value_min: -70, value_max: 10 }), picture);
  assert.equal(shifted.steps, 32); // 10 dB of 80, in 255 steps
  close(shifted.size, 10);
  assert.equal(view.pictureDifference(cells([0, 10]), picture).steps, 255);
  assert.equal(view.pictureDifference(cells([0, 10, 200, 255], { n_rows: 4 }), picture).steps, 255);
});

test("a difference is told in steps and in the unit of the colours", () => {
  assert.equal(view.differenceText({ steps: 0, size: 0, unit: "dB" }), "preview was the same");
  assert.equal(view.differenceText({ steps: 1, size: 80 / 255, unit: "dB" }), "preview was off by 1 of 255 steps (0.31 dB)");
});

test("pictures look alike whoever made them, and one other cell is seen", () => {
  const y = { label: "f", unit: "Hz", min: 0, max: 8000, scale: "linear", table: [] };
  const made = (data, others = {}) => ({ ...cells(data), y, marks: [], engine: "preview", serial: 1, ...others });
  const old = made([1, 2, 3, 4]);
  const kernels = { engine: "PyTorch", serial: 9, value_max: 1e-9, y: { ...y, names: [] }, settings: { n: 1 } };
  assert.ok(view.looksLike(old, made([1, 2, 3, 4], kernels)));
  assert.ok(!view.looksLike(old, made([1, 2, 3, 5])));
  assert.ok(!view.looksLike(old, made([1, 2, 3, 4], { marks: [2] })));
  assert.ok(!view.looksLike(old, made([1, 2, 3, 4], { value_min: -79 })));
  assert.ok(!view.looksLike(old, made([1, 2, 3, 4], { y: { ...y, max: 4000 } })));
  assert.ok(!view.looksLike(old, made([1, 2, 3, 4], { y: { ...y, table: [1] } })));
  const line = { x: Float32Array.of(0, 1), y: Float32Array.of(2, 3), label: "" };
  const chart = { kind: "chart", lines: [line], data: null };
  assert.ok(view.looksLike(chart, { ...chart, lines: [{ ...line, y: Float32Array.of(2, 3) }] }));
  assert.ok(!view.looksLike(chart, { ...chart, lines: [{ ...line, y: Float32Array.of(2, 4) }] }));
  assert.ok(!view.looksLike(chart, { ...chart, lines: [line, line] }));
});
