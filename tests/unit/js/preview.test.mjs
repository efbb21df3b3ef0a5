// Who draws when, under node: the real engine in a Worker that is none, and a kernel that a test plays.
import assert from "node:assert/strict";
import { resolveObjectURL } from "node:buffer";
import { readFileSync } from "node:fs";
import test from "node:test";

const parts = new URL("../../../course_utils/sound_view/static/parts/", import.meta.url);
const read = (name) => readFileSync(new URL(name, parts), "utf8");
const text = JSON.parse(read("order.json")).map((name) => read(`${name}.js`)).join("\n");
const { Preview } = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));

/** Runs the Worker's text here, a message after the other. */
class NearWorker {
  constructor(url) {
    this.self = { onmessage: null, postMessage: (data) => setTimeout(() => this.onmessage?.({ data }), 0) };
    this.ready = resolveObjectURL(url).text().then((source) => new Function("self", source)(this.self));
  }

  async postMessage(data) {
    await this.ready;
    if (this.isOver) return;
    if (data === "break") this.onerror({});
    else if (!this.isDeaf) this.self.onmessage({ data });
  }

  terminate() {
    this.isOver = true;
  }
}
globalThis.Worker = NearWorker;

/** A model as ipywidgets has it: values, and listeners that hear when all of a message is in place. */
class Model {
  constructor(values) {
    this.values = values;
    this.listeners = {};
    this.sent = [];
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    const all = typeof name === "string" ? { [name]: value } : name;
    Object.assign(this.values, all);
    for (const key of Object.keys(all)) for (const action of this.listeners[key] ?? []) action();
  }

  on(event, action) {
    (this.listeners[event.replace("change:", "")] ??= []).push(action);
  }

  off(event, action) {
    const name = event.replace("change:", "");
    this.listeners[name] = this.listeners[name].filter((one) => one !== action);
  }

  save_changes() {}

  send(content) {
    this.sent.push(structuredClone(content));
  }
}

const VALUES = { n_mels: [16, 32, 64], n_fft: [256, 512], win_length: [0, 512], mel_scale: ["htk", "slaney"] };
const FIXED = { hop_length: 128, window: "hann", freq_axis: "linear", norm: null, top_db: 80 };
const SOUND = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i / 3));

/** An explorer with four sliders, its view, and the kernel's part. */
function makeExplorer({ kernel = true, gain = undefined } = {}) {
  const controls = Object.fromEntries(Object.keys(VALUES).map((name) => [name, new Model({ index: 0 })]));
  const live = {
    kind: "mel", lanes: ["mel"], zero_is_none: ["win_length", "norm"], fixed: FIXED, most_gain: 1, gain,
    controls: Object.entries(VALUES).map(([name, values]) => ({ name, values, model: `IPY_MODEL_${name}` })),
  };
  const model = new Model({
    kernel, live, engine: "auto", previews: false, visible: [0, 0.5], sound_serial: 0, readout: [], error: "",
    notes: [], sound_notes: ["of the sound"], shown_for: {}, picture_mel: null,
    live_sound: { serial: 1, kind: "float32", n_channels: 1, data: new DataView(SOUND.buffer) },
  });
  model.widget_manager = { get_model: async (id) => controls[id] };
  const lane = { spec: { id: "mel", kind: "picture" }, picture: null, told: null };
  lane.tellDifference = (found) => (lane.told = found);
  const view = {
    model, lanes: [lane], sampleRate: 8000, nChannels: 1, samples: new Int16Array(4000), said: [],
    show: (pictures) => pictures.mel && (lane.picture = pictures.mel),
    settle: () => (lane.picture = model.get("picture_mel")),
    text() {}, showEngine() {}, setGain() {}, say: (line) => view.said.push(line), showBehind() {},
  };
  const preview = new Preview(view);
  model.on("change:shown_for", () => preview.arrived());
  model.on("change:live_sound", () => preview.readSound());
  model.on("change:visible", () => preview.moved());
  const settings = () => {
    const held = Object.entries(VALUES).map(([name, values]) => [name, values[controls[name].get("index")]]);
    return { ...Object.fromEntries(held), win_length: VALUES.win_length[controls.win_length.get("index")] || null };
  };
  /** PyTorch has drawn: cells of one value, for the settings as they are or for others. */
  const kernelDraws = (value, others = {}) => {
    const { picture } = lane;
    const shape = picture ? { ...picture, by: undefined } : { n_rows: 1, n_columns: 1, data: [0] };
    const data = typeof value === "number" ? Uint8Array.from(shape.data, () => value) : value(shape.data);
    const made = { ...settings(), ...others };
    const shown_for = { settings: made, visible: [...model.get("visible")], sound: model.get("live_sound").serial };
    model.set({ picture_mel: { ...shape, data, engine: "PyTorch", settings: made }, shown_for });
  };
  return { controls, model, view, lane, preview, kernelDraws, settings };
}

