// @ts-check
/**
 * The signal chain in the browser: from the samples of a sound to the 8-bit pictures of the explorers.
 *
 *     samples -> window -> Fourier transform -> power -> Mel bands -> decibels -> 8 bits
 *
 * PyTorch in the kernel computes the pictures that count (`course_utils/explorers/live.py`). This file
 * does the same sums where the hand is, so that every step of a slider is seen, also far from the kernel
 * or without one. `tests/unit/test_engine_parity.py` holds the two together: no cell differs by more than
 * 1 of its 255 steps, and no power above the floor by more than 0.05 dB. (Some 110 dB below a loud tone
 * PyTorch's 32 bits are not that exact themselves; there PyTorch in 64 bits agrees to 0.00001 dB.)
 *
 * Which numbers are used:
 * - The samples are the 16-bit ones that the view plays; k stands for the amplitude k / `fullScale`. That is the
 *   kernel's waveform where it came from a 16-bit file. A computed one the kernel has without this rounding,
 *   and in its quiet parts that is seen: then the samples are a Float32Array, and both have the same waveform.
 * - JavaScript computes in 64 bits, and so does the transform. (Kept in 32 bits it is no faster: every
 *   number would be converted on its way in and out.) What is kept, powers, are 32 bits wide, as in PyTorch.
 * - Where a rule of the kernel depends on its 32 bits (a 16-bit file behind a gain, a level on the edge of
 *   a histogram's bar), `Math.fround` rounds as it does.
 *
 * Everything stands inside one function, because a function can tell its own text: `workerSource` makes a
 * Worker from it, and two such files can be joined without their names meeting.
 *
 * What the explorers say beside their pictures is made by words.js, from the numbers that are known here.
 *
 * Order: numbers - numbers as text - Fourier transform - windows - Mel scale - decibels - frames and axes - Engine
 * (lanes, stages, pictures) - charts - Worker. Behind it the page's side: BrowserEngine.
 *
 * @typedef {{samples: Int16Array | Float32Array, sampleRate: number, nChannels?: number, fullScale?: number}} Sound
 *   Channels lie side by side: left, right, left, right ... `fullScale` is the sample that stands for the
 *   amplitude 1: 32768 for 16-bit samples, as the view rounds, 1 for a waveform.
 * @typedef {{[name: string]: any}} Settings  An explorer's settings, with the names that they have in Python.
 * @typedef {{cells: Uint8Array, nRows: number, nColumns: number, meta: any, values: Float32Array | Float64Array}}
 *   Picture
 *   Cells go row after row, the lowest frequency first; `meta` is what the view needs to read them, see
 *   `asState`. `values` are the numbers before they became 8 bits, frame after frame: powers, or decibels.
 * @typedef {{numbers: Float32Array, meta: any}} Chart  Of each line all x, then all y.
 */
