// The pieces of the browser engine, under node: `node --test tests/unit/js`. That its pictures are PyTorch's
// is held by tests/unit/test_engine_parity.py, that its words are Python's by tests/unit/test_engine_words.py.
// How page and worker speak is told by engine_page.test.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const file = new URL("../../../course_utils/sound_view/static/engine.js", import.meta.url);
const text = readFileSync(file, "utf8");
const module = "data:text/javascript;base64," + Buffer.from(text).toString("base64");
const { soundEngine } = await import(module);
const engine = soundEngine();

const SETTINGS = {
  n_fft: 1024, hop_length: 512, win_length: null, window: "hann", freq_axis: "linear", top_db: 80,
  n_mels: 64, mel_scale: "htk", norm: null,
};
const SLIDER = [64, 96, 128, 192, 256, 384, 400, 512, 768, 1024, 1536, 2048, 3072, 4096];
const close = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

/** The same numbers in every run, between -1 and 1. */
function noise(length, seed = 1) {
  let state = seed;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const samples = (length, loudness = 0.5) => Int16Array.from(noise(length), (x) => Math.round(32767 * loudness * x));
const makeEngine = (length) => new engine.Engine({ samples: samples(length), sampleRate: 16000 });

/** X[k] by the definition. */
function plainTransform(x, k, n) {
  let real = 0;
  let imag = 0;
  for (let i = 0; i < n; i++) {
    const angle = (-2 * Math.PI * ((i * k) % n)) / n;
    real += x[2 * i] * Math.cos(angle) - x[2 * i + 1] * Math.sin(angle);
    imag += x[2 * i] * Math.sin(angle) + x[2 * i + 1] * Math.cos(angle);
  }
  return [real, imag];
}

test("the fast transform is the plain one, for every length", () => {
  const lengths = [...Array(68).keys()].slice(1);
  for (const n of [...lengths, 73, 97, 121, 200, 210, 511, 768, 1019, 1024, 1536, 2048]) {
    const fourier = engine.makeFourier(n);
    const x = noise(2 * n, n);
    fourier.points.set(x);
    fourier.transform();
    for (const k of n <= 200 ? Array(n).keys() : [0, 1, 2, 3, n >> 1, n - 1, (n * 5) >> 3]) {
      const [real, imag] = plainTransform(x, k, n);
      close(fourier.points[fourier.place[k]], real, 1e-10 * n);
      close(fourier.points[fourier.place[k] + 1], imag, 1e-10 * n);
    }
  }
});

test("every bin has a place of its own", () => {
  for (const n of SLIDER) assert.equal(new Set(engine.makeFourier(n).place).size, n);
});

test("a frame's power is that of the plain transform, for even and odd n_fft", () => {
  for (const nFft of [...SLIDER, 1, 2, 3, 5, 30, 441, 1000, 1021, 1022]) {
    const spectrum = new engine.PowerSpectrum(nFft);
    const frame = samples(nFft + 3);
    const weights = noise(nFft, 9);
    const power = new Float32Array(spectrum.nFreqs + 2);
    spectrum.write(frame, 3, weights, power, 2);
    const x = new Float64Array(2 * nFft);
    for (let i = 0; i < nFft; i++) x[2 * i] = frame[3 + i] * weights[i];
    const total = x.reduce((sum, value) => sum + value ** 2, 0) * nFft;
    for (const k of new Set([0, 1, 2, spectrum.nFreqs >> 1, spectrum.nFreqs - 2, spectrum.nFreqs - 1])) {
      if (k < 0 || k >= spectrum.nFreqs) continue;
      const [real, imag] = plainTransform(x, k, nFft);
      const expected = real ** 2 + imag ** 2;
      close(power[2 + k], expected, 1e-6 * expected + 1e-12 * total);
    }
  }
});

test("no energy is lost (Parseval)", () => {
  for (const nFft of [96, 400, 1022, 1024]) {
    const spectrum = new engine.PowerSpectrum(nFft);
    const frame = samples(nFft);
    const power = new Float32Array(spectrum.nFreqs);
    spectrum.write(frame, 0, new Float64Array(nFft).fill(1), power, 0);
    const both = power.reduce((sum, p, k) => sum + (k === 0 || 2 * k === nFft ? p : 2 * p), 0);
    close(both / (nFft * frame.reduce((sum, x) => sum + x * x, 0)), 1, 1e-6);
  }
});

test("samples that a file cannot hold are counted, of 16 bits and of 32", () => {
  const whole = Int16Array.from([...samples(4000, 1), -32768, -32768, 32767, 0, 8192, -8192, 8193]);
  const sounds = [{ samples: whole, fullScale: 32768 }, { samples: Float32Array.of(...noise(4000), 0.5, -0.5), fullScale: 1 }];
  for (const { samples: all, fullScale } of sounds) {
    const made = new engine.Engine({ samples: all, sampleRate: 16000, fullScale });
    for (const gainDb of [-20, 0, 1, 3, 6, 20 * Math.log10(2), 20, 40, 100]) {
      const gain = Math.fround(10 ** (gainDb / 20));
      const beyond = (x) => Math.abs(Math.fround(Math.fround(x / fullScale) * gain)) > 1;
      assert.equal(made.countClipped(gainDb), gainDb > 0 ? all.filter(beyond).length : 0, `${gainDb} dB`);
    }
  }
});

test("windows are periodic", () => {
  const hann = engine.makeWindow("hann", 8);
  assert.equal(hann[0], 0);
  close(hann[4], 1, 1e-15);
  close(hann[1], hann[7], 1e-15);
  assert.deepEqual([...engine.makeWindow("rectangular", 3)], [1, 1, 1]);
  assert.throws(() => engine.makeWindow("flat", 8), /window must be one of hann, hamming, .*, got flat/);
});

test("a window's resolution is that of the books", () => {
  const spec = { window: "hann", winLength: 1024 };
  const { dt_s, df_hz } = engine.resolution(spec, 16000);
  close(df_hz, (2 * 16000) / 1024, 0.01);
  close(dt_s, 512 / 16000, 2 / 16000);
});

test("Hz and Mel undo each other", () => {
  for (const scale of ["htk", "slaney"]) {
    for (const hz of [0, 40, 999, 1000, 1001, 8000]) {
      close(engine.melToHz(engine.hzToMel(hz, scale), scale), hz, 1e-9);
    }
  }
  close(engine.hzToMel(700), 2595 * Math.log10(2), 1e-9);
  close(engine.hzToMel(1000, "slaney"), 15, 1e-12);
});

test("bands are triangles: rising from the edge below, falling to the edge above", () => {
  for (const [nFft, nMels, norm] of [[512, 40, null], [400, 20, "slaney"], [256, 128, null], [441, 30, null]]) {
    const bank = engine.melBank({ nFft, nMels, sampleRate: 16000, scale: "slaney", norm });
    const { edges, nFreqs } = bank;
    const unit = new Float32Array(nFreqs * nFreqs); // frame k holds bin k alone
    for (let k = 0; k < nFreqs; k++) unit[k * nFreqs + k] = 1;
    const bands = engine.toBands(unit, nFreqs, bank);
    const empty = [];
    for (let m = 0; m < nMels; m++) {
      let heaviest = 0;
      for (let k = 0; k < nFreqs; k++) {
        const hz = (k * 16000) / nFft;
        const rising = (hz - edges[m]) / (edges[m + 1] - edges[m]);
        const falling = (edges[m + 2] - hz) / (edges[m + 2] - edges[m + 1]);
        const height = norm ? 2 / (edges[m + 2] - edges[m]) : 1;
        const weight = height * Math.max(0, Math.min(rising, falling));
        close(bands[k * nMels + m], weight, 1e-6 * height);
        heaviest = Math.max(heaviest, weight);
      }
      if (heaviest === 0) empty.push(m);
    }
    assert.deepEqual(bank.empty, empty);
  }
});

test("the table of logarithms is right to a thousandth of a decibel", () => {
  const powers = Float32Array.from(noise(20000), (x) => 10 ** (5 * x));
  const { cells, low, high } = engine.toCells(powers, 1, 0.5, 10 ** 0.02); // 0.002 dB for each step
  powers.forEach((power, i) => {
    const level = 10 * Math.log10(power);
    if (level > low && level < high) close(cells[i], ((level - low) * 255) / 0.5, 0.5 + 0.0006 * 510);
  });
});

test("the loudest power is 255, what lies top_db below it is 0, and silence is dark", () => {
  const rows = Float32Array.of(1, 1e-6, 1e-8, 1e-9, 0);
  assert.deepEqual([...engine.toCells(rows, 1, 80, 1).cells], [255, 64, 0, 0, 0]);
  assert.deepEqual([...engine.toCells(new Float32Array(4), 2, 80, 0).cells], [0, 0, 0, 0]);
});

test("cells go row after row, frames side by side", () => {
  const rows = Float32Array.of(1, 1e-8, 1e-8, 1e-6); // two frames of two rows
  assert.deepEqual([...engine.toCells(rows, 2, 80, 1).cells], [255, 0, 0, 64]);
});

test("a row shows its loudest bin; a row between two bins shows the one before it", () => {
  const power = Float32Array.from([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]); // two frames of five bins
  const rows = engine.loudestRows(power, 2, 5, Int32Array.of(0, 2, 2, 4));
  assert.deepEqual([...rows], [3, 4, 4, 5, 9, 6, 6, 3]);
  const each = engine.loudestRows(power, 2, 5, Int32Array.of(0, 1, 2, 3, 4));
  assert.equal(each, power); // nothing to gather: nothing is copied
});

test("halves are rounded to the even neighbour", () => {
  const values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 16383.5];
  assert.deepEqual(values.map((x) => engine.roundToEven(x) + 0), [-2, -2, 0, 0, 2, 2, 2, 16384]);
});

