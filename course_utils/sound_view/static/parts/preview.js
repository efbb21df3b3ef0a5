// ------------------------------------------------------------------ previews

/** How long the hand rests before the picture that counts is asked for, or the sound of its last step. */
const REST_MS = 150;
/** Without an answer for so long, the engine is given up. */
const PATIENCE_MS = 10_000;

/** Who may draw, in the words of the trait `engine`, and as the menu says it. */
const ENGINES = [
  ["auto", "preview + PyTorch"],
  ["PyTorch", "PyTorch only"],
  ["browser", "browser only"],
];
const ABOUT_ENGINES =
  "Who draws: while a slider moves, this browser draws a preview; when it rests, PyTorch in the kernel draws the " +
  "picture that counts. Either one can draw alone.";

/**
 * Two engines, one picture. While the hand moves, the engine in the browser draws every step; when it rests, the
 * kernel is asked for PyTorch's picture, which replaces the preview, and the largest difference is told.
 *
 * An explorer says in the trait `live` which lanes the browser can draw and which controls move them. Where it
 * says nothing (the student's own function), or where the engine fails, the kernel draws every step.
 *
 * Four ways, `mode`: "auto" as above; "PyTorch" or "browser", if the menu says so; "page" where no kernel is.
 */
export class Preview {
  constructor(view) {
    this.view = view;
    this.model = view.model;
    this.live = {};
    this.engine = null;
    this.controls = [];
    this.sound = null; // serial of the sound that the engine has
    this.isTrue = true; // what stands there is the kernel's, for the controls as they are
    this.said = null; // read-out, notes and error of the preview
    this.drawn = null; // the newest preview: its key and its pictures
    this.difference = null;
    this.moved = () => this.#moved();
  }