export function soundEngine() {
  // ---------------------------------------------------------------- numbers

  const AMIN = Math.fround(1e-10); // the smallest power before a logarithm
  const MAX_COLUMNS = 1200; // a picture with more columns than a wide screen has pixels is thinned:
  const THINNED_COLUMNS = 640; // then it is an overview, and half the pixels are enough
  const MAX_ROWS = 513;
  const THINNED_ROWS = 257;
  const WARPED_ROWS = 400; // rows of a picture whose frequency axis is not linear
  const LOWEST_LOG_HZ = 40; // where a logarithmic frequency axis begins: it has no zero
  const TABLE = 257; // points of an axis table
  const ENGINE = "JavaScript"; // who drew this picture
  const FIXED = { n_fft: 1024, win_length: null, window: "hann", n_mels: 64, mel_scale: "htk" };
  const DECIBEL_CHAIN = { ...FIXED, hop_length: 256 };
  const NORMALIZE_CHAIN = { ...FIXED, hop_length: 512 };
  const NORMALIZE_TOP_DB = 80;

  /** `count` numbers from `first` to `last`, both included, equally far apart. */
  function linspace(first, last, count) {
    const step = (last - first) / (count - 1);
    return Float64Array.from({ length: count }, (_, i) => (i === count - 1 ? last : first + i * step));
  }

  /** `count` numbers from `first` to `last`, each the same factor above the one before. */
  function geomspace(first, last, count) {
    const powers = linspace(Math.log(first), Math.log(last), count).map(Math.exp);
    powers[0] = first;
    powers[count - 1] = last;
    return powers;
  }

  const rounded = (values) => Array.from(values, (value) => Math.round(value * 100) / 100);

  const NO_FRACTIONS = 1.5 * 2 ** 52; // beside such a number 64 bits hold no fraction: it is rounded away

  /** The nearest whole number; of two that are equally near the even one, as PyTorch rounds. */
  const roundToEven = (value) => value + NO_FRACTIONS - NO_FRACTIONS;

  // ---------------------------------------------------------------- numbers as text

  /**
   * A number with so many digits after the point, as Python's `f"{value:.1f}"` writes it. Both round what the
   * number really is; but of two texts that are equally near, `toFixed` takes the larger one, Python the even
   * one: 31.25 becomes "31.2".
   */
  function fixed(value, digits) {
    const size = Math.abs(value);
    const sign = signOf(value);
    if (size >= 1e21) return sign + BigInt(size) + (digits ? `.${"0".repeat(digits)}` : "");
    const long = size.toFixed(digits + 40);
    return sign + evenOfTwo(size.toFixed(digits), long, long.indexOf(".") + (digits && digits + 1));
  }

  /** A number with four digits, as Python's `f"{value:.4g}"` writes it: "0.001", "1e-05", "1235". */
  function general(value, precision = 4) {
    const sign = signOf(value);
    if (value === 0) return `${sign}0`;
    const size = Math.abs(value);
    const long = size.toExponential(precision + 40).split("e");
    const [short, power] = size.toExponential(precision - 1).split("e");
    const digits = evenOfTwo(short, long[0], precision + 1);
    const exponent = Number(power);
    const plain = exponent >= -4 && exponent < precision;
    const bare = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
    if (plain) return sign + bare(Number(`${digits}e${power}`).toFixed(Math.max(0, precision - 1 - exponent)));
    return `${sign}${bare(digits)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }

  const signOf = (value) => (value < 0 || Object.is(value, -0) ? "-" : ""); // zero has one, too

  /** `short` is `long` rounded to its first characters, a half always up; here a half goes to the even digit. */
  function evenOfTwo(short, long, length) {
    const kept = long.slice(0, length);
    const isHalf = /^\.?50*$/.test(long.slice(length));
    return isHalf && "02468".includes(kept.at(-1)) ? kept : short;
  }

  const percent = (share) => `${fixed(100 * share, 0)} %`;

  // ---------------------------------------------------------------- Fourier transform

  const LARGEST_FACTOR = 13; // a prime factor above this makes the direct way slow

  /** The factors of n that the transform takes one after the other: odd ones, a two, fours. */
  function factors(n) {
    const found = [];
    while (n % 4 === 0) {
      found.unshift(4);
      n /= 4;
    }
    for (let factor = 2; n > 1; factor++) {
      while (n % factor === 0) {
        found.unshift(factor);
        n /= factor;
      }
    }
    return found;
  }

  /**
   * The fast Fourier transform of n complex numbers, for any n without large prime factors.
   *
   * The definition, X[k] = sum of x[i] e^(-2 pi j i k / n), needs n * n products. But n = r m numbers can be
   * taken as r rows of m: r-point transforms down the columns, a turn for each number, and what is left are
   * r transforms of m points, to which the same is done. That is about n log n products (Cooley and Tukey,
   * 1965; Gauss, 1805).
   *
   * It works in place, on `points`: real and imaginary part side by side. The rows come out in another order
   * than they went in; sorting them would cost time, so `place[k]` says where X[k] stands.
   */
  class Fourier {
    constructor(n) {
      this.n = n;
      this.points = new Float64Array(2 * n);
      this.factors = factors(n);
      this.turns = []; // for each factor: e^(-2 pi j p i / length) for all i, and p = 1 ... factor - 1
      let length = n;
      for (const factor of this.factors) {
        this.turns.push(turnsOf(length, factor));
        length /= factor;
      }
      this.place = Int32Array.from({ length: n }, (_, k) => 2 * this.placeOf(k));
    }

    /** Each factor's part of the bin's number says into which of its rows the bin went. */
    placeOf(k) {
      let place = 0;
      let length = this.n;
      for (const factor of this.factors) {
        length /= factor;
        place += (k % factor) * length;
        k = Math.floor(k / factor);
      }
      return place;
    }

    transform() {
      let length = this.n;
      this.factors.forEach((factor, i) => {
        if (factor === 4 && length === 4) lastPassOf4(this.points);
        else if (factor === 4) passOf4(this.points, length, this.turns[i]);
        else if (factor === 2) passOf2(this.points, length, this.turns[i]);
        else passOfOdd(this.points, length, factor, this.turns[i]);
        length /= factor;
      });
    }
  }

  function turnsOf(length, factor) {
    const turns = new Float64Array((2 * (factor - 1) * length) / factor);
    let at = 0;
    for (let i = 0; i < length / factor; i++) {
      for (let p = 1; p < factor; p++) {
        const angle = (-2 * Math.PI * ((i * p) % length)) / length;
        turns[at++] = Math.cos(angle);
        turns[at++] = Math.sin(angle);
      }
    }
    return turns;
  }

  // The passes. `a`, `b`, `c`, `d` are the places of the numbers in one column; a number at `a` has its
  // imaginary part at `a + 1`. One column stands in each block of `length` numbers, and all blocks turn alike.

  function passOf2(z, length, turns) {
    const row = length; // two doubles for each of length / 2 numbers
    for (let i = 0; i < row; i += 2) {
      const wr = turns[i];
      const wi = turns[i + 1];
      for (let a = i; a < z.length; a += 2 * row) {
        const b = a + row;
        const real = z[a] - z[b];
        const imag = z[a + 1] - z[b + 1];
        z[a] += z[b];
        z[a + 1] += z[b + 1];
        z[b] = real * wr - imag * wi;
        z[b + 1] = real * wi + imag * wr;
      }
    }
  }

  /** Four at once spare half of the loads and stores of two passes of 2, and a turn by a quarter is free. */
  function passOf4(z, length, turns) {
    const row = length / 2;
    const n = z.length;
    for (let i = 0, t = 0; i < row; i += 2, t += 6) {
      const w1r = turns[t];
      const w1i = turns[t + 1];
      const w2r = turns[t + 2];
      const w2i = turns[t + 3];
      const w3r = turns[t + 4];
      const w3i = turns[t + 5];
      for (let a = i; a < n; a += 2 * length) {
        const b = a + row;
        const c = b + row;
        const d = c + row;
        const ar = z[a];
        const ai = z[a + 1];
        const br = z[b];
        const bi = z[b + 1];
        const cr = z[c];
        const ci = z[c + 1];
        const dr = z[d];
        const di = z[d + 1];
        const acr = ar + cr;
        const aci = ai + ci;
        const bdr = br + dr;
        const bdi = bi + di;
        const y1r = ar - cr + (bi - di); // a - jb - c + jd
        const y1i = ai - ci - (br - dr);
        const y2r = acr - bdr; //           a -  b + c -  d
        const y2i = aci - bdi;
        const y3r = ar - cr - (bi - di); // a + jb - c - jd
        const y3i = ai - ci + (br - dr);
        z[a] = acr + bdr;
        z[a + 1] = aci + bdi;
        z[b] = y1r * w1r - y1i * w1i;
        z[b + 1] = y1r * w1i + y1i * w1r;
        z[c] = y2r * w2r - y2i * w2i;
        z[c + 1] = y2r * w2i + y2i * w2r;
        z[d] = y3r * w3r - y3i * w3i;
        z[d + 1] = y3r * w3i + y3i * w3r;
      }
    }
  }

  /** The last four stand side by side, and nothing is left to turn. */
  function lastPassOf4(z) {
    for (let a = 0; a < z.length; a += 8) {
      const ar = z[a];
      const ai = z[a + 1];
      const br = z[a + 2];
      const bi = z[a + 3];
      const cr = z[a + 4];
      const ci = z[a + 5];
      const dr = z[a + 6];
      const di = z[a + 7];
      z[a] = ar + cr + (br + dr);
      z[a + 1] = ai + ci + (bi + di);
      z[a + 2] = ar - cr + (bi - di);
      z[a + 3] = ai - ci - (br - dr);
      z[a + 4] = ar + cr - (br + dr);
      z[a + 5] = ai + ci - (bi + di);
      z[a + 6] = ar - cr - (bi - di);
      z[a + 7] = ai - ci + (br - dr);
    }
  }

  /**
   * Any odd factor. A pair q and factor - q is turned by opposite angles, so its sum meets only the cosine
   * and its difference only the sine: a quarter of the products.
   */
  function passOfOdd(z, length, factor, turns) {
    const row = (2 * length) / factor;
    const half = (factor - 1) / 2;
    const cos = Float64Array.from({ length: factor }, (_, k) => Math.cos((2 * Math.PI * k) / factor));
    const sin = Float64Array.from({ length: factor }, (_, k) => Math.sin((2 * Math.PI * k) / factor));
    const pairs = new Float64Array(4 * half); // of each: sum, difference
    for (let i = 0, t = -2; i < row; i += 2, t += 2 * (factor - 1)) {
      for (let a = i; a < z.length; a += 2 * length) {
        const firstR = z[a];
        const firstI = z[a + 1];
        for (let q = 1, k = 0; q <= half; q++, k += 4) {
          const b = a + q * row;
          const c = a + (factor - q) * row;
          pairs[k] = z[b] + z[c];
          pairs[k + 1] = z[b + 1] + z[c + 1];
          pairs[k + 2] = z[b] - z[c];
          pairs[k + 3] = z[b + 1] - z[c + 1];
          z[a] += pairs[k];
          z[a + 1] += pairs[k + 1];
        }
        for (let p = 1; p <= half; p++) {
          let evenR = firstR;
          let evenI = firstI;
          let oddR = 0;
          let oddI = 0;
          for (let k = 0, root = p; k < 4 * half; k += 4, root = root + p < factor ? root + p : root + p - factor) {
            evenR += cos[root] * pairs[k];
            evenI += cos[root] * pairs[k + 1];
            oddR += sin[root] * pairs[k + 3]; // -j sin times the difference
            oddI -= sin[root] * pairs[k + 2];
          }
          putTurned(z, a + p * row, evenR + oddR, evenI + oddI, turns, t + 2 * p);
          putTurned(z, a + (factor - p) * row, evenR - oddR, evenI - oddI, turns, t + 2 * (factor - p));
        }
      }
    }
  }

  function putTurned(z, at, real, imag, turns, t) {
    z[at] = real * turns[t] - imag * turns[t + 1];
    z[at + 1] = real * turns[t + 1] + imag * turns[t];
  }

  /**
   * The transform for an n with a large prime factor (Bluestein, 1970).
   *
   * With i k = (i^2 + k^2 - (k - i)^2) / 2 the sum becomes a convolution with a chirp, and a convolution
   * is a product of longer transforms, whose length may be a power of two.
   */
  class ChirpFourier {
    constructor(n) {
      this.n = n;
      this.points = new Float64Array(2 * n);
      this.place = Int32Array.from({ length: n }, (_, k) => 2 * k);
      this.chirp = new Float64Array(2 * n); // e^(-pi j i^2 / n)
      const long = 2 ** Math.ceil(Math.log2(2 * n - 1));
      this.fourier = new Fourier(long);
      const z = this.fourier.points;
      for (let i = 0; i < n; i++) {
        const angle = (Math.PI * ((i * i) % (2 * n))) / n;
        this.chirp[2 * i] = Math.cos(angle);
        this.chirp[2 * i + 1] = -Math.sin(angle);
        for (const k of [i, (long - i) % long]) {
          z[2 * k] = Math.cos(angle);
          z[2 * k + 1] = Math.sin(angle);
        }
      }
      this.fourier.transform();
      this.answer = Float64Array.from(z); // what the convolution does to each frequency
    }

    transform() {
      const { n, points, chirp, answer } = this;
      const { points: z, place, n: long } = this.fourier;
      z.fill(0);
      turnAll(z, points, chirp, n);
      this.fourier.transform();
      // Back again: the inverse transform is the conjugate of the transform of the conjugate.
      const product = new Float64Array(2 * long);
      for (let k = 0; k < long; k++) {
        const p = place[k];
        product[2 * k] = z[p] * answer[p] - z[p + 1] * answer[p + 1];
        product[2 * k + 1] = -(z[p] * answer[p + 1] + z[p + 1] * answer[p]);
      }
      z.set(product);
      this.fourier.transform();
      for (let k = 0; k < n; k++) {
        points[2 * k] = z[place[k]] / long;
        points[2 * k + 1] = -z[place[k] + 1] / long;
      }
      turnAll(points, points, chirp, n);
    }
  }

  /** Product of n complex numbers with n others, into `out`. */
  function turnAll(out, z, turns, n) {
    for (let i = 0; i < 2 * n; i += 2) {
      const real = z[i] * turns[i] - z[i + 1] * turns[i + 1];
      out[i + 1] = z[i] * turns[i + 1] + z[i + 1] * turns[i];
      out[i] = real;
    }
  }

  function makeFourier(n) {
    return Math.max(1, ...factors(n)) > LARGEST_FACTOR ? new ChirpFourier(n) : new Fourier(n);
  }

  /**
   * From one frame of real samples to the power of its nFft / 2 + 1 frequencies.
   *
   * Real samples would leave every imaginary part empty. So the even ones are taken as real parts and the
   * odd ones as imaginary parts of half as many numbers, and their two spectra are untangled afterwards.
   */
  class PowerSpectrum {
    constructor(nFft) {
      this.nFft = nFft;
      this.nFreqs = Math.floor(nFft / 2) + 1;
      this.halved = nFft % 2 === 0;
      this.fourier = makeFourier(this.halved ? nFft / 2 : nFft);
      this.turns = new Float64Array(nFft + 2); // e^(-2 pi j k / nFft)
      for (let k = 0; k < this.nFreqs; k++) {
        this.turns[2 * k] = Math.cos((-2 * Math.PI * k) / nFft);
        this.turns[2 * k + 1] = Math.sin((-2 * Math.PI * k) / nFft);
      }
    }

    /**
     * Write the powers of one frame to `out`, from `at` on.
     * @param {Int16Array | Float32Array} samples @param {number} start First sample of the frame.
     * @param {Float64Array} weights The window, nFft long. @param {Float32Array} out @param {number} at
     */
    write(samples, start, weights, out, at) {
      const z = this.fourier.points;
      if (!this.halved) {
        for (let i = 0; i < weights.length; i++) {
          z[2 * i] = samples[start + i] * weights[i];
          z[2 * i + 1] = 0;
        }
        this.fourier.transform();
        this.readWhole(out, at);
        return;
      }
      for (let i = 0, s = start; i < z.length; i += 2, s += 2) {
        const even = samples[s] * weights[i];
        const odd = samples[s + 1] * weights[i + 1];
        z[i] = even;
        z[i + 1] = odd;
      }
      this.fourier.transform();
      this.readHalved(out, at);
    }

    readWhole(out, at) {
      const { points: z, place } = this.fourier;
      for (let k = 0; k < this.nFreqs; k++) out[at + k] = z[place[k]] ** 2 + z[place[k] + 1] ** 2;
    }

    /** With Z[k] and Z[half - k], even samples E = (Z + Z'*) / 2, odd ones O = (Z - Z'*) / 2j: X = E + turn O. */
    readHalved(out, at) {
      const { points: z, place, n: half } = this.fourier;
      const turns = this.turns;
      out[at] = (z[0] + z[1]) ** 2;
      out[at + half] = (z[0] - z[1]) ** 2;
      for (let k = 1; 2 * k <= half; k++) {
        const p = place[k];
        const q = place[half - k];
        const evenR = 0.5 * (z[p] + z[q]);
        const evenI = 0.5 * (z[p + 1] - z[q + 1]);
        const oddR = 0.5 * (z[p + 1] + z[q + 1]);
        const oddI = 0.5 * (z[q] - z[p]);
        const wr = turns[2 * k];
        const wi = turns[2 * k + 1];
        const turnedR = oddR * wr - oddI * wi;
        const turnedI = oddR * wi + oddI * wr;
        const lowR = evenR + turnedR;
        const lowI = evenI + turnedI;
        const highR = evenR - turnedR;
        const highI = evenI - turnedI;
        out[at + k] = lowR * lowR + lowI * lowI;
        out[at + half - k] = highR * highR + highI * highI;
      }
    }
  }

  // ---------------------------------------------------------------- windows

  /** a0, a1, a2 of w[n] = a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N). */
  const COSINE_SUMS = {
    hann: [0.5, 0.5, 0],
    hamming: [0.54, 0.46, 0],
    blackman: [0.42, 0.5, 0.08],
    rectangular: [1, 0, 0],
  };

  /** A periodic window: its first sample is not repeated at the end. */
  function makeWindow(name, length) {
    checkChoice("window", name, Object.keys(COSINE_SUMS));
    if (length === 1) return Float64Array.of(1);
    const [a0, a1, a2] = COSINE_SUMS[name];
    return Float64Array.from({ length }, (_, n) => {
      const angle = (2 * Math.PI * n) / length;
      return a0 - a1 * Math.cos(angle) + a2 * Math.cos(2 * angle);
    });
  }

  /** The window in the middle of nFft zeros, times `scale`, which makes an amplitude of a sample. */
  function paddedWindow(spec, scale) {
    const weights = new Float64Array(spec.nFft);
    const shape = makeWindow(spec.window, spec.winLength);
    weights.set(shape.map((w) => w * scale), Math.floor((spec.nFft - spec.winLength) / 2));
    return weights;
  }

  /** The window as a few points for the eye, both edges included. */
  function windowShape(name) {
    const weights = Array.from(makeWindow(name, 64), (w) => Math.round(w * 1000) / 1000 + 0);
    return [...weights, weights[0]];
  }

  const lobeWidths = new Map();

  /** Full width of the window's main lobe at half its height, in bins of a window-long transform. */
  function lobeWidth(name) {
    if (!lobeWidths.has(name)) {
      const bins = measuredLobeWidth(makeWindow(name, 1024), 64);
      lobeWidths.set(name, Math.round(1e9 * bins) / 1e9); // Hann: 2 bins, whatever the last digits are
    }
    return lobeWidths.get(name);
  }

  function measuredLobeWidth(weights, pointsPerBin) {
    const height = (point) => {
      let real = 0;
      let imag = 0;
      weights.forEach((w, n) => {
        const angle = (2 * Math.PI * n * point) / (pointsPerBin * weights.length);
        real += w * Math.cos(angle);
        imag += w * Math.sin(angle);
      });
      return Math.hypot(real, imag);
    };
    const half = 0.5 * height(0);
    let point = 1;
    while (height(point) >= half) point++;
    const [high, low] = [height(point - 1), height(point)];
    return (2 * (point - 1 + (high - half) / (high - low))) / pointsPerBin;
  }

  /** How far apart two clicks, or two tones, must be to show as two: seconds and Hz. */
  function resolution(spec, sampleRate) {
    const weights = makeWindow(spec.window, spec.winLength);
    const half = 0.5 * weights.reduce((a, b) => Math.max(a, b));
    // Where a sample lies just on half the height, its other half lies outside.
    const wide = weights.reduce((sum, w) => sum + (Math.abs(w - half) <= 1e-9 ? 0.5 : Number(w > half)), 0);
    return { dt_s: wide / sampleRate, df_hz: (lobeWidth(spec.window) * sampleRate) / spec.winLength };
  }

  // ---------------------------------------------------------------- Mel scale

  const SLANEY_HZ_PER_MEL = 200 / 3; // up to 1000 Hz, which is Mel 15 of this scale
  const SLANEY_LOG_STEP = Math.log(6.4) / 27; // above it, for each Mel

  function hzToMel(hz, scale = "htk") {
    if (scale === "htk") return 2595 * Math.log10(1 + hz / 700);
    return hz < 1000 ? hz / SLANEY_HZ_PER_MEL : 15 + Math.log(hz / 1000) / SLANEY_LOG_STEP;
  }

  function melToHz(mel, scale = "htk") {
    if (scale === "htk") return 700 * (10 ** (mel / 2595) - 1);
    return mel < 15 ? mel * SLANEY_HZ_PER_MEL : 1000 * Math.exp(SLANEY_LOG_STEP * (mel - 15));
  }

  /** Where the triangles begin, peak and end: band m uses edges m, m + 1 and m + 2. */
  function melEdges(nMels, sampleRate, scale) {
    checkChoice("mel_scale", scale, ["htk", "slaney"]);
    checkCount("n_mels", nMels);
    return linspace(0, hzToMel(sampleRate / 2, scale), nMels + 2).map((mel) => melToHz(mel, scale));
  }

  /** Height of each triangle: 1, or what makes its area 1. */
  function melHeights(edges, norm) {
    if (norm !== null) checkChoice("norm", norm, ["slaney"]);
    const height = (m) => (norm ? 2 / (edges[m + 2] - edges[m]) : 1);
    return Float64Array.from({ length: edges.length - 2 }, (_, m) => height(m));
  }

  /**
   * The filterbank, as cheap as it can be applied.
   *
   * Between two neighbouring edges only two triangles live: one falls while the next one rises, and their
   * heights add up to 1. So each bin has one number, its `share` of the rising one, and the rest belongs to
   * the falling one. The bins between edges s and s + 1 are `from[s] ... from[s + 1] - 1`.
   */
  function melBank({ nFft, nMels, sampleRate, scale, norm }) {
    const edges = melEdges(nMels, sampleRate, scale);
    const nFreqs = Math.floor(nFft / 2) + 1;
    const from = new Int32Array(nMels + 2).fill(nFreqs);
    const share = new Float64Array(nFreqs);
    let bin = 0;
    for (let s = 0; s <= nMels; s++) {
      from[s] = bin;
      for (; bin < nFreqs && (bin * sampleRate) / nFft < edges[s + 1]; bin++) {
        share[bin] = ((bin * sampleRate) / nFft - edges[s]) / (edges[s + 1] - edges[s]);
      }
    }
    from[nMels + 1] = bin; // a bin on the last edge belongs to nobody
    const empty = [];
    for (let m = 0; m < nMels; m++) if (!hasBin(m, from, share)) empty.push(m);
    return { nMels, nFreqs, from, share, heights: melHeights(edges, norm), edges, empty };
  }

  function hasBin(m, from, share) {
    for (let bin = from[m]; bin < from[m + 1]; bin++) if (share[bin] > 0) return true;
    return from[m + 2] > from[m + 1]; // any bin on the falling side has a weight above 0
  }

  /** Gather the powers of all frames into bands; both go frame after frame. */
  function toBands(power, nFrames, bank) {
    const { nMels, nFreqs, from, share, heights } = bank;
    const bands = new Float32Array(nFrames * nMels);
    for (let t = 0; t < nFrames; t++) {
      const at = t * nFreqs;
      let risen = 0; // what the band below has from its rising side
      for (let s = 0; s <= nMels; s++) {
        let all = 0;
        let rising = 0;
        for (let bin = from[s]; bin < from[s + 1]; bin++) {
          const p = power[at + bin];
          all += p;
          rising += share[bin] * p;
        }
        if (s > 0) bands[t * nMels + s - 1] = heights[s - 1] * (risen + (all - rising));
        risen = rising;
      }
    }
    return bands;
  }

  // ---------------------------------------------------------------- decibels

  const OCTAVE_DB = 10 * Math.log10(2); // a factor of 2 in power
  const PARTS = 4096; // of an octave
  const PART_DB = Float64Array.from({ length: PARTS }, (_, i) => 10 * Math.log10(1 + (i + 0.5) / PARTS));
  const AMIN_BITS = new Int32Array(Float32Array.of(AMIN).buffer)[0];

  /**
   * Power to 8 bits: 255 is the peak of the sound, 0 is `topDb` below it.
   *
   * A 32-bit number already carries its logarithm: it is stored as 2^e (1 + f), so e says how many octaves,
   * and the first 12 bits of f look up the rest in a table, right to 0.0006 dB. Of positive numbers the
   * larger one has the larger bits, too, so `AMIN` is applied to the bits.
   * @param {Float32Array} rows Frame after frame, nRows powers each.
   * @returns {{cells: Uint8Array, low: number, high: number}}
   */
  function toCells(rows, nRows, topDb, peak) {
    const top = 10 * Math.log10(Math.max(peak, AMIN));
    const low = peak > AMIN ? top - topDb : top; // silence is dark, not bright
    const nColumns = rows.length / nRows;
    const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
    const cells = new Uint8ClampedArray(rows.length); // rounds, and keeps to 0 ... 255
    const steps = 255 / topDb;
    const zero = -127 * OCTAVE_DB - low; // e is stored 127 too large
    for (let column = 0, i = 0; column < nColumns; column++) {
      for (let cell = column; cell < cells.length; cell += nColumns, i++) {
        const b = bits[i] > AMIN_BITS ? bits[i] : AMIN_BITS;
        cells[cell] = (zero + (b >>> 23) * OCTAVE_DB + PART_DB[(b >>> 11) & (PARTS - 1)]) * steps;
      }
    }
    return { cells: new Uint8Array(cells.buffer), low, high: low + topDb };
  }

  /** Values to 8 bits: 0 is `low`, 255 is `high`. Values go frame after frame, cells row after row. */
  function valuesToCells(values, nRows, low, high) {
    const nColumns = values.length / nRows;
    const cells = new Uint8ClampedArray(values.length);
    const steps = 255 / (high - low);
    for (let column = 0, i = 0; column < nColumns; column++) {
      for (let cell = column; cell < cells.length; cell += nColumns, i++) cells[cell] = (values[i] - low) * steps;
    }
    return { cells: new Uint8Array(cells.buffer), low, high };
  }

  /** 10 log10(max(power, amin) / ref), with the kernel's 32 bits. */
  function powerToDb(power, ref, amin) {
    const level = Math.fround(10 * Math.fround(Math.log10(Math.max(power, Math.fround(amin)))));
    return ref === 1 ? level : Math.fround(level - Math.fround(10 * Math.log10(ref)));
  }

  const root = (power) => Math.fround(Math.sqrt(power));
  const square = (amplitude) => Math.fround(amplitude * amplitude);

  /** The right ways to decibels of a power, and the classical mistakes: a formula gets what it did not want. */
  const FORMULAS = {
    "10 log10(power)": powerToDb,
    "20 log10(amplitude)": (power, ref, amin) => powerToDb(square(root(power)), ref, amin),
    "10 log10(amplitude)": (power, ref, amin) => powerToDb(root(power), Math.sqrt(ref), Math.sqrt(amin)),
    "20 log10(power)": (power, ref, amin) => powerToDb(square(power), ref * ref, amin * amin),
    "decibels of decibels": (power, ref, amin) => powerToDb(powerToDb(power, ref, amin), 1, amin),
  };

  function largest(values) {
    let most = -Infinity;
    for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
    return most;
  }

  function smallest(values) {
    let least = Infinity;
    for (let i = 0; i < values.length; i++) if (values[i] < least) least = values[i];
    return least;
  }

  // ---------------------------------------------------------------- frames and axes

  function checkCount(name, value) {
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name}=${value} must be a positive integer`);
  }

  function checkChoice(name, value, known) {
    if (!known.includes(value)) throw new Error(`${name} must be one of ${known.join(", ")}, got ${value}`);
  }

  /** What the transform depends on. */
  function specOf(settings) {
    const { n_fft: nFft, hop_length: hopLength, window } = settings;
    const winLength = settings.win_length || nFft;
    checkCount("n_fft", nFft);
    checkCount("hop_length", hopLength);
    checkCount("win_length", winLength);
    if (winLength > nFft) {
      throw new Error(
        `win_length ${winLength} is longer than n_fft ${nFft}: the window has to fit into the transform. ` +
          "Take a longer n_fft or a shorter win_length",
      );
    }
    return { nFft, hopLength, winLength, window, nFreqs: Math.floor(nFft / 2) + 1 };
  }

  /** How many frames a sound has. */
  function countFrames(spec, nSamples) {
    const padded = nSamples + 2 * Math.floor(spec.nFft / 2);
    return Math.max(0, 1 + Math.floor((padded - spec.nFft) / spec.hopLength));
  }

  /** Which frames a picture shows: every `step`-th from `first`, `count` of them. */
  function framesOf(spec, visible, sound) {
    const total = Math.max(1, countFrames(spec, sound.nSamples));
    const hop_s = spec.hopLength / sound.sampleRate;
    const last = Math.min(total - 1, Math.ceil(visible[1] / hop_s - 0.5));
    const first = Math.min(last, Math.max(0, Math.floor(visible[0] / hop_s + 0.5)));
    const all = last - first + 1;
    const step = all <= MAX_COLUMNS ? 1 : Math.ceil(all / THINNED_COLUMNS);
    const start = first - (first % step); // the same frames stay in the picture while it is moved
    return { first: start, step, count: Math.floor((last - start) / step) + 1 };
  }

  /** Frequencies that are equally spaced on a log or Mel axis. */
  function warped(axis, nyquist, count) {
    if (axis === "log") return geomspace(LOWEST_LOG_HZ, nyquist, count);
    return linspace(0, hzToMel(nyquist), count).map((mel) => melToHz(mel));
  }

  const mels = (freqs) => rounded(freqs.map((hz) => hzToMel(Math.max(0, hz))));

  /** The frequency axis, what its rows are, and the first bin of each row. */
  function frequencyRows(axis, nFft, sampleRate, thinned) {
    checkChoice("freq_axis", axis, ["linear", "log", "mel"]);
    const nyquist = sampleRate / 2;
    const count = Math.floor(nFft / 2) + 1;
    const spacing_hz = sampleRate / nFft;
    const axisOf = (min, max, scale, table, melTable) => ({
      label: "frequency", unit: "Hz", min, max, scale, table, mel_table: melTable,
    });
    if (axis === "linear") {
      const perRow = Math.ceil(count / (thinned ? THINNED_ROWS : MAX_ROWS));
      const starts = Int32Array.from({ length: Math.ceil(count / perRow) }, (_, i) => i * perRow);
      const low = -spacing_hz / 2;
      const high = (starts.length * perRow - 0.5) * spacing_hz;
      const y = axisOf(low, high, "linear", [], mels(linspace(low, high, TABLE)));
      return { y, rows: { kind: "bin", spacing_hz, count, per_row: perRow }, starts };
    }
    const edges = warped(axis, nyquist, WARPED_ROWS + 1).subarray(0, WARPED_ROWS);
    const starts = Int32Array.from(edges, (hz) => Math.min(count - 1, Math.floor(hz / spacing_hz + 0.5)));
    const table = warped(axis, nyquist, TABLE);
    const y = axisOf(table[0], nyquist, axis === "log" ? "log" : "table", rounded(table), mels(table));
    return { y, rows: { kind: "bin", spacing_hz, count, per_row: 0 }, starts };
  }

  /** The axis of a Mel picture: row m reaches half a step to both sides of its centre. */
  function bandRows(nMels, scale, sampleRate, nFft) {
    const top = hzToMel(sampleRate / 2, scale);
    const step = top / (nMels + 1); // n_mels + 2 points make n_mels triangles
    const edges = rounded(melEdges(nMels, sampleRate, scale));
    const places = linspace(0.5 * step, top - 0.5 * step, TABLE);
    const table = places.map((mel) => melToHz(mel, scale));
    const y = {
      label: "band centre", unit: "Hz", min: table[0], max: table[TABLE - 1], scale: "table",
      table: rounded(table), mel_table: rounded(places),
    };
    const [low, centre, high] = [edges.slice(0, -2), edges.slice(1, -1), edges.slice(2)];
    return { y, rows: { kind: "band", low, centre, high, bin_hz: sampleRate / nFft } };
  }

  /** The loudest bin of each row of the picture: a thin line never vanishes between pixels. */
  function loudestRows(power, nFrames, nFreqs, starts) {
    const nRows = starts.length;
    if (nRows === nFreqs && starts[nRows - 1] === nRows - 1) return power; // each bin has its row
    const bits = new Int32Array(power.buffer); // of positive numbers the larger one has the larger bits
    const rows = new Int32Array(nFrames * nRows);
    for (let t = 0, i = 0; t < nFrames; t++) {
      const at = t * nFreqs;
      for (let r = 0; r < nRows; r++) {
        const end = r + 1 < nRows ? starts[r + 1] : nFreqs;
        let loudest = bits[at + starts[r]]; // a row between two bins shows the one before it
        for (let bin = at + starts[r] + 1; bin < at + end; bin++) {
          const lead = loudest - bits[bin]; // negative: this bin is louder
          loudest -= lead & (lead >> 31); // an «if», often guessed wrong, takes three times as long
        }
        rows[i++] = loudest;
      }
    }
    return new Float32Array(rows.buffer);
  }

  /** The settings that made a picture, without those that do not touch it. */
  function told(settings, ...others) {
    const kept = Object.entries(settings).filter(([name, value]) => value !== null && !others.includes(name));
    return Object.fromEntries(kept);
  }

  // ---------------------------------------------------------------- Engine

  /**
   * All pictures of one sound. Every stage is kept until something that it depends on changes, so moving
   * n_mels needs no new transform; only the frames that the picture has columns for are computed.
   */
  class Engine {
    /** @param {Sound} sound */
    constructor({ samples, sampleRate, nChannels = 1, fullScale = samples instanceof Float32Array ? 1 : 32768 }) {
      if (!(sampleRate > 0)) throw new Error(`sampleRate=${sampleRate} must be positive, in Hz`);
      if (!samples.length) throw new Error("the sound is empty: at least one sample is needed");
      this.samples = mono(samples, nChannels);
      this.nSamples = this.samples.length;
      this.sampleRate = sampleRate;
      this.fullScale = fullScale;
      this.kept = new Map();
      this.answers = 0;
      this.begin();
      this.spectra = new Map(); // the tables of each n_fft that was used: less than 200 kB each
    }

    /**
     * The picture or the chart of one lane of an explorer.
     * @param {string} lane One of LANES: "spectrogram", "mel", ...
     * @param {Settings} settings @param {[number, number]} visible In seconds. @returns {Picture | Chart}
     */
    picture(lane, settings, visible) {
      checkChoice("lane", lane, Object.keys(LANES));
      return LANES[lane](this, settings, visible);
    }

    /** @returns {Picture} The power spectrogram in dB, on the frequency axis that is set. */
    spectrogram(settings, visible) {
      const { freq_axis: axis, top_db: topDb } = settings;
      const spec = specOf(settings);
      const frames = framesOf(spec, visible, this);
      const { y, rows, starts } = this.frequencyRows(axis, spec.nFft, frames.step > 1);
      const power = this.cached("rows", [spec, frames, axis], () =>
        loudestRows(this.power(spec, frames), frames.count, spec.nFreqs, starts),
      );
      const made = told(settings, "n_mels", "mel_scale", "norm");
      const drawn = toCells(power, starts.length, topDb, this.peak(spec));
      return this.pictureOf(drawn, power, spec, frames, { y, rows, settings: made });
    }

    /** @returns {Picture} The Mel spectrogram in dB: one row for each band. */
    mel(settings, visible) {
      const spec = specOf(settings);
      const frames = framesOf(spec, visible, this);
      const bank = this.bank(settings);
      const power = this.cached("mel", [spec, frames, bank.key], () =>
        toBands(this.power(spec, frames), frames.count, bank),
      );
      const axis = this.bands(bank.nMels, settings.mel_scale, spec.nFft);
      const made = told(settings, "freq_axis");
      const drawn = toCells(power, bank.nMels, settings.top_db, this.melPeak(spec, bank));
      return this.pictureOf(drawn, power, spec, frames, { ...axis, settings: made, marks: bank.empty });
    }

    /** @returns {Picture} The Mel spectrogram of the decibel explorer: behind a gain, in its own colours. */
    decibel(settings, visible) {
      const { spec, frames, bank } = this.fixedChain(DECIBEL_CHAIN, visible);
      const levels = this.levels(settings);
      const make = () => {
        const mel = this.cached("visible mel", frames, () => this.fixedMel(spec, frames, bank));
        return mel.map((power) => levels.of(Math.fround(power * levels.gain)));
      };
      const all = this.levelsOfAll(settings).after;
      const values = partOf(all, bank.nMels, this.whole(spec), frames) ?? make();
      const [low, high] = colourSpan(levels, settings.colours);
      const axis = this.bands(bank.nMels, DECIBEL_CHAIN.mel_scale, spec.nFft);
      const drawn = valuesToCells(values, bank.nMels, low, high);
      return this.pictureOf(drawn, values, spec, frames, { ...axis, settings: told(settings) });
    }

    /**
     * What one setting of the decibel explorer makes of a power. All formulas rise with the power, so the
     * loudest and the softest cell of the sound say how far the levels reach, and where the clamp stands.
     */
    levels(settings) {
      const { gain_db, formula, ref: wanted, amin, top_db: topDb = null, neighbour } = settings;
      checkChoice("formula", formula, Object.keys(FORMULAS));
      const gain = Math.fround(10 ** (gain_db / 10));
      const { least, most } = this.range();
      const [softest, loudest] = [Math.fround(least * gain), Math.fround(most * gain)];
      const ref = wanted === "peak" ? Math.max(loudest, amin) : wanted;
      const before = (power) => FORMULAS[formula](power, ref, amin);
      // The clamp counts from the loudest cell of the batch, which may be a neighbour's.
      const loudestOfAll = Math.fround(loudest * 10 ** (neighbour / 10));
      const floor = topDb === null ? -Infinity : Math.fround(before(loudestOfAll) - topDb);
      const of = (power) => Math.max(before(power), floor);
      return { gain, ref, loudest, before, floor, of, lowest: of(softest), highest: of(loudest) };
    }

    /**
     * The levels of all cells of the sound, before and after the clamp; how many were lifted, by `amin` and by
     * the clamp, as parts of 1.
     */
    levelsOfAll(settings) {
      const { colours, ...others } = settings; // they change no level
      return this.cached("levels of all", others, () => {
        const levels = this.levels(settings);
        const power = this.wholeMel().map((p) => p * levels.gain);
        const before = power.map(levels.before);
        const after = before.map((level) => Math.max(level, levels.floor));
        const amin = Math.fround(settings.amin);
        const lifted = power.reduce((count, p) => count + (p < amin ? 1 : 0), 0);
        const clamped = after.reduce((count, level, i) => count + (level > aLittleOver(before[i]) ? 1 : 0), 0);
        return {
          ref: levels.ref, loudest: levels.loudest, before, after, softest: smallest(before),
          ...summary(after), aminShare: lifted / power.length, clampedShare: Math.fround(clamped / power.length),
        };
      });
    }

    /** The softest and the loudest cell of the whole sound, without a gain. */
    range() {
      return this.cached("range", null, () => ({ least: smallest(this.wholeMel()), most: largest(this.wholeMel()) }));
    }

    wholeMel() {
      const { spec, frames, bank } = this.fixedChain(DECIBEL_CHAIN);
      return this.cached("whole mel", null, () => this.fixedMel(spec, frames, bank));
    }

    /** A chain whose settings no slider moves; without `visible` the whole sound. */
    fixedChain(chain, visible = undefined) {
      const spec = specOf(chain);
      return { spec, frames: visible ? framesOf(spec, visible, this) : this.whole(spec), bank: this.bank(chain) };
    }

    fixedMel(spec, frames, bank, ...file) {
      return toBands(this.newPower(spec, frames, ...file), frames.count, bank);
    }

    /** @returns {Picture} The log-mel picture in dB, behind a gain and a 16-bit file. */
    before(settings, visible) {
      return this.normalizePicture(this.logMel(settings.gain_db, visible), NORMALIZE_SCALES.none, visible, {
        value_label: "level",
        settings: { gain_db: settings.gain_db },
      });
    }

    /** @returns {Picture} The same, normalised: what a network gets. */
    after(settings, visible) {
      return this.normalizePicture(this.normalized(settings, visible), NORMALIZE_SCALES[settings.method], visible, {
        value_label: "normalised",
        settings: normalizeTold(settings),
      });
    }

    /** Normalised values of these frames, n_mels for each, measured on the whole clip. */
    normalized(settings, visible = undefined) {
      const { normal, after } = this.measured(settings);
      const { nMels } = this.bank(NORMALIZE_CHAIN);
      if (!visible) return after;
      const { spec, frames } = this.fixedChain(NORMALIZE_CHAIN, visible);
      const seen = partOf(after, nMels, this.whole(spec), frames);
      return seen ?? new Float64Array(this.logMel(settings.gain_db, visible)).map((x, i) => normal(x, i % nMels));
    }

    /** The whole clip before and after, n_mels values for each frame, and what was measured on it. */
    measured(settings) {
      return this.cached("measured", settings, () => {
        const { method, eps, gain_db, statistics } = settings;
        checkChoice("method", method, Object.keys(NORMALIZE_SCALES));
        const { nMels } = this.bank(NORMALIZE_CHAIN);
        const before = this.logMel(gain_db);
        const { centre, scale } = centreAndScale(before, nMels, method, statistics);
        const normal = method === "none" ? (x) => x : (x, band) => (x - centre[band]) / (scale[band] + eps);
        const after = new Float64Array(before);
        let isFinite = true;
        for (let i = 0; i < after.length; i++) {
          after[i] = normal(after[i], i % nMels);
          isFinite &&= Number.isFinite(after[i]);
        }
        if (!isFinite) {
          throw new Error(
            "0 / 0: all cells are alike, so the standard deviation is 0, and eps is 0 too. " +
              "The result is NaN, and one NaN makes every weight of a network NaN",
          );
        }
        return { before, after, centre, scale, normal, nMels, range: NORMALIZE_SCALES[method] };
      });
    }

    /** Mean, standard deviation, smallest and largest of a measured clip, and where its loudest cell is. */
    summaries(settings) {
      return this.cached("summaries", settings, () => {
        const { before, after, nMels, range } = this.measured(settings);
        const { low, high } = range;
        const outside = after.reduce((count, x) => count + (x < low || x > high ? 1 : 0), 0) / after.length;
        return { before: summary(before), after: summary(after), loudest: firstLargest(before, nMels), outside };
      });
    }

    /** Peak of the sound behind a gain and a 16-bit file, in dBFS; minus infinity for silence. */
    peakDbfs(gainDb) {
      const [peak] = fileOf(gainDb, this.fullScale)([this.loudestSample()]);
      return Math.fround(20 * Math.fround(Math.log10(peak / 32768)));
    }

    /** How many samples a file cannot hold behind this gain. */
    countClipped(gainDb) {
      const gain = Math.fround(10 ** (gainDb / 20));
      const fits = (sample) => Math.fround(Math.fround(sample / this.fullScale) * gain) <= 1;
      if (gain <= 1 || fits(this.loudestSample())) return 0;
      const limit = largestThat(fits);
      if (!(this.samples instanceof Int16Array)) return this.cached("clipped", gainDb, () => countBeyond(this.samples, limit));
      return this.cached("beyond", null, () => countsBeyond(this.samples))[Math.floor(limit)];
    }

    loudestSample() {
      return this.cached("loudest sample", null, () => farthest(this.samples));
    }

    normalizePicture(values, scale, visible, others) {
      const { spec, frames, bank } = this.fixedChain(NORMALIZE_CHAIN, visible);
      const axis = this.bands(bank.nMels, NORMALIZE_CHAIN.mel_scale, spec.nFft);
      const colours = { value_unit: scale.unit, colours: scale.colours };
      const drawn = valuesToCells(values, bank.nMels, scale.low, scale.high);
      return this.pictureOf(drawn, values, spec, frames, { ...axis, ...colours, ...others });
    }

    /** Decibels of these frames, n_mels for each; their floor is that of the whole clip. */
    logMel(gainDb, visible = undefined) {
      const { spec, frames, bank } = this.fixedChain(NORMALIZE_CHAIN, visible);
      const make = () => {
        const level = this.fixedMel(spec, frames, bank, fileOf(gainDb, this.fullScale), 32768);
        for (let i = 0; i < level.length; i++) level[i] = powerToDb(level[i], 1, AMIN);
        const highest = largest(visible ? this.logMel(gainDb) : level);
        const floor = Math.fround(highest - NORMALIZE_TOP_DB);
        for (let i = 0; i < level.length; i++) if (level[i] < floor) level[i] = floor;
        return level;
      };
      if (!visible) return this.cached("whole level", gainDb, make);
      const shown = partOf(this.logMel(gainDb), bank.nMels, this.whole(spec), frames);
      return shown ?? this.cached("visible level", [gainDb, frames], make);
    }

    // ---- stages

    /** Keep what `make` returns, until `key` changes. */
    cached(stage, key, make) {
      const text = JSON.stringify(key);
      const kept = this.kept.get(stage);
      if (kept?.text === text) {
        this.needed.add(kept.cost);
        return kept.value;
      }
      const outer = { needed: this.needed, insideMs: this.insideMs };
      this.needed = new Set();
      this.insideMs = 0;
      const started = performance.now();
      const value = make();
      const ms = performance.now() - started;
      const again = key === null ? 0 : ms - this.insideMs; // what hangs on the sound alone is made once
      const cost = { ms: again, needed: this.needed, made: this.answers };
      this.kept.set(stage, { text, value, cost });
      this.needed = outer.needed.add(cost);
      this.insideMs = outer.insideMs + ms;
      return value;
    }

    /** An answer begins: what it finds kept is counted from here. */
    begin() {
      this.answers += 1;
      this.needed = new Set(); // costs of the stages that were asked for
      this.insideMs = 0; // the stages that were made
    }

    /** How long the stages once took that the answer found made, with all that they were made from. */
    sparedMs() {
      const all = new Set(this.needed);
      for (const { needed } of all) for (const cost of needed) all.add(cost); // a Set also visits what is added now
      let sum = 0;
      for (const { ms, made } of all) if (made !== this.answers) sum += ms;
      return sum;
    }

    /** What a stage keeps, if it is for this key. */
    keptFor(stage, key) {
      const kept = this.kept.get(stage);
      return kept && kept.text === JSON.stringify(key) ? kept.value : undefined;
    }

    countFrames(spec) {
      return countFrames(spec, this.nSamples);
    }

    /** All frames of the sound, or an overview of a long one. */
    whole(spec) {
      return framesOf(spec, [0, this.nSamples / this.sampleRate], this);
    }

    power(spec, frames) {
      return this.cached("power", [spec, frames], () => this.newPower(spec, frames));
    }

    /** Power of these frames, frame after frame; `file`, if any, as for `FramePower`. */
    newPower(spec, frames, ...file) {
      const reader = new FramePower(this, spec, ...file);
      const power = new Float32Array(frames.count * spec.nFreqs);
      for (let t = 0; t < frames.count; t++) reader.write(frames.first + t * frames.step, power, t * spec.nFreqs);
      return power;
    }

    checkLength(nFft) {
      const half = Math.floor(nFft / 2);
      if (this.nSamples > half) return;
      throw new Error(
        `n_fft=${nFft} needs a sound of more than ${half} samples, and this one has ${this.nSamples}: ` +
          "take a shorter n_fft",
      );
    }

    spectrum(nFft) {
      if (!this.spectra.has(nFft)) this.spectra.set(nFft, new PowerSpectrum(nFft));
      return this.spectra.get(nFft);
    }

    /** Loudest power of the whole sound: the colours stay when the view is zoomed. */
    peak(spec) {
      return this.cached("peak", spec, () => this.overview(spec).peak(1, largest));
    }

    melPeak(spec, bank) {
      return this.cached("mel peak", [spec, bank.key], () => {
        const shown = this.keptFor("mel", [spec, this.whole(spec), bank.key]);
        if (shown) return largest(shown);
        return this.overview(spec).peak(largest(bank.heights), (power) => largest(toBands(power, 1, bank)));
      });
    }

    overview(spec) {
      return this.cached("overview", spec, () => new Overview(this, spec));
    }

    bank(settings) {
      const { n_fft: nFft, n_mels: nMels, mel_scale: scale, norm = null } = settings;
      const key = [nFft, nMels, scale, norm].join();
      const make = () => ({ key, ...melBank({ nFft, nMels, sampleRate: this.sampleRate, scale, norm }) });
      return this.cached("bank", key, make);
    }

    frequencyRows(axis, nFft, thinned) {
      return this.cached("axis", [axis, nFft, thinned], () => frequencyRows(axis, nFft, this.sampleRate, thinned));
    }

    /** What the window of these settings can tell apart: {dt_s, df_hz}. */
    resolution({ window, winLength }) {
      return this.cached("box", [window, winLength], () => resolution({ window, winLength }, this.sampleRate));
    }

    bands(nMels, scale, nFft) {
      return this.cached("bands", [nMels, scale, nFft], () => bandRows(nMels, scale, this.sampleRate, nFft));
    }

    // ---- from numbers to a picture

    pictureOf({ cells, low, high }, values, spec, frames, { y, rows, settings, ...others }) {
      const hop_s = spec.hopLength / this.sampleRate;
      const before = Math.floor(spec.winLength / 2);
      const meta = {
        t0_s: (frames.first - 0.5 * frames.step) * hop_s,
        dt_s: frames.step * hop_s,
        y,
        value_label: "power",
        value_unit: "dB",
        value_min: low,
        value_max: high,
        frames: {
          first: frames.first,
          step: frames.step,
          hop_s,
          centre0_s: 0,
          before_s: before / this.sampleRate,
          after_s: (spec.winLength - before) / this.sampleRate,
          window: windowShape(spec.window),
        },
        rows,
        box: this.resolution(spec),
        marks: [],
        y_marks: [],
        settings,
        notes: frames.step > 1 ? [`1 of every ${frames.step} frames is drawn: zoom in to see all`] : [],
        engine: ENGINE,
        colours: "level",
        ...others,
      };
      return { cells, nRows: cells.length / frames.count, nColumns: frames.count, meta, values };
    }
  }

  /** From the number of a frame to its power. */
  class FramePower {
    /**
     * @param {Engine} engine
     * @param {((samples: any) => Int16Array)} [stored] What a file makes of the samples of a frame.
     * @param {number} [fullScale] The sample that stands for 1, in that file.
     */
    constructor(engine, spec, stored = undefined, fullScale = engine.fullScale) {
      engine.checkLength(spec.nFft);
      this.samples = engine.samples;
      this.spec = spec;
      this.stored = stored;
      this.weights = paddedWindow(spec, 1 / fullScale);
      this.spectrum = engine.spectrum(spec.nFft);
    }

    /** Write the powers of frame `n` to `out`, from `at` on. */
    write(n, out, at) {
      const { samples, start } = this.find(n);
      this.spectrum.write(samples, start, this.weights, out, at);
    }

    /** Where the samples of frame `n` are; it is centred on sample n * hop_length. */
    find(n) {
      const { nFft, hopLength } = this.spec;
      const start = n * hopLength - Math.floor(nFft / 2);
      const inside = start >= 0 && start + nFft <= this.samples.length;
      if (inside && !this.stored) return { samples: this.samples, start };
      const frame = inside ? this.samples.subarray(start, start + nFft) : this.mirrored(start, nFft);
      return { samples: this.stored ? this.stored(frame) : frame, start: 0 };
    }

    /** Beyond both ends the sound is mirrored. */
    mirrored(start, length) {
      const last = this.samples.length - 1;
      const Samples = this.samples instanceof Int16Array ? Int16Array : Float32Array;
      const frame = new Samples(length);
      for (let i = 0; i < length; i++) {
        const place = Math.abs(start + i);
        frame[i] = this.samples[place > last ? 2 * last - place : place];
      }
      return frame;
    }

    /**
     * What no power of frame `n` exceeds. The powers of all bins add up to nFft times the energy of the frame
     * (Parseval), and each bin has a mirror image, but for the lowest and the highest one, which are plain sums.
     */
    bound(n) {
      const { samples, start } = this.find(n);
      const weights = this.weights;
      let [energy, even, odd] = [0, 0, 0];
      for (let i = 0; i < weights.length; i += 2) {
        const a = samples[start + i] * weights[i];
        const b = i + 1 < weights.length ? samples[start + i + 1] * weights[i + 1] : 0;
        energy += a * a + b * b;
        even += a;
        odd += b;
      }
      const most = Math.max((weights.length * energy) / 2, (even + odd) ** 2, (even - odd) ** 2);
      return most * (1 + 1e-6); // and a little for rounding
    }
  }

  /**
   * The whole sound, or every so many frames of a long one: what the peak is looked for in. When only a
   * stretch is visible, most of these frames are not needed: the loudest are transformed first, and as soon as
   * no other one can be louder than what was found, the search is over.
   */
  class Overview {
    constructor(engine, spec) {
      const frames = engine.whole(spec);
      const { first, step, count } = frames;
      const shown = engine.keptFor("power", [spec, frames]); // does the picture show it all?
      const reader = new FramePower(engine, spec);
      this.nFreqs = spec.nFreqs;
      this.power = shown ?? new Float32Array(count * spec.nFreqs);
      this.known = new Uint8Array(count).fill(shown ? 1 : 0);
      this.read = (t) => reader.write(first + t * step, this.power, t * spec.nFreqs);
      const bound = (t) => (shown ? Infinity : reader.bound(first + t * step));
      this.bounds = Float64Array.from({ length: count }, (_, t) => bound(t));
      this.order = Array.from(this.bounds.keys()).sort((a, b) => this.bounds[b] - this.bounds[a]);
    }

    /** The largest of what `measure` finds in a frame's powers; it never exceeds `factor` times their bound. */
    peak(factor, measure) {
      let most = 0;
      for (const t of this.order) {
        if (factor * this.bounds[t] <= most) break;
        if (!this.known[t]) this.read(t);
        this.known[t] = 1;
        most = Math.max(most, measure(this.power.subarray(t * this.nFreqs, (t + 1) * this.nFreqs)));
      }
      return most;
    }
  }

  /** One channel: a mono sound as it is, of two channels the average, which 32 bits hold exactly. */
  function mono(samples, nChannels) {
    if (nChannels === 1) return samples;
    const mixed = new Float32Array(Math.floor(samples.length / nChannels));
    for (let i = 0; i < mixed.length; i++) {
      for (let c = 0; c < nChannels; c++) mixed[i] += samples[i * nChannels + c] / nChannels;
    }
    return mixed;
  }

  /** The values of some frames out of those of the whole sound, if they are among them: n for each frame. */
  function partOf(values, n, whole, frames) {
    if (frames.step !== whole.step) return undefined; // of a long sound the whole is an overview
    const first = (frames.first - whole.first) / whole.step;
    return values.subarray(first * n, (first + frames.count) * n);
  }

  /** A level that the clamp lifted is more than this above it: the rest is rounding, in 32 bits. */
  const aLittleOver = (level) => Math.fround(level + Math.fround(1e-3));

  /** Which decibels are black and white: tied to the picture's peak, or fixed. */
  function colourSpan({ lowest, highest }, colours) {
    checkChoice("colours", colours, ["below the peak", "lowest to peak", "-60 to 40 dB"]);
    if (colours === "-60 to 40 dB") return [-60, 40];
    if (colours === "below the peak") return [highest - 100, highest];
    return [Math.min(lowest, highest - 1), highest];
  }

  const SIGMAS = { unit: "\u03c3", low: -3, high: 3, colours: "signed" };

  /** In what a normalised picture is counted, and its colours, which are fixed for each method. */
  const NORMALIZE_SCALES = {
    none: { unit: "dB", low: -100, high: 50, colours: "level" },
    "per clip": SIGMAS,
    "per band": SIGMAS,
    "data set": SIGMAS,
    "min-max": { unit: "of range", low: 0, high: 1, colours: "level" },
  };

  /** The settings that made a normalised picture. */
  function normalizeTold({ statistics, ...moved }) {
    return moved.method === "none" ? { gain_db: moved.gain_db, method: "none" } : moved;
  }

  /** What a method subtracts and what it divides by, for each band: the only thing in which methods differ. */
  function centreAndScale(whole, nMels, method, statistics) {
    const each = (value) => new Array(nMels).fill(value);
    if (method === "per clip") {
      const { mean, std } = meanAndStd(whole);
      return { centre: each(mean), scale: each(std) };
    }
    if (method === "per band") {
      const bands = Array.from({ length: nMels }, (_, band) => meanAndStd(whole, band, nMels));
      return { centre: bands.map(({ mean }) => mean), scale: bands.map(({ std }) => std) };
    }
    if (method === "min-max") {
      return { centre: each(smallest(whole)), scale: each(largest(whole) - smallest(whole)) };
    }
    if (method === "none") return { centre: each(0), scale: each(1) };
    if (!statistics) {
      throw new Error(
        "the method «data set» needs numbers that were measured on a training set: " +
          "explore_normalize(..., statistics=(mean, std))",
      );
    }
    const [centre, scale] = statistics.map((value) => (value.length ? value : each(value)));
    return { centre, scale };
  }

  /** Mean and (biased) standard deviation of every `step`-th value. */
  function meanAndStd(values, first = 0, step = 1) {
    const count = Math.ceil((values.length - first) / step);
    let sum = 0;
    for (let i = first; i < values.length; i += step) sum += values[i];
    const mean = sum / count;
    let squares = 0;
    for (let i = first; i < values.length; i += step) squares += (values[i] - mean) ** 2;
    return { mean, std: Math.sqrt(squares / count) };
  }

  /** What is said about many values in four numbers. */
  function summary(values) {
    return { ...meanAndStd(values), min: smallest(values), max: largest(values) };
  }

  /** The largest 32-bit number from 0 on for which `holds`: for all smaller ones it holds, too. Halved bit by bit. */
  function largestThat(holds) {
    const number = new Float32Array(1);
    const bits = new Int32Array(number.buffer); // of positive numbers the larger one has the larger bits
    for (let bit = 1 << 30; bit; bit >>= 1) {
      bits[0] |= bit;
      if (!holds(number[0])) bits[0] ^= bit; // also where it is no number
    }
    return number[0];
  }

  /** How far the loudest sample is from 0. */
  function farthest(samples) {
    let most = 0;
    let least = 0;
    for (let i = 0; i < samples.length; i++) {
      if (samples[i] > most) most = samples[i];
      if (samples[i] < least) least = samples[i];
    }
    return Math.max(most, -least);
  }

  /** How many samples are farther from 0 than this. */
  function countBeyond(samples, limit) {
    let count = 0;
    for (let i = 0; i < samples.length; i++) if (samples[i] > limit || samples[i] < -limit) count += 1;
    return count;
  }

  /** The same for each limit of 16-bit samples, from 0 to 32768. */
  function countsBeyond(samples) {
    const counts = new Uint32Array(32770); // first: how many are so far from 0
    for (let i = 0; i < samples.length; i++) counts[Math.abs(samples[i])] += 1;
    let beyond = 0;
    for (let far = 32769; far >= 0; far--) [counts[far], beyond] = [beyond, beyond + counts[far]];
    return counts;
  }

  /** Place of the largest value; of several that are alike the one in the lowest band, there the first. */
  function firstLargest(values, nMels) {
    const most = largest(values);
    for (let band = 0; band < nMels; band++) {
      for (let i = band; i < values.length; i += nMels) if (values[i] === most) return i;
    }
    return -1;
  }

  /** A gain and a 16-bit file behind it, as a function of the samples of a frame. */
  function fileOf(gainDb, fullScale) {
    const gain = Math.fround(10 ** (gainDb / 20));
    const size = 1 / fullScale; // of a step; a power of 2, so nothing is lost
    return (frame) => {
      const file = new Int16Array(frame.length);
      for (let i = 0; i < frame.length; i++) {
        const steps = 32768 * Math.fround(Math.fround(frame[i] * size) * gain);
        file[i] = steps >= 32767 ? 32767 : steps <= -32768 ? -32768 : roundToEven(steps);
      }
      return file;
    };
  }

  // ---------------------------------------------------------------- charts

  const N_BARS = 80; // of a histogram beside a normalised picture
  const BAR_DB = 2; // width of a bar in the decibel explorer

  const axisOf = (label, unit, min, max, scale = "linear", table = []) => ({
    label, unit, min, max, scale, table, mel_table: [],
  });

  /** A chart as the view wants it: all numbers in one block, lines as lengths into it. */
  function chartOf(x, y, lines, others) {
    const numbers = Float32Array.from(lines.flatMap((line) => [...line.x, ...line.y]));
    const listed = lines.map(({ x: values, label = "", style }) => ({ label, style, n: values.length }));
    const meta = {
      kind: "chart", x, y, lines: listed, bands: false, bin_hz: 0, marks: [], settings: {}, notes: [],
      engine: ENGINE, ...others,
    };
    return { numbers, meta };
  }

  /** The triangles of a filterbank over the frequency axis, those of empty bands dashed; and both scales. */
  function filterbankChart(engine, settings) {
    const { freq_axis: axis, n_fft, n_mels, mel_scale, norm } = settings;
    const nyquist = engine.sampleRate / 2;
    const { edges, heights, empty } = engine.bank(settings);
    const x = chartFrequencies(axis, nyquist);
    const bent = axis !== "linear"; // the axis bends straight sides: they need more points
    const rise = linspace(0, 1, bent ? 6 : 2);
    const inside = (hz) => Math.min(x.max, Math.max(x.min, hz));
    const lines = Array.from(heights, (height, m) => {
      const [left, centre, right] = edges.subarray(m, m + 3);
      const up = Array.from(rise, (part) => left + (centre - left) * part);
      const down = Array.from(rise.subarray(1), (part) => centre + (right - centre) * part);
      const weights = [...rise, ...rise.slice(0, -1).reverse()].map((weight) => height * weight);
      return { x: [...up, ...down].map(inside), y: weights, style: empty.includes(m) ? "dashed" : "area" };
    });
    const tallest = largest(heights);
    const notes = [`curves: mel, from 0 to its value at ${nyquist} Hz`];
    if (empty.length) notes.push("dashed: empty bands");
    return chartOf(
      x,
      axisOf("weight", norm ? "1/Hz" : "", 0, 1.05 * tallest),
      [...lines, ...scaleCurves(x, nyquist, bent, tallest)],
      {
        bands: true, bin_hz: engine.sampleRate / n_fft, notes,
        settings: { n_fft, n_mels, mel_scale, norm: norm || "none" },
      },
    );
  }

  /** The same three axes as the spectrogram's, lying down. */
  function chartFrequencies(axis, nyquist) {
    checkChoice("freq_axis", axis, ["linear", "log", "mel"]);
    if (axis === "linear") return axisOf("frequency", "Hz", 0, nyquist);
    if (axis === "log") return axisOf("frequency", "Hz", LOWEST_LOG_HZ, nyquist, "log");
    return axisOf("frequency", "Hz", 0, nyquist, "table", rounded(warped("mel", nyquist, TABLE)));
  }

  /** Mel over Hz, each scale as a part of its value at the top. */
  function scaleCurves(x, nyquist, bent, height) {
    const points = 129;
    let freqs = linspace(Math.max(x.min, 0), nyquist, points);
    if (bent) freqs = Float64Array.of(...linspace(x.min, 1000, points), ...freqs).sort();
    const styles = { htk: ["HTK mel", "line"], slaney: ["Slaney mel", "dashed"] };
    return Object.entries(styles).map(([scale, [label, style]]) => {
      const top = hzToMel(freqs[freqs.length - 1], scale);
      return { x: freqs, y: freqs.map((hz) => (height * hzToMel(hz, scale)) / top), label, style };
    });
  }

  /** Per cent of the values in each of `count` bars between `low` and `high`; the last one includes its end. */
  function sharesOf(values, low, high, count) {
    const bars = new Float64Array(count);
    for (let i = 0; i < values.length; i++) {
      if (values[i] < low || values[i] > high) continue; // as in numpy.histogram
      bars[Math.min(count - 1, Math.floor(((values[i] - low) * count) / (high - low)))] += 1;
    }
    return bars.map((cells) => (100 * cells) / values.length);
  }

  const centresOf = (low, high, count) =>
    Float64Array.from({ length: count }, (_, i) => low + ((high - low) * (i + 0.5)) / count);

  /** How many cells have which level, before and after the clamp, over an axis that stays. */
  function decibelHistogram(engine, settings) {
    const levels = engine.levelsOfAll(settings);
    const { before, after, softest } = levels;
    const { step } = engine.fixedChain(DECIBEL_CHAIN).frames;
    const low = Math.min(-160, 40 * Math.floor(softest / 40));
    const high = Math.max(120, 40 * Math.ceil(Math.max(largest(before), levels.max) / 40));
    const count = Math.round((high - low) / BAR_DB);
    const centres = centresOf(low, high, count);
    const shares = [before, after].map((values) => sharesOf(values, low, high, count));
    // The hump fills the axis; the bars of amin and clamp may leave it.
    const hump = largest(shares[0].filter((_, i) => centres[i] > softest + BAR_DB));
    const top = Math.max(4, 2 * Math.ceil(0.55 * Math.max(hump, 0)));
    const lines = [
      { x: centres, y: shares[0], label: "before the clamp", style: "area" },
      { x: centres, y: shares[1], label: "after the clamp", style: "bars" },
    ];
    return chartOf(axisOf("level", "dB", low, high), axisOf("share of cells", "%", 0, top), lines, {
      marks: decibelMarks(settings, levels),
      settings: told(settings),
      notes: step > 1 ? [`of 1 in every ${step} frames`] : [],
    });
  }

  /** 0 dB, the floor that amin makes, and where the clamp stands. */
  function decibelMarks({ amin, formula }, { ref, softest, min, aminShare, clampedShare }) {
    const marks = [[0, `0 dB: power ${general(ref)}`]];
    if (aminShare) marks.push([softest, "amin"]);
    else if (formula === "10 log10(power)") marks.push([10 * Math.log10(amin / ref), "amin"]);
    if (clampedShare) marks.push([min, `clamp: ${percent(clampedShare)} of all cells`]);
    return marks;
  }

  /** How many cells have which value; what lies outside is counted at the ends. */
  function normalizeHistogram(values, scale, settings) {
    const margin = scale.unit === "of range" ? 0.05 * (scale.high - scale.low) : 0;
    const [low, high] = [scale.low - margin, scale.high + margin];
    const inside = new Float64Array(values);
    for (let i = 0; i < inside.length; i++) inside[i] = Math.min(high, Math.max(low, inside[i]));
    const shares = sharesOf(inside, low, high, N_BARS);
    const [second, first] = [...shares].sort((a, b) => a - b).slice(-2);
    const leaves = second > 0 && first > 2.5 * second; // the floor of top_db would flatten all others
    const tallest = leaves ? second : first;
    const top = [2, 5, 10, 20, 50, 100].find((t) => tallest <= t + 1e-9);
    const { mean, std } = meanAndStd(values);
    const marks = [[mean, "mean"]];
    if (std > 0.04 * (high - low)) marks.push([mean - std, "\u2212 std"], [mean + std, "+ std"]);
    const x = axisOf(scale.unit === "dB" ? "level" : "normalised", scale.unit, low, high);
    const lines = [{ x: centresOf(low, high, N_BARS), y: shares, style: "bars" }];
    return chartOf(x, axisOf("cells", "%", 0, top), lines, {
      marks: marks.filter(([value]) => low <= value && value <= high),
      settings,
      notes: leaves ? [`one bar, ${roundToEven(first)} % of the cells, leaves the chart`] : [],
    });
  }

  /** Every lane of the explorers, and who draws it. */
  const LANES = {
    spectrogram: (engine, settings, visible) => engine.spectrogram(settings, visible),
    mel: (engine, settings, visible) => engine.mel(settings, visible),
    filterbank: (engine, settings) => filterbankChart(engine, settings),
    decibel: (engine, settings, visible) => engine.decibel(settings, visible),
    histogram: (engine, settings) => decibelHistogram(engine, settings),
    before: (engine, settings, visible) => engine.before(settings, visible),
    after: (engine, settings, visible) => engine.after(settings, visible),
    histogram_before: (engine, { gain_db }) =>
      normalizeHistogram(engine.logMel(gain_db), NORMALIZE_SCALES.none, { gain_db }),
    histogram_after: (engine, settings) =>
      normalizeHistogram(engine.normalized(settings), NORMALIZE_SCALES[settings.method], normalizeTold(settings)),
  };

  /** A picture or chart as the trait of a lane holds it: what the view reads, whoever made it. */
  function asState({ cells, nRows, nColumns, numbers, meta }, serial) {
    if (numbers) return { ...meta, data: numbers, serial };
    return { ...meta, data: cells, n_rows: nRows, n_columns: nColumns, serial };
  }

  // ---------------------------------------------------------------- Worker

  const WARM_S = 2; // of a sound are enough to warm up with
  const WARM = {
    mel: [["spectrogram", "mel"], { ...FIXED, hop_length: 256, freq_axis: "linear", top_db: 80, norm: null }],
    decibel: [
      ["decibel", "histogram"],
      {
        formula: "10 log10(power)", ref: 1, amin: 1e-10, top_db: 80, gain_db: 0, neighbour: 0,
        colours: "below the peak",
      },
    ],
    normalize: [
      ["before", "after", "histogram_before", "histogram_after"],
      { gain_db: 0, method: "per clip", eps: 1e-8 },
    ],
  };

  /**
   * The working side: a sound in, then requests in and answers out.
   *
   *     {sound: {samples, sampleRate, nChannels, fullScale, kind}} the sound; of several the newest counts
   *     {id, kind, lanes: ["mel", ...], settings, visible, facts} a request
   *     {id, states: {mel: ...}, readout, notes, ms, fullMs}      its answer; `states` as from `asState`
   *     {id, error}                                               or one readable sentence
   *
   * @param {{postMessage: Function, onmessage: any}} port
   * @param {Function} [makeWords] `soundWords` of words.js; without it `readout` and `notes` are null.
   */
  function serve(port, makeWords = undefined) {
    const words = makeWords?.({ fixed, general, percent });
    let engine = null;
    let refused = "a sound has to come before the first request";
    let warm = false;
    const take = (sound) => {
      engine = null;
      try {
        engine = new Engine(sound);
        if (!warm) warmUp(sound);
        warm = true;
      } catch (problem) {
        refused = sentenceOf(problem);
      }
    };
    port.onmessage = ({ data: { sound, id, ...request } }) => {
      if (sound) return take(sound);
      try {
        if (!engine) throw new Error(refused);
        const answer = answerTo(engine, request, id, words);
        const moved = Object.values(answer.states).map(({ data }) => data.buffer);
        port.postMessage({ id, ...answer }, moved); // handed over, not copied
      } catch (problem) {
        port.postMessage({ id, error: sentenceOf(problem) });
      }
    };
  }

  /**
   * All lanes of one request, then the words about them: whatever they share is computed once. `ms` is what the
   * answer took, `fullMs` what it would have taken if nothing had been kept.
   */
  function answerTo(engine, { kind, lanes, settings, visible, facts = {} }, serial, words = undefined) {
    const started = performance.now();
    engine.begin();
    const states = {};
    for (const lane of lanes) states[lane] = asState(engine.picture(lane, settings, visible), serial);
    const said = words ? words(kind, engine, settings, facts) : null;
    const ms = performance.now() - started;
    const fullMs = ms + engine.sparedMs();
    return { states, readout: said?.readout ?? null, notes: said?.notes ?? null, ms, fullMs };
  }

  /** A browser compiles what runs often: so one picture is drawn for nobody before the first one counts. */
  function warmUp({ samples, nChannels = 1, kind, ...sound }) {
    const first = samples.subarray(0, Math.ceil(WARM_S * sound.sampleRate) * nChannels);
    const [lanes, settings] = WARM[kind] ?? WARM.mel;
    try {
      answerTo(new Engine({ ...sound, samples: first, nChannels }), { lanes, settings, visible: [0, WARM_S] }, 0);
    } catch {
      // a sound too short to be drawn: then nothing is to be compiled
    }
  }

  /** An error as one line, whatever it is. */
  function sentenceOf(problem) {
    return String(problem?.message || problem).replace(/\s+/g, " ").trim();
  }

  return {
    Engine, asState, serve, answerTo, sentenceOf,
    // the pieces, for tests
    Fourier, PowerSpectrum, makeFourier, makeWindow, resolution, hzToMel, melToHz, melEdges, melBank, toBands,
    toCells, loudestRows, frequencyRows, specOf, framesOf, roundToEven, firstLargest, fixed, general, percent,
  };
}