test("a new number of bands needs no new transform", () => {
  const sound = makeEngine(16000);
  sound.picture("spectrogram", SETTINGS, [0, 1]);
  sound.newPower = () => assert.fail("the transform ran again");
  sound.picture("mel", { ...SETTINGS, n_mels: 40 }, [0, 1]);
  sound.picture("mel", { ...SETTINGS, n_mels: 128, top_db: 50 }, [0, 1]);
  sound.picture("spectrogram", { ...SETTINGS, freq_axis: "log" }, [0, 1]);
});

test("a long sound costs no more than what is visible, and one overview for its peak", () => {
  const sound = makeEngine(60 * 16000);
  const computed = [];
  const original = sound.newPower.bind(sound);
  sound.newPower = (spec, frames) => {
    computed.push(frames.count);
    return original(spec, frames);
  };
  const settings = { ...SETTINGS, hop_length: 16, n_fft: 64 };
  const whole = sound.picture("spectrogram", settings, [0, 60]);
  assert.ok(whole.nColumns <= 640);
  assert.match(whole.meta.notes[0], /1 of every 9\d frames is drawn: zoom in to see all/);
  assert.equal(computed.length, 1);
  const part = sound.picture("spectrogram", settings, [30, 30.1]);
  assert.equal(part.nColumns, 101);
  assert.deepEqual(computed.slice(1), [101]); // the peak of the whole is known
  sound.picture("spectrogram", { ...settings, n_fft: 128 }, [30, 30.1]);
  assert.deepEqual(computed.slice(2), [101]); // the peak is looked for where it can be
  assert.equal(part.meta.value_max, whole.meta.value_max); // the colours stay when the view is zoomed
});

