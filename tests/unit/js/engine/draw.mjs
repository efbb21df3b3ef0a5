// Draws with the browser engine what tests/unit/test_engine_parity.py asks for: `node draw.mjs FOLDER`.
//
// FOLDER/jobs.json: {sounds: [{file, type, sample_rate, n_channels}], jobs: [{sound, lane, settings, visible}]};
// the files hold samples, of type "int16" or "float32". Written, one job after the other: cells.bin (uint8),
// values.bin (float32, what stood behind the cells, frame after frame, or the numbers of a chart), answers.json.
import { openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const source = new URL("../../../../course_utils/sound_view/static/engine.js", import.meta.url);
const text = readFileSync(source, "utf8");
const { soundEngine } = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const { Engine } = soundEngine();

const folder = process.argv[2];
const { sounds, jobs } = JSON.parse(readFileSync(join(folder, "jobs.json"), "utf8"));
const engines = sounds.map(({ file, type, sample_rate: sampleRate, n_channels: nChannels }) => {
  const bytes = readFileSync(join(folder, file));
  const Samples = type === "int16" ? Int16Array : Float32Array;
  const samples = new Samples(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return new Engine({ samples, sampleRate, nChannels });
});

const cellsFile = openSync(join(folder, "cells.bin"), "w");
const valuesFile = openSync(join(folder, "values.bin"), "w");
const answers = jobs.map(({ sound, lane, settings, visible }) => {
  try {
    const { cells, nRows, nColumns, meta, values, numbers } = engines[sound].picture(lane, settings, visible);
    if (numbers) {
      writeSync(valuesFile, numbers);
      return { nNumbers: numbers.length, meta };
    }
    writeSync(cellsFile, cells);
    writeSync(valuesFile, Float32Array.from(values));
    return { nRows, nColumns, meta };
  } catch (problem) {
    return { error: problem.message };
  }
});
writeFileSync(join(folder, "answers.json"), JSON.stringify(answers));