/** The text of a Worker that answers as `serve` says. Words belong to it where words.js is beside this file. */
export function workerSource() {
  const words = typeof soundWords === "function" ? `${soundWords}` : "const soundWords = undefined;";
  return `"use strict";\n${soundEngine}\n${words}\nsoundEngine().serve(self, soundWords);\n`;
}

/** A step that takes no longer than this is drawn in the page, before the event that moved it ends ... */
const NEAR_MS = 20;
/** ... if it would take no longer than this with nothing kept: a step may turn out to be a dear one. */
const NEAR_FULL_MS = 30;
/** What took a Worker no longer than this with nothing kept may be tried in the page, in an idle moment. */
const WARM_FULL_MS = 60;

/**
 * The page's side. One request is being computed, one at most waits for it: the newest. So nothing is computed
 * that the hand has left behind, and the last request is always answered.
 *
 * The sums run in a Worker, where they never hold up the page. But a message to a Worker and its answer wait until
 * the page has drawn its next frame. So what takes a few milliseconds, as most steps do, is computed in the page
 * itself (`Near`), and stands in the very frame in which the slider moved.
 *
 * Where a page may have no Worker (a strict policy for what may run), all runs in the page, with the same answers.
 */
export class BrowserEngine {
  /**
   * @param {(answer: any) => void} deliver Gets {id, kind, settings, visible, states, readout, notes, ms, fullMs}, or
   *   {id, kind, settings, visible, error} with one readable sentence: later, or before `ask` returns.
   */
  constructor(deliver) {
    this.deliver = deliver;
    this.asked = 0;
    this.sound = null;
    this.flying = null; // the request that is being computed
    this.waiting = null; // the newest one, if it had to wait
    this.cost = { ms: Infinity, fullMs: Infinity }; // of the newest answer
    this.near = new Near();
    this.place = "worker"; // or "page"
    this.open();
  }

