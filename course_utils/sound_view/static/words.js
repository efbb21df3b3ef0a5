// @ts-check
/**
 * What the explorers say about their pictures, in the browser: the read-out with its units, and notes about
 * settings that mislead.
 *
 * Python says the same (`course_utils/explorers/`: base, stft, mel, road, decibel, normalize), word for word;
 * `tests/unit/test_engine_words.py` compares the texts. All numbers come from the `Engine` of engine.js, which
 * has computed them for the pictures anyway; here they only become text.
 *
 * Like `soundEngine`, everything stands inside one function, so that a Worker can be made from its text.
 *
 * @param {{fixed: (value: number, digits: number) => string, general: (value: number, digits?: number) => string,
 *   percent: (share: number) => string}} texts  How numbers are written, from engine.js.
 * @returns {(kind: string, engine: any, settings: any, facts: any) =>
 *   {readout: [string, string][], notes: string[]} | null}  Null for an explorer whose words only Python knows.
 */
export function soundWords({ fixed, general, percent }) {
  const MINUS = "\u2212";

  /** A number with a real minus and no minus zero. */
  function number(value, digits = 0) {
    const text = fixed(value, digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
  }

  // ---------------------------------------------------------------- stft, mel, road

  /** Numbers that follow from the settings alone: resolution, frames, overlap. */
  function stftNumbers(engine, settings) {
    const { n_fft, hop_length, window } = settings;
    const winLength = settings.win_length || n_fft;
    const { dt_s, df_hz } = engine.resolution({ window, winLength });
    return {
      time_ms: 1000 * dt_s,
      freq_hz: df_hz,
      bin_hz: engine.sampleRate / n_fft,
      hop_ms: (1000 * hop_length) / engine.sampleRate,
      nFrames: engine.countFrames({ nFft: n_fft, hopLength: hop_length }),
      overlap: Math.max(0, 1 - hop_length / winLength),
    };
  }

  /** The same as text. `tensor` says what its rows are called, and how many it has. */
  function stftReadout(engine, settings, [rowsName, nRows]) {
    const numbers = stftNumbers(engine, settings);
    return [
      ["time resolution", `${fixed(numbers.time_ms, 1)} ms`],
      ["frequency resolution", `${fixed(numbers.freq_hz, 1)} Hz`],
      ["bins every", `${fixed(numbers.bin_hz, 1)} Hz`],
      ["frames every", `${fixed(numbers.hop_ms, 1)} ms`],
      ["frames", String(numbers.nFrames)],
      ["overlap", percent(numbers.overlap)],
      [`tensor (${rowsName}, n_frames)`, `(${nRows}, ${numbers.nFrames})`],
    ];
  }

  /** A line about frames that leave samples unseen between them. */
  function hopNotes({ n_fft, hop_length, win_length }) {
    const window = win_length || n_fft;
    if (hop_length <= window) return [];
    return [
      `hop_length ${hop_length} is longer than the window of ${window} samples: no frame sees ` +
        `${hop_length - window} of every ${hop_length} samples. A click can hide there.`,
    ];
  }

  /** A line that names the Mel bands without a single frequency bin. */
  function emptyBandNotes({ n_mels, n_fft }, empty) {
    if (!empty.length) return [];
    const names = empty.slice(0, 12).join(", ") + (empty.length > 12 ? " \u2026" : "");
    return [
      `${empty.length} of ${n_mels} Mel ${empty.length === 1 ? "band is" : "bands are"} empty (hatched): ${names}. ` +
        `No frequency bin of n_fft ${n_fft} falls into them. Take a longer n_fft or fewer bands.`,
    ];
  }

  function stft(engine, settings) {
    const rows = ["n_freqs", Math.floor(settings.n_fft / 2) + 1];
    return { readout: stftReadout(engine, settings, rows), notes: hopNotes(settings) };
  }

  function road(engine, settings) {
    const { empty } = engine.bank(settings);
    return {
      readout: stftReadout(engine, settings, ["n_mels", settings.n_mels]),
      notes: [...hopNotes(settings), ...emptyBandNotes(settings, empty)],
    };
  }

  /** The road's words, and two about the triangles: how far apart they stand, and what their heights do. */
  function mel(engine, settings) {
    const { edges, heights } = engine.bank(settings);
    const [first, last] = [edges[1] - edges[0], edges.at(-1) - edges.at(-2)];
    const tilt_db = 10 * Math.log10(heights.at(-1) / heights[0]);
    const tilt = tilt_db ? `tilts by ${MINUS}${fixed(-tilt_db, 1)} dB, lowest to highest band` : "off, no tilt";
    const { readout, notes } = road(engine, settings);
    const bands = `${fixed(first, 0)} to ${fixed(last, 0)} Hz`;
    return { readout: [...readout, ["bands every", bands], ["area norm", tilt]], notes };
  }

  // ---------------------------------------------------------------- decibel

  const WRONG = {
    "10 log10(amplitude)":
      "10 log10 wants a power and got an amplitude: all differences are half of what they are. " +
      "Take 20 log10 of an amplitude.",
    "20 log10(power)":
      "20 log10 wants an amplitude and got a power: all differences are double, so top_db keeps only half the " +
      "range that it promises.",
    "decibels of decibels":
      "The logarithm was taken twice. Negative decibels are no powers: all of them fell to amin, and the rest is " +
      "squeezed.",
  };

  const db = (level) => `${number(level, 1)} dB`;

  function decibel(engine, settings, { mostGain }) {
    const levels = engine.levelsOfAll(settings);
    const { ref, max, min, mean, aminShare, clampedShare } = levels;
    const readout = [
      ["0 dB is the power", general(ref)],
      ["loudest cell", db(max)],
      ["lowest cell", db(min)],
      ["range", db(max - min)],
      ["mean", db(mean)],
      ["lifted by amin", percent(aminShare)],
      ["lifted by the clamp", percent(clampedShare)],
    ];
    return { readout, notes: decibelNotes(settings, levels, mostGain ?? Infinity) };
  }

  function decibelNotes(settings, { loudest, softest, aminShare, clampedShare }, mostGain) {
    const { formula, gain_db, amin, top_db, neighbour } = settings;
    const notes = formula in WRONG ? [WRONG[formula]] : [];
    if (10 ** (gain_db / 20) > mostGain) {
      notes.push("Heard softer than shown: with this gain a sound card would clip.");
    }
    if (loudest < amin) {
      notes.push("amin lies above the loudest cell: every cell is the same.");
    } else if (aminShare > 0.2) {
      notes.push(
        `amin lifts ${percent(aminShare)} of the cells: what is quieter than ${db(softest)} is gone, ` +
          "whatever top_db says.",
      );
    }
    if (neighbour && top_db) {
      notes.push(
        `The clamp counts from a neighbour that is ${neighbour} dB louder: of ${top_db} dB this sound keeps ` +
          `${Math.max(0, top_db - neighbour)}.`,
      );
    }
    if (clampedShare > 0.9 && loudest > amin) {
      notes.push(`${percent(clampedShare)} of the cells were clamped to one level.`);
    }
    return notes;
  }

  // ---------------------------------------------------------------- normalize

  const NEARLY_SILENT_DBFS = -60;
  const MEASURES_ITSELF = ["per clip", "per band", "min-max"];

  const epsText = (eps) => general(eps, 6).replace("e-0", "e-");
  const dbfs = (level) => (Number.isFinite(level) ? `${number(level, 1)} dBFS` : "digital silence");
  const quiet = (level) => (Number.isFinite(level) ? `nearly silent (peak ${dbfs(level)})` : "digital silence");

  function four({ mean, std, min, max }, unit, digits) {
    const parts = Object.entries({ mean, std, min, max }).map(([name, value]) => `${name} ${number(value, digits)}`);
    return `${parts.join(" \u00b7 ")} ${unit}`;
  }

  function normalize(engine, settings) {
    const measured = engine.measured(settings);
    const told = engine.summaries(settings);
    const peak = engine.peakDbfs(settings.gain_db);
    const { unit } = measured.range;
    const band = told.loudest % measured.nMels;
    const inBand = settings.method === "per band" ? ` (band ${band})` : "";
    const readout = [
      ["stored peak", dbfs(peak)],
      ["before:", four(told.before, "dB", 1)],
      ["after:", four(told.after, unit, unit === "dB" ? 1 : 2)],
      [`loudest cell${inBand}:`, formulaText(settings, measured, told.loudest, band)],
    ];
    return { readout, notes: normalizeNotes(engine, settings, measured, told, peak) };
  }

  /** The course's formula with the numbers of one cell. */
  function formulaText({ method, eps }, { before, after, centre, scale, range }, cell, band) {
    const x = number(before[cell], 1);
    if (method === "none") return `${x} dB, as it is`;
    let middle = number(centre[band], 1);
    if (middle.startsWith(MINUS)) middle = `(${middle})`;
    const result = `${number(after[cell], 2)} ${range.unit}`;
    return `(${x} ${MINUS} ${middle}) / (${number(scale[band], 1)} + ${epsText(eps)}) = ${result}`;
  }

  function normalizeNotes(engine, { gain_db, method, eps }, { scale, range }, { before, after, outside }, peak) {
    const notes = [];
    const nClipped = engine.countClipped(gain_db);
    if (nClipped) {
      notes.push(
        `${nClipped} of ${engine.nSamples} samples went beyond full scale: the file clips them, and no normalising ` +
          "brings them back.",
      );
    }
    if (MEASURES_ITSELF.includes(method)) notes.push(...silenceNotes(method, eps, scale, before, after, peak));
    if (method === "data set" && peak < NEARLY_SILENT_DBFS) {
      notes.push(
        `This clip is ${quiet(peak)}, and its picture says so: the mean is ${number(after.mean, 1)} \u03c3. ` +
          "Fixed numbers keep the level.",
      );
    }
    if (outside > 0.05) {
      notes.push(
        `${percent(outside)} of the cells lie beyond the colours, which end at ${number(range.low)} and ` +
          `${number(range.high)} ${range.unit}.`,
      );
    }
    return notes;
  }

  /** Silence that becomes noise, and what eps can and cannot do about it. */
  function silenceNotes(method, eps, scales, before, after, peak) {
    const scale = Math.min(...scales);
    const name = method === "min-max" ? "range" : "standard deviation";
    if (Math.max(...scales) === 0) {
      return [
        `Digital silence: every cell is ${number(before.mean, 1)} dB, so the ${name} is 0. ` +
          "Only eps keeps this from being 0 / 0; the result is 0 everywhere.",
      ];
    }
    const epsIsSmall = eps < 0.1 * scale;
    const nearlySilent = peak < NEARLY_SILENT_DBFS;
    if (nearlySilent && epsIsSmall) {
      return [
        `This clip is ${quiet(peak)}, but its picture is as strong as any: silence became noise. The level left ` +
          `with the ${method === "min-max" ? "minimum" : "mean"}, and beside a ${name} of ${number(scale, 1)} dB ` +
          `an eps of ${epsText(eps)} is nothing.`,
      ];
    }
    if (nearlySilent) {
      return [`This clip is ${quiet(peak)}. eps = ${epsText(eps)} holds its noise down, and every loud clip with it.`];
    }
    if (epsIsSmall) return [];
    return [
      `eps = ${epsText(eps)} is not small beside a ${name} of ${number(scale, 1)} dB: ` +
        `the result's standard deviation is ${number(after.std, 2)}.`,
    ];
  }

  const KINDS = { stft, mel, road, decibel, normalize };

  return (kind, engine, settings, facts = {}) => KINDS[kind]?.(engine, settings, facts) ?? null;
}