const until = async (what) => {
  const end = performance.now() + 5000;
  while (!what()) {
    assert.ok(performance.now() < end, `waited for ${what}`);
    await new Promise((go) => setTimeout(go, 5));
  }
};

async function started(options) {
  const explorer = makeExplorer(options);
  await explorer.preview.start();
  await until(() => explorer.lane.picture);
  return explorer;
}

const withEnd = (run) => async () => {
  const open = [];
  try {
    await run(async (options) => {
      const explorer = await started(options);
      open.push(explorer.preview);
      return explorer;
    });
  } finally {
    open.forEach((preview) => preview.close());
  }
};

test("a step is previewed at once, and at rest Python is asked once, with its own names", withEnd(async (start) => {
  const { controls, model, lane } = await start();
  assert.equal(model.get("previews"), true);
  controls.n_mels.set("index", 1);
  await until(() => lane.picture.n_rows === 32);
  assert.equal(lane.picture.by, "preview");
  controls.n_mels.set("index", 2);
  const asked = () => model.sent.filter(({ settings }) => settings.n_mels === 64);
  await until(() => asked().length);
  const settings = { n_mels: 64, n_fft: 256, win_length: null, mel_scale: "htk" };
  assert.deepEqual(asked(), [{ type: "rest", settings, visible: [0, 0.5] }]);
}));

test("the kernel's picture replaces the preview of the same settings, and the difference is told", withEnd(async (start) => {
  const { preview, lane, kernelDraws } = await start();
  kernelDraws((cells) => cells.map((cell, i) => cell + (i === 7 ? (cell > 9 ? -1 : 1) : 0)));
  assert.equal(lane.picture.engine, "PyTorch");
  assert.deepEqual([preview.isTrue, preview.said], [true, null]);
  assert.equal(preview.difference.steps, 1);
  assert.equal(lane.told.steps, 1);
}));

test("a difference above one step is logged", withEnd(async (start) => {
  const { preview, kernelDraws } = await start();
  const { error } = console;
  const logged = [];
  console.error = (...words) => logged.push(words.join(" "));
  try {
    kernelDraws((cells) => cells.map((cell) => cell ^ 64));
  } finally {
    console.error = error;
  }
  assert.ok(preview.difference.steps >= 63);
  assert.match(logged[0], /Preview and PyTorch differ/);
}));

test("a picture that the hand has left behind is not shown", withEnd(async (start) => {
  const { controls, preview, lane, kernelDraws } = await start();
  controls.n_mels.set("index", 1);
  await until(() => lane.picture.n_rows === 32);
  kernelDraws(3, { n_mels: 16 });
  assert.equal(preview.letsIn, false);
  assert.equal(lane.picture.by, "preview");
}));

test("nor one of another stretch, or of another sound", withEnd(async (start) => {
  const { model, preview, lane, kernelDraws } = await start();
  kernelDraws(3);
  assert.equal(lane.picture.engine, "PyTorch");
  model.set("visible", [0.1, 0.2]);
  assert.equal(preview.letsIn, false);
  model.set("visible", [0, 0.5]);
  assert.equal(preview.letsIn, true);
  model.set("live_sound", { ...model.get("live_sound"), serial: 2 });
  assert.equal(preview.letsIn, false);
}));

test("back where the kernel has drawn already, its picture is shown without asking", withEnd(async (start) => {
  const { controls, model, preview, lane, kernelDraws } = await start();
  kernelDraws((cells) => cells);
  controls.n_mels.set("index", 1);
  await until(() => lane.picture.by === "preview");
  controls.n_mels.set("index", 2);
  controls.n_mels.set("index", 0);
  assert.equal(lane.picture.engine, "PyTorch");
  assert.equal(preview.isTrue, true);
  await until(() => JSON.parse(preview.drawn.key)[1].n_mels === 64);
  assert.equal(lane.picture.engine, "PyTorch"); // the late preview did not come over it
  assert.equal(model.sent.length, 0);
}));

test("an impossible setting is said at once, and Python is asked all the same", withEnd(async (start) => {
  const { controls, model, preview, lane } = await start();
  controls.win_length.set("index", 1);
  await until(() => preview.said?.error);
  assert.match(preview.said.error, /^win_length 512 is longer than n_fft 256.* The picture is still the last good one\.$/);
  assert.equal(lane.picture.settings.win_length, undefined);
  await until(() => model.sent.length);
}));