  /**
   * @param {{samples: Int16Array | Float32Array, sampleRate: number, nChannels?: number, fullScale?: number,
   *   kind?: string}} sound  `kind` says for which explorer, so that the right code is warmed up.
   */
  setSound(sound) {
    this.sound = sound;
    this.near.setSound(sound);
    if (this.flying) {
      this.waiting ??= this.flying; // what is computed now belongs to the sound before
      this.flying.late = true;
    }
    this.port?.postMessage({ sound });
  }

  /**
   * @param {{kind: string, lanes: string[], settings: any, visible: number[], facts?: {mostGain?: number}}} request
   * @returns {number} Its id, which its answer will have, too.
   */
  ask(request) {
    const numbered = { ...request, id: ++this.asked, isWanted: true };
    if (this.isNear) this.answerHere(numbered);
    else if (this.flying) this.waiting = numbered;
    else this.send(numbered);
    return numbered.id;
  }

  /** Compute what stands there already, for nobody: so that the first step finds kept what it does not change. */
  prepare(request) {
    if (!this.flying) this.send({ ...request, id: ++this.asked, isWanted: false });
  }

  /** Stop; nothing is delivered any more. */
  close() {
    this.near.close();
    this.port?.terminate();
    if (this.url) URL.revokeObjectURL(this.url);
    this.port = this.url = this.flying = this.waiting = null;
  }

