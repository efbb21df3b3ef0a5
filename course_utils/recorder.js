// @ts-check
/**
 * The recorder: microphone -> level meter -> countdown -> samples -> play, keep.
 *
 * Permission is asked on a click, and the microphone is let go when a recording is kept.
 * The samples stay as the browser delivers them: float32, at its own rate, never normalised.
 * `sendBytes` comes from bytes_in.js, which stands above in the same module.
 */

const LOWEST_DB = -60; // left end of the meter
const FALL_DB_PER_S = 40; // how fast the meter falls
const HOLD_MS = 1500; // how long the mark of the peak stays
const CLIPPED = 0.999;
const QUIET_DB = -40;
const FADE_S = 0.005; // of what is played, so that no end clicks
const NO_SOUND_AFTER_MS = 3000;
const BATCH = 1024; // frames in one message of the worklet
const ELSE = "Or upload a recording instead.";

/** What a microphone must not do to a sound that is to be looked at. */
export const CONSTRAINTS = {
  channelCount: { ideal: 1 },
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
};

// Runs in the audio thread: collects blocks of 128 frames and hands them over.
const WORKLET = `registerProcessor("recorder-tap", class extends AudioWorkletProcessor {
  constructor() { super(); this.batch = new Float32Array(${BATCH}); this.n = 0; }
  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      this.batch[this.n++] = sample;
      if (this.n === this.batch.length) { this.port.postMessage(this.batch.slice()); this.n = 0; }
    }
    return true;
  }
});`;

/**
 * Decibels relative to full scale.
 * @param {number} amplitude
 */
export function dbfs(amplitude) {
  return amplitude > 0 ? 20 * Math.log10(amplitude) : -Infinity;
}

/** @param {number} db */
export function dbText(db) {
  return Number.isFinite(db) ? `${db.toFixed(1).replace("-", "\u2212")} dBFS` : "\u2212\u221e dBFS";
}

/**
 * Where a level lies on the meter, 0 to 1.
 * @param {number} db
 */
export function meterPlace(db) {
  return Math.min(1, Math.max(0, 1 - db / LOWEST_DB));
}

/**
 * The largest magnitude of some samples.
 * @param {Float32Array} samples
 */