  /** Find the controls' models and start the engine, once the explorer has said how. */
  async start() {
    const live = this.model.get("live") ?? {};
    if (!live.kind || this.live.kind) return;
    this.live = live;
    try {
      const find = ({ model }) => this.model.widget_manager.get_model(model.replace("IPY_MODEL_", ""));
      const models = await Promise.all(live.controls.map(find));
      this.controls = live.controls.map(({ name, values }, i) => ({ name, values, model: models[i] }));
    } catch (problem) {
      console.warn(`No previews, the kernel draws every step: ${problem.message}`);
      return;
    }
    if (this.closed) return;
    for (const { model } of this.controls) model.on("change:index", this.moved);
    this.engine = new BrowserEngine((answer) => this.#deliver(answer));
    this.#announce();
    this.readSound();
    this.view.showEngine();
  }

  get mode() {
    if (!this.engine || this.sound === null) return "PyTorch";
    return this.model.get("kernel") === false ? "page" : this.model.get("engine");
  }

  /** Whether a picture that comes from the kernel may be shown. */
  get letsIn() {
    return this.mode === "PyTorch" || (this.mode === "auto" && this.#kernelHas());
  }

  /** Whether a gain that is set here, and not the kernel's, is heard and drawn. */
  get ownsGain() {
    return Boolean(this.live.gain) && this.mode !== "PyTorch";
  }

  /** The kernel need not draw what the browser draws. */
  #announce() {
    if (this.model.get("kernel") === false || this.model.get("previews") === Boolean(this.engine)) return;
    this.model.set("previews", Boolean(this.engine));
    this.model.save_changes();
  }

  /** Give the engine the waveform that the kernel's chain has; it may still be on its way. */
  readSound() {
    const { serial, kind, sound, n_channels, data } = this.model.get("live_sound") ?? {};
    if (!this.engine || serial === this.sound) return;
    const isHere = kind === "float32" || sound === this.model.get("sound_serial");
    this.sound = isHere ? serial : null;
    if (!isHere) {
      this.isTrue = true; // until then the kernel draws, and speaks
      this.said = null;
      return;
    }
    const { samples, sampleRate, nChannels } = this.view;
    if (kind === "heard") this.original = { samples, nChannels, fullScale: 32768 };
    else {
      const numbers = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
      this.original = { samples: numbers, nChannels: n_channels, fullScale: 1 };
    }
    this.engine.setSound({ ...this.original, sampleRate, kind: this.live.kind }); // it warms up for this kind
    this.#moved();
    this.engine.prepare(this.#request); // unless it draws already
  }

  // ---- what is wanted

  /** Values of all controls, with Python's names. */
  get settings() {
    const { zero_is_none: zeros } = this.live;
    const held = this.controls.map(({ name, values, model }) => [name, values[model.get("index")]]);
    return Object.fromEntries(held.map(([name, value]) => [name, !value && zeros.includes(name) ? null : value]));
  }

  get key() {
    return JSON.stringify([this.sound, this.settings, this.model.get("visible")]);
  }

  /** Whether the kernel's newest pictures are those of the controls as they are. */
  #kernelHas() {
    const { settings, visible, sound } = this.model.get("shown_for") ?? {};
    if (!settings) return false;
    const same = Object.fromEntries(this.controls.map(({ name }) => [name, settings[name]]));
    return JSON.stringify([sound, same, visible]) === this.key;
  }

  /** A control moved, or what is visible, or the sound: by a hand here, or by Python. */
  #moved() {
    const { mode } = this;
    if (mode === "PyTorch") return;
    this.followGain();
    if (mode === "auto" && this.#kernelHas()) return this.#settle();
    this.isTrue = false;
    this.difference = null;
    this.alarm ??= setTimeout(() => this.#giveUp("it does not answer"), PATIENCE_MS);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.#askForTruth(), REST_MS);
    this.engine.ask(this.#request);
  }

  get #request() {
    const { kind, lanes, fixed, most_gain: mostGain } = this.live;
    const settings = { ...this.settings, ...fixed };
    return { kind, lanes, settings, visible: [...this.model.get("visible")], facts: { mostGain } };
  }

  // ---- from the engine

  #deliver({ settings, visible, states, readout, notes, error }) {
    clearTimeout(this.alarm);
    this.alarm = null;
    // its Worker broke, or was forbidden: where a kernel is, the page's own thread stays free for the hand
    if (this.engine.place === "page" && this.mode !== "page") return this.#giveUp("its Worker broke");
    const moved = Object.fromEntries(this.controls.map(({ name }) => [name, settings[name]]));
    const key = JSON.stringify([this.sound, moved, visible]);
    const by = this.mode === "page" ? "page" : "preview";
    const engine = by === "page" ? "computed in this page" : "preview";
    const pictures = Object.entries(states ?? {}).map(([id, state]) => [id, { ...readPicture(state), by, engine }]);
    this.drawn = { key, pictures: Object.fromEntries(pictures) };
    if (this.isTrue || this.mode === "PyTorch") return this.#compare(); // the kernel was faster
    this.said = error ? this.#failed(error) : this.#words(readout, notes);
    this.view.show(this.drawn.pictures);
  }

  #words(readout, notes) {
    const heard = this.model.get("readout").filter(([name]) => name === "you hear"); // only Python knows it
    const all = notes && [...this.model.get("sound_notes"), ...notes];
    return { readout: readout && [...heard, ...readout], notes: all, error: "" };
  }