  // ---- inside

  /** Whether the next step will be drawn in the page: it is expected to cost what the last one did. */
  get isNear() {
    return this.place === "worker" && this.near.isReady && this.isCheap;
  }

  get isCheap() {
    return this.cost.ms <= NEAR_MS && this.cost.fullMs <= NEAR_FULL_MS;
  }

  answerHere({ id, isWanted, ...request }) {
    this.waiting = null;
    if (this.flying) this.flying.late = true;
    const answer = this.near.answer(request, id);
    this.cost = costOf(answer);
    const { kind, settings, visible } = request;
    this.deliver({ id, kind, settings, visible, ...answer });
  }

  open() {
    try {
      this.url = URL.createObjectURL(new Blob([workerSource()], { type: "text/javascript" }));
      this.use(new Worker(this.url));
    } catch {
      this.moveIntoPage();
    }
  }

  use(port) {
    this.port = port;
    port.onmessage = ({ data }) => this.port === port && this.arrived(data);
    port.onerror = (event) => {
      event.preventDefault?.();
      if (this.port === port) this.moveIntoPage(); // it was forbidden, or it broke
    };
  }

  /** Go on without a Worker, with what it was doing. */
  moveIntoPage() {
    this.place = "page";
    this.near.close();
    this.port?.terminate();
    this.use(new PagePort());
    if (this.sound) this.port.postMessage({ sound: this.sound });
    const asked = this.waiting ?? this.flying;
    this.waiting = null;
    if (asked) this.send(asked);
  }

