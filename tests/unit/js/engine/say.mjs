// Says with the browser engine what tests/unit/test_engine_words.py asks for: `node say.mjs FOLDER`.
//
// FOLDER/jobs.json: {sounds: [{file, type, sample_rate, n_channels}], jobs: [{sound, kind, lanes, settings, facts}],
// numbers: [{value, digits}]}. Written to FOLDER/said.json: {answers: [{readout, notes} or {error}], texts}.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
const from = process.argv[3] ?? new URL("../../../../course_utils/sound_view/static/", import.meta.url).pathname;
const text = ["words.js", "engine.js"].map((name) => readFileSync(join(from, name), "utf8")).join("\n");
const module = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const { Engine, answerTo, fixed, general, percent } = module.soundEngine();
const words = module.soundWords({ fixed, general, percent });

const { sounds, jobs, numbers } = JSON.parse(readFileSync(join(folder, "jobs.json"), "utf8"));
const engines = sounds.map(({ file, type, sample_rate: sampleRate, n_channels: nChannels }) => {
  const bytes = readFileSync(join(folder, file));
  const Samples = type === "int16" ? Int16Array : Float32Array;
  const samples = new Samples(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return new Engine({ samples, sampleRate, nChannels, fullScale: type === "int16" ? 32768 : 1 });
});

const answers = jobs.map(({ sound, ...request }) => {
  const engine = engines[sound];
  try {
    const visible = [0, engine.nSamples / engine.sampleRate];
    const { readout, notes } = answerTo(engine, { ...request, visible }, 1, words);
    return { readout, notes };
  } catch (problem) {
    return { error: problem.message };
  }
});
const texts = numbers.map((value) => [
  fixed(value, 0), fixed(value, 1), fixed(value, 2), general(value), general(value, 6), percent(value),
]);
writeFileSync(join(folder, "said.json"), JSON.stringify({ answers, texts }));
