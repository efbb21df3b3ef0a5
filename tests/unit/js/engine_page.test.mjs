// The page's side of the browser engine, under node, with a real worker and without one.
import assert from "node:assert/strict";
import { resolveObjectURL } from "node:buffer";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Worker as NodeWorker } from "node:worker_threads";

const folder = new URL("../../../course_utils/sound_view/static/", import.meta.url);
const texts = ["words.js", "engine.js"].map((name) => readFileSync(new URL(name, folder), "utf8"));
const load = (text) => import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const module = await load(texts.join("\n"));
const { Engine, answerTo, fixed, general, percent, serve } = module.soundEngine();
const words = module.soundWords({ fixed, general, percent });

const MEL = {
  n_fft: 1024, hop_length: 512, win_length: null, window: "hann", freq_axis: "linear", top_db: 80,
  n_mels: 64, mel_scale: "htk", norm: null,
};
const REQUESTS = {
  stft: [["spectrogram"], MEL],
  mel: [["spectrogram", "mel", "filterbank"], MEL],
  road: [["spectrogram", "mel"], MEL],
  decibel: [
    ["decibel", "histogram"],
    {
      top_db: 80, amin: 1e-10, ref: 1, gain_db: 0, neighbour: 0, formula: "10 log10(power)",
      colours: "below the peak",
    },
  ],
  normalize: [
    ["before", "after", "histogram_before", "histogram_after"],
    { gain_db: -20, method: "data set", eps: 1e-8, statistics: [-30, 18] },
  ],
};

/** A request of this kind, some of its settings changed. */
function request(kind, change = {}) {
  const [lanes, settings] = REQUESTS[kind];
  return { kind, lanes, settings: { ...settings, ...change }, visible: [0, 1], facts: { mostGain: 2 } };
}

/** A tone, the same in every run; `pitch` tells two sounds apart. */
function tone(pitch = 440, seconds = 1) {
  const wave = (_, i) => 9000 * Math.sin((2 * Math.PI * pitch * i) / 16000);
  const samples = Int16Array.from({ length: 16000 * seconds }, wave);
  return { samples, sampleRate: 16000, nChannels: 1, fullScale: 32768 };
}

const expected = (sound, asked, id) => answerTo(new Engine(sound), asked, id, words);

// ---- what a browser has and node has not

/** A browser's Worker, made of node's. */
class WorkerOfNode {
  static all = [];

  constructor(url) {
    WorkerOfNode.all.push(this);
    this.ended = false;
    this.ready = resolveObjectURL(url).text().then((text) => {
      const self = 'globalThis.self = require("node:worker_threads").parentPort;';
      this.worker = new NodeWorker(`${self}\n${text}`, { eval: true });
      this.worker.on("message", (data) => this.onmessage({ data }));
      this.worker.on("error", (error) => this.onerror({ message: error.message }));
    });
  }

  postMessage(message) {
    this.ready.then(() => this.ended || this.worker.postMessage(message));
  }

  terminate() {
    this.ended = true;
    return this.ready.then(() => this.worker.terminate());
  }
}

/** A page whose policy forbids workers: some browsers say so at once, some only later. */
class ForbiddenAtOnce {
  constructor() {
    throw new Error("SecurityError");
  }
}

class ForbiddenLater {
  constructor() {
    setTimeout(() => this.onerror({ preventDefault() {} }), 5);
  }

  postMessage() {}
  terminate() {}
}

const PLACES = {
  "a worker": WorkerOfNode,
  "a page without one": ForbiddenAtOnce,
  "a page that learns late": ForbiddenLater,
};

/** An engine, what it delivered, and a wait for the answer that satisfies `done`. */
function open(Kind = WorkerOfNode, { BrowserEngine } = module) {
  globalThis.Worker = Kind;
  const answers = [];
  const waiting = [];
  const engine = new BrowserEngine((answer) => {
    answers.push(answer);
    for (const wake of waiting) wake(answer);
  });
  const until = (done) => new Promise((resolve) => waiting.push((answer) => done(answer) && resolve(answer)));
  return { engine, answers, until };
}

const answered = (opened, asked) => {
  const id = opened.engine.ask(asked);
  return opened.until((answer) => answer.id === id);
};