  send(request) {
    this.flying = { ...request, late: false };
    const { late, ...message } = this.flying;
    this.port?.postMessage(message);
  }

  arrived({ id, ...answer }) {
    const { late, isWanted, id: same, ...request } = this.flying;
    const next = this.waiting;
    this.flying = this.waiting = null;
    if (next) this.send(next); // first: it is computed while this one is shown
    if (late) return;
    this.cost = costOf(answer);
    const { kind, settings, visible } = request;
    if (isWanted) this.deliver({ id, kind, settings, visible, ...answer });
    if (this.place === "worker" && this.cost.fullMs <= WARM_FULL_MS) {
      this.near.warm(request, (own) => (this.cost = costOf(own))); // a Worker is slower while the page draws, too
    }
  }
}

const costOf = ({ ms = Infinity, fullMs = Infinity }) => ({ ms, fullMs });

/**
 * The engine in the page itself, for answers that cost less than the way to a Worker and back.
 *
 * Code is slow until the browser has compiled it, which it does for what runs often. So in idle moments longer and
 * longer pieces of the sound are drawn for nobody, and this engine offers itself when they take no longer than
 * they should. A machine on which they never do leaves all to the Worker.
 */
class Near {
  constructor() {
    this.isReady = false;
    this.isWarm = false; // the code is compiled
    this.sound = this.engine = this.idle = null;
    this.pieces = 0; // that were drawn to warm up
  }

