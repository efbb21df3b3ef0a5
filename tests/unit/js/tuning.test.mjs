// The pure helpers of the accuracy map and of a sweep's progress, under node: `node --test tests/unit/js`
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const load = (name) => {
  const text = readFileSync(new URL(`../../../course_utils/explorers/static/${name}`, import.meta.url), "utf8");
  return import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
};
const tuning = await load("tuning.js");
const sweeping = await load("sweeping.js");

test("arrow keys walk inside a table that is no square", () => {
  assert.deepEqual(tuning.move("ArrowRight", 1, 3, 2, 5), [1, 4]);
  assert.deepEqual(tuning.move("ArrowRight", 1, 4, 2, 5), [1, 4]);
  assert.deepEqual(tuning.move("ArrowDown", 1, 3, 2, 5), [1, 3]);
  assert.deepEqual(tuning.move("ArrowUp", 1, 3, 2, 5), [0, 3]);
  assert.deepEqual(tuning.move("Home", 1, 3, 2, 5), [1, 0]);
  assert.deepEqual(tuning.move("End", 0, 0, 2, 5), [0, 4]);
  assert.equal(tuning.move("Tab", 0, 0, 2, 5), null);
});

test("arrow keys walk from the cheapest point to the dearest", () => {
  assert.equal(tuning.step("ArrowRight", 2, 5), 3);
  assert.equal(tuning.step("ArrowRight", 4, 5), 4);
  assert.equal(tuning.step("ArrowLeft", 0, 5), 0);
  assert.equal(tuning.step("ArrowLeft", -1, 5), 0); // nothing is chosen yet
  assert.equal(tuning.step("Home", 3, 5), 0);
  assert.equal(tuning.step("End", 3, 5), 4);
  assert.equal(tuning.step("Enter", 3, 5), null);
});

test("ticks are round and inside", () => {
  assert.deepEqual(tuning.logTicks(90, 9000), [100, 200, 500, 1000, 2000, 5000]);
  assert.deepEqual(tuning.logTicks(0.65, 3.3), [0.7, 1, 1.5, 2, 3]);
  assert.deepEqual(tuning.linearTicks(72.4, 91, 4), [75, 80, 85, 90]);
  assert.deepEqual(tuning.linearTicks(5, 5, 4), [5]);
});

test("axes leave room for points and error bars, also for a single point", () => {
  const ends = tuning.extent([
    { x: 10, y: 80, spread: 3 },
    { x: 100, y: 99.9, spread: 2 },
  ]);
  assert.ok(ends.left < 10 && ends.right > 100);
  assert.ok(ends.low < 77 && ends.high <= 100.5 && ends.high > 99.9);
  const one = tuning.extent([{ x: 10, y: 80, spread: 0 }]);
  assert.ok(one.left < 10 && one.right > 10 && one.low < 80 && one.high > 80);
});

test("the nearest point within reach is meant, and of two in one place the later drawn", () => {
  const points = [{ px: 0, py: 0 }, { px: 30, py: 0 }, { px: 30, py: 0 }];
  assert.equal(tuning.nearest(points, 4, 3), 0);
  assert.equal(tuning.nearest(points, 22, 0), 2);
  assert.equal(tuning.nearest(points, 4, 3, 4), -1);
  assert.equal(tuning.nearest([], 4, 3), -1);
});

test("the stop button says what it does, and when it was not heard", () => {
  assert.deepEqual(sweeping.buttonOf("waiting", null), { text: "Stop", disabled: true, unheard: false });
  assert.deepEqual(sweeping.buttonOf("running", null), { text: "Stop", disabled: false, unheard: false });
  assert.deepEqual(sweeping.buttonOf("running", 100), { text: "Stopping \u2026", disabled: true, unheard: false });
  assert.deepEqual(sweeping.buttonOf("running", 5000), { text: "Stop", disabled: false, unheard: true });
  assert.deepEqual(sweeping.buttonOf("stopping", 5000), { text: "Stopping \u2026", disabled: true, unheard: false });
  assert.deepEqual(sweeping.buttonOf("done", 100), { text: "Stop", disabled: true, unheard: false });
});
