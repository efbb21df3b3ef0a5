// The pure helpers of the confusion matrix, under node: `node --test tests/unit/js`
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const file = new URL("../../../course_utils/explorers/static/confusion.js", import.meta.url);
const text = readFileSync(file, "utf8");
const confusion = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));

test("arrow keys walk inside the grid", () => {
  assert.deepEqual(confusion.move("ArrowRight", 1, 1, 3), [1, 2]);
  assert.deepEqual(confusion.move("ArrowRight", 1, 2, 3), [1, 2]);
  assert.deepEqual(confusion.move("ArrowUp", 0, 1, 3), [0, 1]);
  assert.deepEqual(confusion.move("Home", 2, 1, 3), [2, 0]);
  assert.deepEqual(confusion.move("End", 2, 1, 3), [2, 2]);
  assert.equal(confusion.move("Tab", 2, 1, 3), null);
});

test("per cent never round some to none, or nearly all to all", () => {
  assert.equal(confusion.percent(3, 12), "25 %");
  assert.equal(confusion.percent(1, 400), "<1 %");
  assert.equal(confusion.percent(399, 400), ">99 %");
  assert.equal(confusion.percent(400, 400), "100 %");
  assert.equal(confusion.percent(0, 12), "0 %");
  assert.equal(confusion.percent(0, 0), "\u2013");
});