test("the peak is that of all frames, though few are transformed", () => {
  const ramp = (length, sample) => Int16Array.from({ length }, (_, i) => (sample(i) * i) / length);
  const sounds = {
    noise: samples(30000),
    burst: ramp(30000, (i) => 20000 * Math.sin(i * 0.3) * (i > 25000 ? 1 : 0.01)),
    constant: ramp(30000, () => 30000), // all power in the lowest bin
    alternating: ramp(30000, (i) => (i % 2 ? -30000 : 30000)), // and in the highest
    silence: new Int16Array(30000),
  };
  for (const [name, sound] of Object.entries(sounds)) {
    for (const n_fft of [1024, 441]) {
      const settings = { ...SETTINGS, n_fft, hop_length: 64, norm: "slaney" };
      const draw = (lane, visible) => {
        const fresh = new engine.Engine({ samples: sound, sampleRate: 16000 });
        return fresh.picture(lane, settings, visible).meta.value_max;
      };
      for (const lane of ["spectrogram", "mel"]) assert.equal(draw(lane, [0.1, 0.2]), draw(lane, [0, 2]), name);
    }
  }
  const burst = new engine.Engine({ samples: sounds.burst, sampleRate: 16000 });
  burst.picture("mel", { ...SETTINGS, hop_length: 64 }, [0.1, 0.2]);
  const { known } = burst.kept.get("overview").value;
  assert.ok(known.reduce((a, b) => a + b) < known.length / 4);
});

test("a stereo sound is drawn as the average of its channels", () => {
  const left = samples(4000);
  const stereo = new Int16Array(8000);
  left.forEach((x, i) => stereo.set([x, 0], 2 * i));
  const draw = (sound) => new engine.Engine({ sampleRate: 16000, ...sound }).picture("mel", SETTINGS, [0, 1]);
  const both = draw({ samples: stereo, nChannels: 2 });
  const half = draw({ samples: Float32Array.from(left, (x) => x / 65536) });
  assert.deepEqual(both.cells, half.cells);
});

