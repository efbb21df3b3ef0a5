// The pure helpers of the training view, under node: `node --test tests/unit/js`
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const file = new URL("../../../course_utils/explorers/static/training.js", import.meta.url);
const text = readFileSync(file, "utf8");
const training = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));

const CURVES = {
  train_loss: [2, 1],
  validation_loss: [2.5, null],
  train_accuracy: [0.5, 0.75],
  validation_accuracy: [0.25, null],
  live: { x: 2.4, train_loss: 4, train_accuracy: 0.1 },
};

test("ticks begin at 0 and stay inside", () => {
  assert.deepEqual(training.niceTicks(1.5, 3), [0, 0.5, 1, 1.5]);
  assert.deepEqual(training.niceTicks(100, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(training.niceTicks(3, 10, true), [0, 1, 2, 3]); // no half epochs
  assert.deepEqual(training.niceTicks(0, 4), [0]);
});

test("the axis of the loss holds its highest point, that of the accuracy is always 100 %", () => {
  const [loss, accuracy] = training.CHARTS;
  assert.ok(training.topOf(CURVES, loss) > 4);
  assert.ok(training.topOf({ ...CURVES, live: null }, loss) < 3);
  assert.equal(training.topOf(CURVES, accuracy), 100);
  const nothing = { train_loss: [], validation_loss: [], train_accuracy: [], validation_accuracy: [], live: null };
  assert.equal(training.topOf(nothing, loss), 1);
});

test("an epoch in words leaves out what was not measured", () => {
  assert.equal(
    training.epochText(CURVES, 1),
    "epoch 1 · training loss 2.000 · validation loss 2.500 · training accuracy 50.0 % · validation accuracy 25.0 %",
  );
  assert.equal(training.epochText(CURVES, 2), "epoch 2 · training loss 1.000 · training accuracy 75.0 %");
});