export function peakOf(samples) {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/**
 * Why this page can have no microphone at all, or an empty string.
 * @param {{isSecureContext: boolean, origin: string, hasDevices: boolean}} page
 */
export function whyNoMicrophone({ isSecureContext, origin, hasDevices }) {
  if (!isSecureContext) {
    return `A browser gives the microphone only to pages from https:// or from this computer (localhost), and this page comes from ${origin}. Open the course under such an address. ${ELSE}`;
  }
  if (!hasDevices) return `This browser cannot record. Take a newer Firefox, Chrome, Edge or Safari. ${ELSE}`;
  return "";
}

/**
 * What to say when the browser did not give the microphone.
 * @param {{name?: string, message?: string}} problem
 */
export function microphoneWords(problem) {
  switch (problem?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The microphone was refused. To allow it, click the sign beside the address of this page, set the microphone to \u00aballow\u00bb and press the button again; if it is allowed there, look into the privacy settings of your system. ${ELSE}`;
    case "NotFoundError":
    case "DevicesNotFoundError":
      return `No microphone was found. Plug one in, or switch it on in the sound settings of your system, and press the button again. ${ELSE}`;
    case "NotReadableError":
    case "AbortError":
      return `The microphone is there but cannot be used: perhaps another program holds it. Close that program and press the button again. ${ELSE}`;
    default:
      return `The microphone cannot be used (${problem?.name || "unknown reason"}${problem?.message ? `: ${problem.message}` : ""}). ${ELSE}`;
  }
}

/**
 * A hint about a recording that could be better, or an empty string.
 * @param {number} peak
 */
export function hint(peak) {
  if (peak === 0) return "Every sample is zero: is the microphone muted?";
  if (peak >= CLIPPED) return "Too loud: it clips. Go further away from the microphone.";
  if (dbfs(peak) < QUIET_DB) return "Very quiet: go closer to the microphone.";
  return "";
}

/**
 * What a browser left switched on although it was asked not to, as words.
 * @param {Record<string, any>} settings
 */
export function stillOn(settings) {
  const names = { echoCancellation: "echo cancellation", noiseSuppression: "noise suppression", autoGainControl: "automatic gain" };
  return Object.entries(names).filter(([key]) => settings[key] === true).map(([, name]) => name).join(", ");
}

/**
 * Smallest and largest sample for each column of a picture.
 * @param {Float32Array} samples
 * @param {number} width
 */
export function envelope(samples, width) {
  const columns = [];
  for (let x = 0; x < width; x += 1) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    let low = Infinity, high = -Infinity;
    for (let i = from; i < to && i < samples.length; i += 1) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    columns.push([low, high]);
  }
  return columns;
}

/**
 * Open the microphone and hand over its samples.
 * @param {(samples: Float32Array) => void} onSamples
 * @param {() => void} onEnd the microphone went away
 */
async function openMicrophone(onSamples, onEnd) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
  /** @type {AudioContext | null} */
  let context = null;
  let isOpen = true;
  function close() {
    isOpen = false;
    stream.getTracks().forEach((track) => track.stop());
    context?.close().catch(() => {});
    context = null;
  }
  try {
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => { if (isOpen) onEnd(); });
    const settings = track.getSettings();
    context = newContext(settings.sampleRate);
    if (context.state !== "running") await context.resume();
    const source = context.createMediaStreamSource(stream);
    const way = await tap(context, source, (samples) => { if (isOpen) onSamples(samples); });
    return { sampleRate: context.sampleRate, settings, way, close };
  } catch (problem) {
    close();
    throw problem;
  }
}

/** The rate of the microphone, if the browser can: then nothing is resampled on the way.
 * Large blocks, because a late sample is no harm here and a lost one is.
 * @param {number | undefined} sampleRate */
function newContext(sampleRate) {
  try {
    if (sampleRate) return new AudioContext({ sampleRate, latencyHint: "playback" });
  } catch {
    // a rate that this browser cannot have
  }
  return new AudioContext({ latencyHint: "playback" });
}

/**
 * Listen to a source in the audio thread; in an old browser, in the page's own.
 * @param {AudioContext} context
 * @param {AudioNode} source
 * @param {(samples: Float32Array) => void} onSamples
 * @returns {Promise<"AudioWorklet" | "ScriptProcessor">}
 */
async function tap(context, source, onSamples) {
  if (context.audioWorklet) {
    const address = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    try {
      await context.audioWorklet.addModule(address);
      const node = new AudioWorkletNode(context, "recorder-tap", { channelCount: 1, channelCountMode: "explicit" });
      node.port.onmessage = ({ data }) => onSamples(data);
      source.connect(node).connect(context.destination); // it passes no sound on: it is silent
      return "AudioWorklet";
    } catch {
      // a page that may not load a module from a blob
    } finally {
      URL.revokeObjectURL(address);
    }
  }
  const node = context.createScriptProcessor(2048, 1, 1);
  node.onaudioprocess = (event) => onSamples(event.inputBuffer.getChannelData(0).slice());
  source.connect(node).connect(context.destination);
  return "ScriptProcessor";
}

/** @param {string} tag @param {string} className @param {(Node | string)[]} [children] */
function element(tag, className, children = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** @param {string} name @param {string} text @param {() => void} onClick */
function makeButton(name, text, onClick) {
  const button = /** @type {HTMLButtonElement} */ (element("button", `snd-button snd-${name}`, [text]));
  button.type = "button";
  button.dataset.lmSuppressShortcuts = "true"; // keys belong to the button, not to the notebook
  button.addEventListener("click", onClick);
  return button;
}

/** @param {{model: any, el: HTMLElement}} view */
function render({ model, el }) {
  const most = model.get("seconds");
  /** @type {"off" | "asking" | "on" | "counting" | "recording" | "recorded" | "sending" | "kept"} */
  let phase = "off";
  /** @type {{sampleRate: number, settings: any, way: string, close: () => void} | null} */
  let microphone = null;
  let isGone = false; // the view is no longer shown
  let samples = new Float32Array(0); // of the recording, as far as it is filled
  let n = 0;
  let sampleRate = 0;
  let peak = 0; // of the recording
  let shown = -Infinity; // level on the meter, dBFS
  let held = { db: -Infinity, until: 0 };
  let louder = 0; // since the meter was drawn
  let drawnAt = 0;
  let lastSamplesAt = 0;
  let count = 0;
  /** @type {any} */
  let timer;
  let frame = 0;
  /** @type {{context: AudioContext, stop: () => void} | null} */
  let player = null;
  /** @type {{stop: () => void} | null} */
  let transfer = null;
  let problem = ""; // of the page; that of the kernel is model.get("error")
  let told = "";
  let summary = ""; // of the recording

  // ---- the parts

  const fill = element("div", "snd-meter-fill");
  const mark = element("div", "snd-meter-mark");
  const ticks = [-60, -50, -40, -30, -20, -10, 0].map((db) => {
    const tick = element("span", "snd-meter-tick", [`${db}`.replace("-", "\u2212")]);
    tick.style.left = `${100 * meterPlace(db)}%`;
    return tick;
  });
  const bar = element("div", "snd-meter-bar", [fill, mark]);
  const meter = element("div", "snd-meter", [bar, element("div", "snd-meter-scale", ticks)]);
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-label", "level of the microphone");
  bar.setAttribute("aria-valuemin", String(LOWEST_DB));
  bar.setAttribute("aria-valuemax", "0");
  const level = element("span", "snd-level");

  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "snd-wave"));
  canvas.setAttribute("role", "img");
  const big = element("div", "snd-count");
  big.setAttribute("role", "status");
  big.setAttribute("aria-live", "assertive");
  const stage = element("div", "snd-stage", [canvas, big]);

  const onButton = makeButton("mic", "Microphone on", () => (microphone ? turnOff() : turnOn()));
  const recordButton = makeButton("record", "", () => startRecording());
  const stopButton = makeButton("stop", "Stop", () => stopRecording());
  const playButton = makeButton("play", "Play", () => (player ? stopPlaying() : play()));
  const keepButton = makeButton("keep", "Keep this recording", () => keep());
  const row = element("div", "snd-row", [onButton, recordButton, stopButton, playButton, keepButton]);
  const status = element("div", "snd-status");
  status.setAttribute("role", "status");
  const alertLine = element("div", "snd-problem");
  alertLine.setAttribute("role", "alert");
  const root = element("div", "snd snd-recorder", [
    element("div", "snd-top", [meter, level]), stage, row, status, alertLine,
  ]);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Recorder");
  root.dataset.lmSuppressShortcuts = "true";
  // For tests and for the curious: what the recorder knows about itself.
  Object.assign(root, {
    recorder: {
      state: () => ({ phase, n, sampleRate, peak, levelDb: shown, microphone: microphone && { way: microphone.way, settings: microphone.settings }, countdown: model.get("countdown_s"), told, problem }),
    },
  });

  // ---- microphone

  async function turnOn() {
    if (microphone || phase === "asking") return Boolean(microphone);
    problem = whyNoMicrophone({
      isSecureContext: window.isSecureContext,
      origin: window.location.origin,
      hasDevices: Boolean(navigator.mediaDevices?.getUserMedia) && typeof AudioContext === "function",
    });
    if (problem) return draw(), false;
    const before = phase;
    setPhase("asking", "The browser asks whether this page may use the microphone: say yes there.");
    try {
      const opened = await openMicrophone(hear, gone);
      if (isGone) return opened.close(), false;
      microphone = opened;
      sampleRate = opened.sampleRate;
      lastSamplesAt = performance.now();
      setPhase(before === "recorded" || before === "kept" ? before : "on", readyText());
      frame = requestAnimationFrame(drawMeter);
      return true;
    } catch (error) {
      problem = microphoneWords(/** @type {any} */ (error));
      setPhase(before === "asking" ? "off" : before, "");
      return false;
    }
  }

  function readyText() {
    const texts = [`The microphone is on, at ${Math.round(sampleRate)} Hz. Say something and look at the meter: a peak from \u221230 to \u22126 dBFS is good.`];
    const left = stillOn(microphone?.settings ?? {});
    if (left) texts.push(`Your browser left ${left} on, which changes the sound.`);
    if (microphone?.way === "ScriptProcessor") texts.push("This browser records in an older way that may lose samples while the computer is busy.");
    return texts.join(" ");
  }

  function turnOff() {
    clearTimeout(timer);
    microphone?.close();
    microphone = null;
    cancelAnimationFrame(frame);
    shown = -Infinity;
    showLevel();
    if (phase === "counting" || phase === "recording" || phase === "on") rest();
    else setPhase(phase, "");
  }

  /** What is there when nothing runs: the last recording, or the microphone, or nothing. */
  function rest() {
    if (n && phase !== "recording") return setPhase("recorded", "The recording before is still here.");
    n = 0;
    setPhase(microphone ? "on" : "off", microphone ? readyText() : "");
  }

  function gone() {
    if (phase === "recording" && n) finishRecording();
    turnOff();
    problem = "The microphone went away. Plug it in and press the button again.";
    draw();
  }

  // ---- samples

  /** @param {Float32Array} block */
  function hear(block) {
    lastSamplesAt = performance.now();
    const loudest = peakOf(block);
    louder = Math.max(louder, loudest);
    if (phase !== "recording") return;
    const part = block.subarray(0, samples.length - n);
    samples.set(part, n);
    n += part.length;
    peak = Math.max(peak, peakOf(part));
    if (n === samples.length) finishRecording();
  }

  async function startRecording() {
    if (phase === "asking" || phase === "counting" || phase === "recording" || phase === "sending") return;
    stopPlaying();
    if (!microphone && !(await turnOn())) return;
    problem = "";
    model.set("error", "");
    count = model.get("countdown_s");
    setPhase("counting", "");
    tick();
  }

  function tick() {
    if (phase !== "counting") return;
    if (count > 0) {
      big.textContent = String(count);
      count -= 1;
      timer = setTimeout(tick, 1000);
      return;
    }
    samples = new Float32Array(Math.ceil(most * sampleRate));
    n = 0;
    peak = 0;
    setPhase("recording", "");
    const watch = () => {
      if (phase !== "recording") return;
      if (performance.now() - lastSamplesAt > NO_SOUND_AFTER_MS) {
        if (n) finishRecording();
        turnOff();
        problem = "No sound comes from the microphone. Look whether it is the right one in the settings of the browser, and try again.";
        return draw();
      }
      timer = setTimeout(watch, 500);
    };
    watch();
  }

  function stopRecording() {
    if (phase === "recording" && n) finishRecording();
    else if (phase === "counting" || phase === "recording") {
      clearTimeout(timer);
      rest();
    }
  }

  function finishRecording() {
    clearTimeout(timer);
    samples = samples.slice(0, n);
    summary = `Recorded: ${seconds(n)}, peak ${dbText(dbfs(peak))}. ${hint(peak)} Listen to it, keep it, or record again.`;
    setPhase("recorded", "");
  }

  /** @param {number} frames */
  function seconds(frames) {
    return `${(frames / sampleRate).toFixed(2)} s`;
  }

  // ---- listen

  function play() {
    if (!n) return;
    const context = new AudioContext();
    const buffer = context.createBuffer(1, n, sampleRate);
    buffer.copyToChannel(samples.subarray(0, n), 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    const gain = context.createGain();
    const start = context.currentTime + 0.02;
    const end = start + n / sampleRate;
    const fade = Math.min(FADE_S, (end - start) / 2);
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(1, start + fade);
    gain.gain.setValueAtTime(1, end - fade);
    gain.gain.linearRampToValueAtTime(0, end);
    source.connect(gain).connect(context.destination);
    source.onended = () => stopPlaying();
    source.start(start);
    player = { context, stop: () => { source.onended = null; try { source.stop(); } catch { /* it has not begun */ } } };
    draw();
  }

  function stopPlaying() {
    if (!player) return;
    const { context, stop } = player;
    player = null;
    stop();
    context.close().catch(() => {});
    draw();
  }

  // ---- keep

  async function keep() {
    if ((phase !== "recorded" && phase !== "kept") || !n) return;
    stopPlaying();
    turnOff();
    problem = "";
    setPhase("sending", "The recording is on its way to Python.");
    const bytes = new Uint8Array(n * 4);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < n; i += 1) view.setFloat32(4 * i, samples[i], true);
    const sending = sendBytes(model, {
      nBytes: bytes.length,
      about: { sample_rate: sampleRate },
      read: async (start, end) => bytes.slice(start, end).buffer,
      onBusy: (busy) => { if (phase === "sending") setPhase("sending", busy ? "Python is busy: the recording arrives when the running cell is done." : "The recording is on its way to Python."); },
    });
    transfer = sending;
    const taken = await sending.done.catch(() => false);
    transfer = null;
    if (!isGone) setPhase(taken ? "kept" : "recorded", "");
  }

  // ---- drawing

  /** @param {typeof phase} next @param {string} text */
  function setPhase(next, text) {
    phase = next;
    told = text;
    draw();
  }

  function draw() {
    const busy = phase === "asking" || phase === "sending";
    const running = phase === "counting" || phase === "recording";
    root.dataset.phase = phase;
    root.classList.toggle("snd-large", model.get("large_type"));
    onButton.textContent = microphone ? "Microphone off" : "Microphone on";
    onButton.setAttribute("aria-pressed", String(Boolean(microphone)));
    recordButton.textContent = `${n && !running ? "Record again" : "Record"} (${most === 1 ? "1 s" : `up to ${most} s`})`;
    onButton.disabled = busy || running;
    recordButton.disabled = busy || running;
    stopButton.disabled = !running;
    playButton.textContent = player ? "Stop playing" : "Play";
    playButton.disabled = busy || running || !n;
    keepButton.disabled = busy || running || !n || phase === "kept";
    keepButton.textContent = phase === "kept" ? "Kept" : "Keep this recording";
    if (phase !== "counting") big.textContent = phase === "recording" && n < 0.4 * sampleRate ? "now" : "";
    const error = problem || (running ? "" : model.get("error"));
    status.textContent = statusText(error);
    alertLine.textContent = error;
    drawWave();
  }

  /** @param {string} error */
  function statusText(error) {
    if (phase === "counting") return "Get ready \u2026";
    if (phase === "recording") return most === 1 ? "Recording: speak now." : `Recording: ${(n / sampleRate).toFixed(1)} of ${most} s.`;
    if (told) return told;
    if (phase === "recorded") return summary;
    if (phase === "kept" || (phase === "off" && model.get("said"))) return model.get("said");
    return error ? "" : "Nothing is recorded before you press a button. The browser asks first.";
  }

  function drawMeter() {
    if (!microphone) return;
    const now = performance.now();
    const db = dbfs(louder);
    shown = Math.max(db, shown - (FALL_DB_PER_S * Math.min(500, now - drawnAt)) / 1000);
    if (db >= held.db || now > held.until) held = { db, until: now + HOLD_MS };
    louder = 0;
    drawnAt = now;
    showLevel();
    if (phase === "recording") {
      drawWave();
      if (most !== 1) status.textContent = statusText("");
      if (n > 0.4 * sampleRate) big.textContent = "";
    }
    frame = requestAnimationFrame(drawMeter);
  }

  let spokenAt = 0;
  function showLevel() {
    const isOn = Boolean(microphone);
    fill.style.width = `${isOn ? 100 * meterPlace(shown) : 0}%`;
    mark.style.left = `${100 * meterPlace(held.db)}%`;
    mark.hidden = !isOn || held.db < LOWEST_DB;
    bar.dataset.loud = String(isOn && held.db > -1);
    level.textContent = isOn ? `peak ${dbText(held.db)}` : "microphone off";
    if (performance.now() - spokenAt > 300 || !isOn) {
      spokenAt = performance.now();
      bar.setAttribute("aria-valuenow", String(Math.round(Math.max(LOWEST_DB, isOn ? shown : LOWEST_DB))));
      bar.setAttribute("aria-valuetext", isOn ? dbText(shown) : "off");
    }
  }

  function drawWave() {
    const { width, height } = canvas.getBoundingClientRect();
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const style = getComputedStyle(root);
    const total = phase === "recording" ? samples.length : n;
    pen.fillStyle = style.getPropertyValue("--snd-line");
    pen.fillRect(0, Math.round(canvas.height / 2), canvas.width, Math.max(1, ratio));
    pen.fillStyle = style.getPropertyValue("--snd-wave");
    const columns = total ? Math.floor((canvas.width * n) / total) : 0;
    envelope(samples.subarray(0, n), columns).forEach(([low, high], x) => {
      const top = ((1 - high) / 2) * canvas.height;
      pen.fillRect(x, top, 1, Math.max(ratio, ((high - low) / 2) * canvas.height));
    });
    canvas.setAttribute("aria-label", n ? `waveform of the recording, ${seconds(n)}, full scale from top to bottom` : "no recording yet");
  }

  el.replaceChildren(root);
  for (const name of ["said", "error", "large_type", "seconds"]) model.on(`change:${name}`, draw);
  const resized = new ResizeObserver(drawWave);
  resized.observe(canvas);
  showLevel();
  draw();
  return () => {
    isGone = true;
    clearTimeout(timer);
    resized.disconnect();
    for (const name of ["said", "error", "large_type", "seconds"]) model.off(`change:${name}`, draw);
    transfer?.stop();
    stopPlaying();
    microphone?.close();
    microphone = null;
    cancelAnimationFrame(frame);
  };
}

export default { render };