for (const [place, Kind] of Object.entries(PLACES)) {
  test(`in ${place}, all explorers get their pictures and words`, async () => {
    const opened = open(Kind);
    opened.engine.setSound(tone());
    for (const kind of Object.keys(REQUESTS)) {
      for (let round = 0; round < 2; round++) { // what was handed over is missed nowhere
        const { ms, fullMs, id, ...answer } = await answered(opened, request(kind));
        const { ms: _, fullMs: __, ...said } = expected(tone(), request(kind), id);
        const { settings, visible } = request(kind);
        assert.deepEqual(answer, { kind, settings, visible, ...said });
        assert.ok(fullMs >= ms && ms > 0 && answer.readout.length > 3);
        for (const { data } of Object.values(answer.states)) assert.equal(data.byteLength, data.buffer.byteLength);
      }
    }
    assert.equal(opened.engine.place, Kind === WorkerOfNode ? "worker" : "page");
    opened.engine.close();
  });

  test(`in ${place}, of many requests the latest wins, and the last one is always answered`, async () => {
    const opened = open(Kind);
    opened.engine.setSound(tone(440, 3));
    for (let n = 1; n <= 50; n++) opened.engine.ask(request("mel", { n_mels: 10 + n }));
    const last = await opened.until(({ id }) => id === 50);
    const ids = opened.answers.map(({ id }) => id);
    assert.ok(ids.length <= 2 && ids.at(-1) === 50, ids.join());
    assert.equal(last.states.mel.n_rows, 60);
    opened.engine.close();
  });

  test(`in ${place}, a mistake is answered with a sentence, and the next request is drawn`, async () => {
    const opened = open(Kind);
    assert.match((await answered(opened, request("mel"))).error, /^a sound has to come before the first request$/);
    opened.engine.setSound({ samples: new Int16Array(0), sampleRate: 16000 });
    assert.match((await answered(opened, request("mel"))).error, /^the sound is empty: at least one sample is needed$/);
    opened.engine.setSound(tone());
    const { error, settings, states } = await answered(opened, request("mel", { win_length: 2048 }));
    assert.match(error, /^win_length 2048 is longer than n_fft 1024: .*Take a longer n_fft or a shorter win_length$/);
    assert.equal(settings.win_length, 2048);
    assert.equal(states, undefined);
    assert.equal((await answered(opened, request("mel"))).states.mel.n_rows, 64);
    opened.engine.close();
  });

  test(`in ${place}, what was asked about an old sound is answered about the new one, once`, async () => {
    const opened = open(Kind);
    opened.engine.setSound(tone(440));
    const id = opened.engine.ask(request("mel"));
    opened.engine.setSound(tone(3000));
    const first = await opened.until((answer) => answer.id === id);
    assert.deepEqual(first.states, expected(tone(3000), request("mel"), id).states);
    await answered(opened, request("stft"));
    assert.deepEqual(opened.answers.map((answer) => answer.id), [id, id + 1]);
    opened.engine.close();
  });

  test(`in ${place}, nothing is delivered after the end`, async () => {
    const opened = open(Kind);
    opened.engine.setSound(tone());
    await answered(opened, request("stft"));
    opened.engine.ask(request("mel"));
    opened.engine.close();
    opened.engine.ask(request("road"));
    opened.engine.setSound(tone());
    const other = open(ForbiddenAtOnce); // whatever is on its way has arrived when this one answers twice
    other.engine.setSound(tone());
    await answered(other, request("stft"));
    await answered(other, request("mel"));
    other.engine.close();
    assert.equal(opened.answers.length, 1);
  });
}

// ---- cheap steps are drawn in the page

/** An engine that has had its idle moments: what comes next and is cheap is drawn in the page. */
async function warmed(sound = tone()) {
  const opened = open();
  opened.engine.setSound(sound);
  opened.engine.cost = {};
  const end = Date.now() + 20_000;
  while (!opened.engine.near.isReady && Date.now() < end) {
    await answered(opened, request("mel"));
    await new Promise((go) => setTimeout(go, 20));
  }
  assert.ok(opened.engine.near.isReady);
  return opened;
}

/** Whatever this machine is busy with: the next step is taken for one that costs this much. */
const taken = ({ engine }, ms, fullMs = ms) => (engine.cost = { ms, fullMs });

test("a cheap step is answered before ask returns, as the worker would have answered it", async () => {
  const opened = await warmed();
  for (const kind of Object.keys(REQUESTS)) {
    taken(opened, 1);
    const id = opened.engine.ask(request(kind));
    const { ms, fullMs, ...answer } = opened.answers.at(-1);
    const { ms: _, fullMs: __, ...said } = expected(tone(), request(kind), id);
    const { settings, visible } = request(kind);
    assert.deepEqual(answer, { id, kind, settings, visible, ...said });
    assert.deepEqual(opened.engine.cost, { ms, fullMs });
  }
  opened.engine.close();
});

test("what costs much, or would with nothing kept, is left to the worker", async () => {
  const opened = await warmed();
  for (const [ms, fullMs] of [[21, 21], [1, 31], [Infinity, Infinity]]) {
    const before = opened.answers.length;
    taken(opened, ms, fullMs);
    const id = opened.engine.ask(request("mel"));
    assert.equal(opened.answers.length, before);
    await opened.until((answer) => answer.id === id);
  }
  opened.engine.close();
});

test("an answer that the page has overtaken is not delivered", async () => {
  const opened = await warmed();
  taken(opened, 100);
  const [slow, waits] = [20, 30].map((n_mels) => opened.engine.ask(request("mel", { n_mels })));
  taken(opened, 1);
  const fast = opened.engine.ask(request("mel", { n_mels: 40 }));
  assert.equal(opened.answers.at(-1).id, fast);
  await new Promise((go) => setTimeout(go, 200)); // the worker has answered long since
  taken(opened, 100);
  await answered(opened, request("mel"));
  const ids = opened.answers.map(({ id }) => id);
  assert.ok(!ids.includes(slow) && !ids.includes(waits), ids.join());
  opened.engine.close();
});