  #failed(error) {
    const sentence = /[.!?]$/.test(error) ? error : `${error}.`;
    return { error: `${sentence} The picture is still the last good one.` };
  }

  /** The engine is of no use: the kernel draws every step, as without it. */
  #giveUp(reason) {
    console.warn(`The browser's engine was given up: ${reason}.`);
    const alone = this.model.get("kernel") === false;
    this.close();
    this.engine = this.alarm = this.said = this.drawn = this.difference = null;
    this.isTrue = true;
    this.#announce();
    this.view.showEngine();
    this.view.settle();
    if (alone) this.view.say("This browser cannot compute the pictures. Reload the page to try again.");
  }

  // ---- from the kernel

  /** The hand rests. Python answers when the last step of every control has reached it. */
  #askForTruth() {
    const wanted = this.mode === "auto" ? !this.isTrue : this.live.gain === "file"; // what is played, then
    if (!wanted) return;
    this.model.send({ type: "rest", settings: this.settings, visible: this.model.get("visible") });
  }

  /** The kernel has drawn something: is it what the hand rests on? */
  arrived() {
    if (this.mode === "auto" && this.#kernelHas()) this.#settle();
  }

  /** The menu was moved, here or in Python. */
  modeChanged() {
    if (this.mode === "PyTorch") {
      this.#settle();
      this.view.setGain();
    } else this.#moved();
  }

  #settle() {
    clearTimeout(this.rest);
    this.isTrue = true;
    this.said = null;
    this.view.settle();
    this.#compare();
    this.afterwards?.();
    this.afterwards = null;
  }

  /** Do something that Python must see the newest settings for. */
  whenTrue(action) {
    if (this.isTrue || this.mode !== "auto") return action();
    this.afterwards = action;
    this.#askForTruth();
  }

  /** The preview beside the kernel's picture of the same settings. */
  #compare() {
    if (this.mode !== "auto" || this.drawn?.key !== this.key) return;
    this.difference = null;
    for (const lane of this.view.lanes) {
      const preview = this.drawn.pictures[lane.spec.id];
      if (lane.spec.kind !== "picture" || !preview || !lane.picture) continue;
      const found = pictureDifference(preview, lane.picture);
      lane.tellDifference(found);
      this.difference ??= { steps: 0, db: 0 };
      this.difference.steps = Math.max(this.difference.steps, found.steps);
      if (found.unit === "dB") this.difference.db = Math.max(this.difference.db, found.size);
      if (found.steps > 1) console.error(`Preview and PyTorch differ: ${differenceText(found)}`, lane.picture.settings);
    }
  }

  // ---- gain

  /** Draw (and play) the sound behind the gain that is set, before the kernel has made it. */
  followGain() {
    if (!this.ownsGain) return;
    const factor = 10 ** (this.settings.gain_db / 20);
    if (this.live.gain === "factor") this.view.setGain(Math.min(factor, this.live.most_gain));
    else if (this.original.nChannels === this.view.nChannels) {
      this.view.showBehind(this.original.samples, stepsBehind(this.original, factor));
    }
  }

  /** The sound behind the gain that is set, to be played; made when it is asked for. */
  fileHeard() {
    const factor = 10 ** (this.settings.gain_db / 20);
    if (this.heard?.factor !== factor || this.heard.of !== this.original) {
      this.heard = { factor, of: this.original, file: fileBehind(this.original, factor) };
    }
    return this.heard.file;
  }

  close() {
    this.closed = true;
    clearTimeout(this.rest);
    clearTimeout(this.alarm);
    for (const { model } of this.controls) model.off("change:index", this.moved);
    this.engine?.close();
  }
}

/** What a 16-bit file keeps of a sample behind a gain; beyond full scale it clips. */
function stepsBehind({ fullScale }, factor) {
  const steps = (32768 / fullScale) * Math.fround(factor);
  return (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * steps)));
}

/** What a 16-bit file keeps of a sound behind a gain. */
export function fileBehind(sound, factor) {
  const file = new Int16Array(sound.samples.length);
  const behind = stepsBehind(sound, factor);
  for (let i = 0; i < file.length; i++) file[i] = behind(sound.samples[i]);
  return file;
}

/** How far two pictures of the same thing lie apart: in steps of the 8 bits, and in the unit of their colour. */
export function pictureDifference(preview, picture) {
  const { data, value_min, value_max, value_unit: unit } = picture;
  const step = (value_max - value_min) / 255;
  if (data.length !== preview.data.length || picture.n_rows !== preview.n_rows) {
    return { steps: 255, size: 255 * step, unit };
  }
  let steps = 0;
  for (let i = 0; i < data.length; i++) steps = Math.max(steps, Math.abs(data[i] - preview.data[i]));
  const shift = Math.max(Math.abs(preview.value_min - value_min), Math.abs(preview.value_max - value_max));
  return { steps: Math.max(steps, Math.round(shift / step)), size: steps * step + shift, unit };
}

/** The same in words: "preview off by 1 of 255 steps (0.3 dB)". */
export function differenceText({ steps, size, unit }) {
  if (!steps) return "preview was the same";
  return `preview was off by ${steps} of 255 steps (${formatNumber(size, 2)} ${unit})`;
}