test("what cannot be drawn is said in one sentence", () => {
  const draw = (change, length = 16000, lane = "mel") => {
    return () => makeEngine(length).picture(lane, { ...SETTINGS, ...change }, [0, 1]);
  };
  assert.throws(draw({}, 300), /n_fft=1024 needs a sound of more than 512 samples, and this one has 300/);
  assert.throws(draw({ n_fft: 512, win_length: 600 }), /win_length 600 is longer than n_fft 512/);
  assert.throws(draw({ hop_length: 0 }), /hop_length=0 must be a positive integer/);
  assert.throws(draw({ mel_scale: "bark" }), /mel_scale must be one of htk, slaney, got bark/);
  assert.throws(draw({}, 100, "waves"), /lane must be one of spectrogram, .*, got waves/);
  assert.throws(() => new engine.Engine({ samples: new Int16Array(0), sampleRate: 16000 }), /the sound is empty/);
});

test("the engine needs nothing but the language, and the page's side a Worker", () => {
  const code = text.replace(/\/\*\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  assert.doesNotMatch(text, /https?:/);
  assert.doesNotMatch(code, /\b(import|require|document|window\.|fetch|XMLHttpRequest|process)\b(?!:)/);
});

test("of several cells that are equally loud the one in the lowest band counts, there the first", () => {
  const frames = [[1, 2, 5], [0, 5, 5], [5, 5, 0], [5, 0, 0]]; // four frames of three bands
  assert.equal(engine.firstLargest(Float32Array.from(frames.flat()), 3), 6);
  assert.equal(engine.firstLargest(new Float32Array(6), 3), 0);
});

test("numbers become text as in Python: of two that are equally near the even one", () => {
  const { fixed, general, percent } = engine;
  assert.deepEqual([31.25, 31.75, -0.05, 0.25, -0].map((x) => fixed(x, 1)), ["31.2", "31.8", "-0.1", "0.2", "-0.0"]);
  assert.deepEqual([0.5, 1.5, 2.5, 9.5, 1e22].map((x) => fixed(x, 0)), ["0", "2", "2", "10", "1" + "0".repeat(22)]);
  const powers = [1, 10, 0.0001, 1e-5, 12345, 9999.5, 1234.5, 0.1, 1e10].map((x) => general(x));
  assert.deepEqual(powers, ["1", "10", "0.0001", "1e-05", "1.234e+04", "1e+04", "1234", "0.1", "1e+10"]);
  assert.equal(percent(0.125), "12 %");
});

const DECIBEL = {
  top_db: 80, amin: 1e-10, ref: 1, gain_db: 0, neighbour: 0, formula: "10 log10(power)", colours: "below the peak",
};
const NORMALIZE = { gain_db: 6, method: "per band", eps: 1e-8, statistics: [-30, 18] };

test("all lanes of an explorer share one transform of the sound", () => {
  for (const [lanes, settings] of [
    [["spectrogram", "mel", "filterbank"], SETTINGS],
    [["decibel", "histogram"], DECIBEL],
    [["before", "after", "histogram_before", "histogram_after"], NORMALIZE],
  ]) {
    const sound = makeEngine(16000);
    let transforms = 0;
    const original = sound.newPower.bind(sound);
    sound.newPower = (...asked) => {
      transforms += 1;
      return original(...asked);
    };
    engine.answerTo(sound, { lanes, settings, visible: [0, 1] }, 1);
    assert.equal(transforms, 1, lanes.join());
  }
});

test("a stretch of what is known needs no new transform, and shows the same numbers", () => {
  for (const [lane, settings] of [["decibel", DECIBEL], ["before", NORMALIZE], ["after", NORMALIZE]]) {
    const sound = makeEngine(32000);
    const whole = sound.picture(lane, settings, [0, 2]);
    sound.newPower = () => assert.fail("the transform ran again");
    const part = sound.picture(lane, settings, [0.5, 1.2]);
    const first = Math.round((part.meta.t0_s - whole.meta.t0_s) / whole.meta.dt_s);
    assert.ok(first > 0 && part.nColumns < whole.nColumns);
    for (const row of [0, 31, 63]) {
      const from = row * whole.nColumns + first;
      const cells = part.cells.subarray(row * part.nColumns, (row + 1) * part.nColumns);
      assert.deepEqual(cells, whole.cells.subarray(from, from + part.nColumns));
    }
  }
});

test("what is drawn becomes the state of a lane", () => {
  const sound = makeEngine(16000);
  const picture = engine.asState(sound.picture("mel", SETTINGS, [0, 1]), 7);
  assert.equal(picture.data.length, picture.n_rows * picture.n_columns);
  assert.deepEqual([picture.n_rows, picture.n_columns, picture.serial, picture.engine], [64, 32, 7, "JavaScript"]);
  const chart = engine.asState(sound.picture("filterbank", SETTINGS, [0, 1]), 8);
  assert.equal(chart.kind, "chart");
  assert.equal(chart.data.length, chart.lines.reduce((sum, { n }) => sum + 2 * n, 0));
});