test("a mistake in the page is a sentence, too, and another sound is drawn by the worker first", async () => {
  const opened = await warmed();
  taken(opened, 1);
  opened.engine.ask(request("mel", { win_length: 2048 }));
  assert.match(opened.answers.at(-1).error, /^win_length 2048 is longer than n_fft 1024/);
  opened.engine.setSound(tone(3000));
  taken(opened, 1);
  const { id, states } = await answered(opened, request("mel"));
  assert.deepEqual(states, expected(tone(3000), request("mel"), id).states);
  opened.engine.close();
});

test("what stands there already is computed for nobody, and tells what a step will cost", async () => {
  const opened = open();
  opened.engine.setSound(tone());
  opened.engine.prepare(request("mel"));
  opened.engine.prepare(request("stft")); // it draws already: nothing more is asked of it
  const { id } = await answered(opened, request("mel", { n_mels: 20 }));
  assert.deepEqual(opened.answers.map((answer) => answer.id), [id]);
  assert.equal(id, 2);
  assert.ok(Number.isFinite(opened.engine.cost.fullMs));
  opened.engine.close();
});

test("fullMs counts what an earlier answer made, once", () => {
  const engine = new Engine(tone(440, 20));
  const first = answerTo(engine, request("mel"), 1, words);
  const again = answerTo(engine, request("mel"), 2, words);
  assert.equal(first.fullMs, first.ms); // nothing was kept
  assert.ok(again.ms < first.ms && again.fullMs > again.ms, JSON.stringify([first.ms, again.ms, again.fullMs]));
  assert.ok(again.fullMs <= first.ms + again.ms, JSON.stringify([first.ms, again.ms, again.fullMs]));
});

test("a worker that breaks is replaced by the page, which answers what it was asked", async () => {
  const opened = open(WorkerOfNode);
  opened.engine.setSound(tone());
  await answered(opened, request("stft"));
  const worker = WorkerOfNode.all.at(-1);
  const id = opened.engine.ask(request("mel"));
  worker.onerror({ message: "out of memory" });
  const answer = await opened.until((found) => found.id === id);
  assert.deepEqual(answer.states, expected(tone(), request("mel"), id).states);
  assert.equal(opened.engine.place, "page");
  assert.ok(worker.ended);
  assert.deepEqual(opened.answers.map((found) => found.id), [1, id]);
  opened.engine.close();
});

test("at the end the worker ends, and its text is given up", async () => {
  const opened = open(WorkerOfNode);
  const url = opened.engine.url;
  await WorkerOfNode.all.at(-1).ready;
  assert.ok(resolveObjectURL(url));
  opened.engine.close();
  assert.ok(WorkerOfNode.all.at(-1).ended);
  assert.equal(resolveObjectURL(url), undefined);
});

test("the first sound is drawn once for nobody, at most two seconds of it", () => {
  const posted = [];
  const port = { postMessage: (message) => posted.push(message), onmessage: null };
  serve(port, module.soundWords);
  const stretches = [];
  const sound = { ...tone(440, 5), nChannels: 2 };
  sound.samples.subarray = (...ends) => {
    stretches.push(ends);
    return Int16Array.prototype.subarray.apply(sound.samples, ends);
  };
  port.onmessage({ data: { sound } });
  port.onmessage({ data: { sound } });
  assert.deepEqual(stretches, [[0, 64000]]);
  assert.deepEqual(posted, []);
  port.onmessage({ data: { id: 1, ...request("stft") } });
  assert.deepEqual(posted.map(({ id }) => id), [1]);
});

test("a sound too short to be drawn is taken, and said when it is asked for", () => {
  const posted = [];
  const port = { postMessage: (message) => posted.push(message), onmessage: null };
  serve(port, module.soundWords);
  port.onmessage({ data: { sound: { samples: Int16Array.of(5), sampleRate: 16000 } } });
  port.onmessage({ data: { id: 1, ...request("stft") } });
  assert.match(posted[0].error, /n_fft=1024 needs a sound of more than 512 samples, and this one has 1/);
});

test("without words.js beside it the engine still draws", async () => {
  for (const Kind of [WorkerOfNode, ForbiddenAtOnce]) {
    const opened = open(Kind, await load(texts[1]));
    opened.engine.setSound(tone());
    const { states, readout, notes } = await answered(opened, request("mel"));
    assert.equal(states.mel.n_rows, 64);
    assert.deepEqual([readout, notes], [null, null]);
    opened.engine.close();
  }
});

test("an explorer whose words only Python knows gets none", () => {
  assert.equal(words("waveform", new Engine(tone()), MEL, {}), null);
});