  setSound(sound) {
    this.close();
    this.sound = sound;
  }

  /** Get ready for requests like this one, whenever the page has nothing else to do. */
  warm(request, whenReady) {
    this.request = request;
    this.whenReady = whenReady;
    if (this.isReady || this.idle !== null || this.pieces >= MOST_PIECES) return;
    this.idle = whenIdle(() => {
      this.idle = null;
      if (this.isWarm) this.#prepare();
      else this.#drawPiece();
      if (!this.isReady) this.warm(this.request, this.whenReady);
    });
  }

  #drawPiece() {
    const { samples, nChannels = 1, ...others } = this.sound;
    this.seconds ??= FIRST_PIECE_S;
    const part = { ...others, nChannels, samples: samples.subarray(0, Math.ceil(this.seconds * others.sampleRate) * nChannels) };
    this.pieces += 1;
    const { ms = 0 } = this.#made(this.#open(part), { ...this.request, visible: [0, this.seconds] }, 0);
    if (ms > NEAR_MS / 2) return;
    this.seconds *= 2; // also where the piece was too short to be drawn
    this.isWarm = this.seconds > WARM_PIECE_S || part.samples.length === samples.length;
  }

  /** Make what the next step will find kept. */
  #prepare() {
    this.engine = this.#open(this.sound);
    const answer = this.#made(this.engine, this.request, 0);
    this.isReady = true;
    this.whenReady(answer);
  }

  #open(sound) {
    if (!this.parts) {
      const parts = soundEngine();
      this.parts = { ...parts, words: typeof soundWords === "function" ? soundWords(parts) : undefined };
    }
    return new this.parts.Engine(sound);
  }

  #made(engine, request, id) {
    try {
      return this.parts.answerTo(engine, request, id, this.parts.words);
    } catch (problem) {
      return { error: this.parts.sentenceOf(problem) };
    }
  }

  answer(request, id) {
    return this.#made(this.engine, request, id);
  }

  close() {
    if (this.idle !== null) stopIdle(this.idle);
    this.idle = this.engine = this.sound = null;
    this.isReady = false;
  }
}

const FIRST_PIECE_S = 0.1;
const WARM_PIECE_S = 2;
const MOST_PIECES = 100;

// a browser without idle moments (Safari) gets short breaks
const whenIdle = (run) => (typeof requestIdleCallback === "function" ? requestIdleCallback(run) : setTimeout(run, 50));
const stopIdle = (idle) => (typeof cancelIdleCallback === "function" ? cancelIdleCallback(idle) : clearTimeout(idle));

/** What a Worker is to `BrowserEngine`, inside the page: each message waits for its turn, as everything there. */
class PagePort {
  constructor() {
    this.onmessage = null;
    this.inside = { postMessage: (data) => this.later(() => this.onmessage?.({ data })), onmessage: null };
    soundEngine().serve(this.inside, typeof soundWords === "function" ? soundWords : undefined);
  }

  postMessage(data) {
    this.later(() => this.inside.onmessage({ data }));
  }

  later(run) {
    setTimeout(() => this.closed || run(), 0);
  }

  terminate() {
    this.closed = true;
  }
}