test("the words are the engine's, beside those that only Python has", withEnd(async (start) => {
  const { controls, model, preview } = await start();
  model.set("readout", [["you hear", "20 bands"], ["frames", "old"]]);
  controls.n_mels.set("index", 1);
  await until(() => preview.said?.readout.some(([, value]) => value.startsWith("(32")));
  assert.deepEqual(preview.said.readout[0], ["you hear", "20 bands"]);
  assert.ok(!preview.said.readout.some(([, value]) => value === "old"));
  assert.equal(preview.said.notes[0], "of the sound");
}));

test("what needs the newest settings in Python waits for them", withEnd(async (start) => {
  const { controls, model, preview, kernelDraws } = await start();
  const done = [];
  controls.n_mels.set("index", 1);
  preview.whenTrue(() => done.push("pin"));
  assert.equal(model.sent.at(-1).type, "rest"); // it does not wait for the hand
  assert.deepEqual(done, []);
  kernelDraws((cells) => cells);
  assert.deepEqual(done, ["pin"]);
  preview.whenTrue(() => done.push("again"));
  assert.deepEqual(done, ["pin", "again"]);
}));

test("PyTorch alone: nothing is previewed or asked for", withEnd(async (start) => {
  const { controls, model, preview, lane, kernelDraws } = await start();
  kernelDraws((cells) => cells);
  model.set("engine", "PyTorch");
  preview.modeChanged();
  controls.n_mels.set("index", 2);
  await new Promise((go) => setTimeout(go, 250));
  assert.equal(lane.picture.engine, "PyTorch");
  assert.equal(preview.letsIn, true);
  assert.deepEqual(model.sent, []);
}));

test("the browser alone: what the kernel draws is not shown", withEnd(async (start) => {
  const { model, preview, lane, kernelDraws } = await start();
  model.set("engine", "browser");
  preview.modeChanged();
  await until(() => lane.picture.by === "preview");
  kernelDraws((cells) => cells);
  assert.equal(lane.picture.by, "preview");
  assert.equal(preview.letsIn, false);
  assert.deepEqual(model.sent, []);
}));

test("without a kernel the browser's picture is the picture", withEnd(async (start) => {
  const { controls, model, lane } = await start({ kernel: false });
  controls.n_mels.set("index", 1);
  await until(() => lane.picture.n_rows === 32);
  assert.deepEqual([lane.picture.by, lane.picture.engine], ["page", "computed in this page"]);
  await new Promise((go) => setTimeout(go, 250));
  assert.deepEqual(model.sent, []);
  assert.equal(model.get("previews"), false);
}));

test("a gain in front of a file: at rest its sound is asked for, whoever draws", withEnd(async (start) => {
  const { controls, model } = await start({ kernel: false, gain: "file" });
  controls.n_mels.set("index", 1);
  await until(() => model.sent.length);
  assert.equal(model.sent[0].type, "rest");
}));

test("a Worker that breaks leaves the drawing to the kernel", withEnd(async (start) => {
  const { controls, model, preview, lane, kernelDraws } = await start();
  kernelDraws(5);
  const { warn } = console;
  const warned = [];
  console.warn = (line) => warned.push(line);
  try {
    preview.engine.port.postMessage("break");
    await until(() => preview.engine.place === "page");
    controls.n_mels.set("index", 1);
    await until(() => !preview.engine);
  } finally {
    console.warn = warn;
  }
  assert.match(warned[0], /its Worker broke/);
  assert.deepEqual([model.get("previews"), preview.mode, preview.letsIn], [false, "PyTorch", true]);
  assert.equal(lane.picture.engine, "PyTorch");
}));

test("a sound that is still on its way is waited for, and the kernel draws meanwhile", withEnd(async (start) => {
  const { controls, model, view, preview, lane } = await start();
  model.set("live_sound", { serial: 2, kind: "heard", sound: 1 });
  assert.deepEqual([preview.mode, preview.said], ["PyTorch", null]);
  controls.n_mels.set("index", 1);
  view.samples = Int16Array.from(SOUND, (x) => Math.round(1000 * x));
  lane.picture = null;
  model.set("sound_serial", 1);
  preview.readSound();
  assert.equal(preview.mode, "auto");
  await until(() => lane.picture?.n_rows === 32);
  assert.ok(lane.picture.value_max < 20); // 1000 of 32768 is soft
}));
