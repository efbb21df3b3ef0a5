// How long the browser engine takes for a picture, under node: `node tests/benchmarks/engine_times.mjs`.
//
// Each row is measured after every stage was forgotten, as when n_fft moves: transform, peak, rows and 8 bits.
// Medians of 25 in ms: by the clock, and of the processor, which other programs disturb less.
// First the five explorers with 5 s of sound: all their lanes with read-out and notes, the dearest lane alone,
// and all of it when a setting moves that the transform does not depend on. Then both lanes of the Mel explorer
// for longer sounds and other settings; «bands» is the processor's when only n_mels moves.
import { readFileSync } from "node:fs";

const folder = new URL("../../course_utils/sound_view/static/", import.meta.url);
const text = ["words.js", "engine.js"].map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
const module = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const { Engine, answerTo, ...texts } = module.soundEngine();
const words = module.soundWords(texts);

const SAMPLE_RATE = 22050;
const RUNS = 25;
const WIDTH = 60; // of a row's name
const BASE = {
  n_fft: 1024, hop_length: 512, win_length: null, window: "hann", freq_axis: "linear", top_db: 80,
  n_mels: 64, mel_scale: "htk", norm: null,
};
const HEAVY = { n_fft: 4096, n_mels: 256 };
const SETTINGS = {
  "default": {},
  "n_fft 4096, 256 mels, hop 64": { ...HEAVY, hop_length: 64 },
  "n_fft 4096, 256 mels, hop 16": { ...HEAVY, hop_length: 16 },
};
const MORE = {
  "n_fft 4096, 256 mels, hop 96": { ...HEAVY, hop_length: 96 },
  "n_fft 3072, 256 mels, hop 64": { ...HEAVY, n_fft: 3072, hop_length: 64 },
  "n_fft 400, 80 mels, hop 160": { n_fft: 400, n_mels: 80, hop_length: 160 },
  "n_fft 1021 (prime), hop 512": { n_fft: 1021 },
};
const DECIBEL = {
  top_db: 80, amin: 1e-10, ref: 1, gain_db: 0, neighbour: 0, formula: "10 log10(power)", colours: "below the peak",
};
const NORMALIZE = { gain_db: -20, method: "per clip", eps: 1e-8, statistics: [-30, 18] };
const HEAVIEST = { ...BASE, ...HEAVY, hop_length: 16 };
const EXPLORERS = [ // kind, its lanes, settings, and one that moves
  ["stft", ["spectrogram"], BASE, { top_db: 70 }],
  ["mel", ["spectrogram", "mel", "filterbank"], BASE, { n_mels: 80 }],
  ["road", ["spectrogram", "mel"], BASE, { n_mels: 80 }],
  ["decibel", ["decibel", "histogram"], DECIBEL, { gain_db: -10 }],
  ["normalize", ["before", "after", "histogram_before", "histogram_after"], NORMALIZE, { method: "per band" }],
  ["stft", ["spectrogram"], HEAVIEST, { top_db: 70 }],
  ["mel", ["spectrogram", "mel", "filterbank"], HEAVIEST, { n_mels: 192 }],
  ["road", ["spectrogram", "mel"], HEAVIEST, { n_mels: 192 }],
];

/** Plucked notes over a little noise: two notes each second, loud when they begin. */
function makeNotes(seconds) {
  const samples = new Int16Array(seconds * SAMPLE_RATE);
  let state = 1;
  for (let i = 0; i < samples.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const t = (i / SAMPLE_RATE) % 0.5;
    const note = Math.floor((2 * i) / SAMPLE_RATE) * 5;
    const angle = 2 * Math.PI * 220 * 2 ** ((note % 12) / 12) * t;
    const sound = Math.sin(angle) + Math.sin(2 * angle) / 2 + Math.sin(3 * angle) / 3;
    samples[i] = 12000 * sound * Math.exp(-8 * t) + 40 * (state / 2 ** 31 - 1);
  }
  return { samples, sampleRate: SAMPLE_RATE };
}

/** Even noise: no frame is louder than the others, so the peak of the whole is found nowhere sooner. */
function makeNoise(seconds) {
  const samples = new Int16Array(seconds * SAMPLE_RATE);
  let state = 1;
  for (let i = 0; i < samples.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    samples[i] = 20000 * (state / 2 ** 31 - 1);
  }
  return { samples, sampleRate: SAMPLE_RATE };
}

/** Medians of the time by the clock and by the processor, in ms. */
function times(run, prepare = () => {}) {
  const [clock, processor] = [[], []];
  for (let i = 0; i < RUNS; i++) {
    prepare();
    const [started, before] = [performance.now(), process.cpuUsage()];
    run();
    const { user, system } = process.cpuUsage(before);
    clock.push(performance.now() - started);
    processor.push((user + system) / 1000);
  }
  return [clock, processor].map((found) => found.sort((a, b) => a - b)[RUNS >> 1]);
}

const inColumns = (numbers) => numbers.map((ms) => ms.toFixed(1).padStart(9)).join("");

function row(name, engine, settings, visible) {
  const draw = (more = {}) => {
    engine.picture("spectrogram", { ...settings, ...more }, visible);
    return engine.picture("mel", { ...settings, ...more }, visible);
  };
  const all = times(draw, () => engine.kept.clear());
  let n = 0;
  const bands = times(() => draw({ n_mels: settings.n_mels - (++n % 2) }));
  console.log(`${name.padEnd(WIDTH)}${String(draw().nColumns).padStart(9)}${inColumns([...all, bands[1]])}`);
}

/** All lanes of an explorer with its words, each lane alone, and all when only `moved` moves. */
function explorerRow(engine, kind, lanes, settings, moved) {
  const ask = (some, change = {}) =>
    answerTo(engine, { kind, lanes: some, settings: { ...settings, ...change }, visible: [0, 5] }, 1, words);
  const forget = () => engine.kept.clear();
  const all = times(() => ask(lanes), forget);
  const alone = lanes.map((lane) => times(() => ask([lane]), forget));
  const dearest = alone.reduce((most, each) => (each[1] > most[1] ? each : most));
  let n = 0;
  const moving = times(() => ask(lanes, ++n % 2 ? moved : {}));
  const name = `${kind}, ${settings === HEAVIEST ? "n_fft 4096, 256 mels, hop 16" : "default"}`;
  console.log(`${name.padEnd(WIDTH)}${inColumns([...all, dearest[1], moving[1]])}`);
}

console.log(`${"".padEnd(WIDTH)}    clock  process  dearest   moving`);
const five = new Engine(makeNotes(5));
for (const explorer of EXPLORERS) explorerRow(five, ...explorer);

console.log(`${"".padEnd(WIDTH)}   columns    clock  process    bands`);
for (const seconds of [5, 30, 600]) {
  const engine = new Engine(makeNotes(seconds));
  for (const [name, change] of Object.entries(SETTINGS)) {
    row(`${seconds} s, ${name}`, engine, { ...BASE, ...change }, [0, seconds]);
    if (seconds > 5) row(`${seconds} s, 5 s visible, ${name}`, engine, { ...BASE, ...change }, [10, 15]);
  }
}
const noise = new Engine(makeNoise(30));
for (const [name, change] of Object.entries(SETTINGS)) {
  row(`30 s of noise, 5 s visible, ${name}`, noise, { ...BASE, ...change }, [10, 15]);
}
for (const [name, change] of Object.entries(MORE)) row(`5 s, ${name}`, five, { ...BASE, ...change }, [0, 5]);
