// ------------------------------------------------------------------ the view

const HELP = [
  ["click", "move the playhead"],
  ["drag", "select a stretch (Esc clears it)"],
  ["space", "play or pause"],
  ["L", "loop"],
  ["P", "pin the picture, to compare"],
  ["\u2190 \u2192", "one frame back or on"],
  ["\u2191 \u2193", "read the picture at another frequency"],
  ["Home, End", "to the start or the end"],
  ["+ \u2212 0", "zoom in, zoom out, show all"],
  ["Ctrl + wheel", "zoom; Shift + wheel moves"],
];

class View {
  constructor(model, el) {
    this.model = model;
    this.player = new Player();
    this.selection = null;
    this.hover = null;
    this.drawn = 0;
    this.drawnBy = { preview: 0, PyTorch: 0, page: 0 };
    this.preview = new Preview(this);
    this.loop = false;
    this.size = { width: 0, left: 64, right: 74, ratio: 1, font: 12, scale: 1 };
    this.aborter = new AbortController();
    this.#build(el);
    this.setGain();
    this.#readSound();
    this.#makeLanes();
    this.#readOutline();
    this.#listen();
    this.text();
    this.#theme();
    this.preview.start();
  }

  // ---- building

  #build(el) {
    const root = (this.root = make("div", "sound-view", {
      role: "group",
      tabindex: "0",
      "data-lm-suppress-shortcuts": "true",
    }));
    const button = (name, label, text) => {
      const node = make("button", `sv-button sv-${name}`, {
        type: "button",
        "aria-label": label,
        title: label,
        "data-lm-suppress-shortcuts": "true",
      });
      node.append(ICONS[text] ? icon(text) : text);
      return node;
    };
    this.buttons = {
      play: button("play", "Play (space)", "play"),
      loop: button("loop", "Loop (L)", "loop"),
      start: button("start", "To the start (Home)", "start"),
      pin: button("pin", "Pin this picture, to compare (P)", "Pin"),
      zoomIn: button("zoom-in", "Zoom in (+)", "+"),
      zoomOut: button("zoom-out", "Zoom out (\u2212)", "\u2212"),
      fit: button("fit", "Show the whole sound (0)", "All"),
      large: button("large", "Large type for a projector", "A\u2191"),
      help: button("help", "Keys and mouse", "?"),
    };
    this.clock = make("span", "sv-clock", { "aria-hidden": "true" });
    const transport = make("div", "sv-transport", { role: "toolbar", "aria-label": "Transport" });
    const { play, loop, start, pin, zoomIn, zoomOut, fit, large, help } = this.buttons;
    const gap = make("span", "sv-gap");
    this.who = make("select", "sv-button sv-who", {
      "aria-label": "Who draws the pictures",
      title: ABOUT_ENGINES,
      "data-lm-suppress-shortcuts": "true",
      hidden: "",
    });
    this.who.append(...ENGINES.map(([value, text]) => new Option(text, value)));
    transport.append(play, start, loop, this.clock, gap, this.who, zoomOut, zoomIn, fit, pin, large, help);
    this.help = make("div", "sv-keys", { hidden: "" });
    for (const [keys, what] of HELP) {
      const name = make("b");
      name.textContent = keys;
      const meaning = make("span");
      meaning.textContent = what;
      this.help.append(name, meaning);
    }
    this.readout = make("div", "sv-readout");
    this.message = make("div", "sv-message", { role: "alert" });
    this.notes = make("ul", "sv-notes", { "aria-live": "polite" });
    this.laneBox = make("div", "sv-lanes");
    this.chartBox = make("div", "sv-charts");
    this.timeAxis = make("canvas", "sv-time-axis", { "aria-hidden": "true" });
    this.seek = make("input", "sv-seek", {
      type: "range",
      min: "0",
      step: "any",
      "aria-label": "Playhead in seconds",
      "data-lm-suppress-shortcuts": "true",
    });
    this.hoverLine = make("div", "sv-hover", { role: "status" });
    root.append(transport, this.help, this.message, this.readout, this.notes, this.hoverLine, this.laneBox, this.timeAxis, this.seek, this.chartBox);
    el.append(root);
    root.soundView = this;
  }

  #readSound() {
    const bytes = this.model.get("sound");
    this.sampleRate = this.model.get("sample_rate");
    this.nSamples = this.model.get("n_samples");
    this.nChannels = this.model.get("n_channels");
    const start = bytes.byteOffset ?? 0;
    const buffer = bytes.buffer ?? bytes;
    this.samples = new Int16Array(buffer.slice(start, start + bytes.byteLength)); // a copy is aligned
    this.behind = null;
    this.pyramid = null;
    this.outline = null;
    this.duration_s = this.nSamples / this.sampleRate;
    this.visible = this.#checkedVisible(this.model.get("visible"));
    this.playhead_s = Math.min(this.duration_s, this.model.get("playhead_s"));
    this.player.load(this.samples, this.sampleRate, this.nChannels);
    this.seek.max = String(this.duration_s);
    this.preview.readSound();
    this.preview.followGain();
  }

  /**
   * Draw these samples of the same sound behind a function that never falls, as a gain and a file are: what it
   * makes of the smallest and the largest sample of a stretch is all that is drawn. What plays goes on as it is.
   */
  showBehind(samples, behind) {
    if (this.samples !== samples) this.pyramid = null;
    this.samples = samples;
    this.behind = behind;
    this.outline = null;
    this.#drawWaveforms();
  }

  /** The samples to be played. */
  get heard() {
    return this.behind ? this.preview.fileHeard() : this.samples;
  }

  #drawWaveforms() {
    this.lanes?.filter((lane) => lane.spec.kind === "waveform").forEach((lane) => lane.draw());
  }

  /**
   * A slider makes a new sound at every step. While the hand moves, only its outline comes, to be
   * drawn; the sound itself is asked for when no newer one came for a while, or to be played.
   */
  #readOutline() {
    clearTimeout(this.rest);
    const { data, ...outline } = this.model.get("outline");
    if (!this.#lacksSound()) return;
    this.rest = setTimeout(() => this.#askForSound(), REST_MS);
    if (this.preview.ownsGain) return; // it is drawn already
    const start = data.byteOffset ?? 0;
    const samples = new Int16Array((data.buffer ?? data).slice(start, start + data.byteLength));
    this.outline = { ...outline, samples, length: samples.length / outline.n_channels };
    this.nChannels = outline.n_channels;
    this.#drawWaveforms();
  }

  #lacksSound() {
    return (this.model.get("outline").serial ?? 0) > this.model.get("sound_serial");
  }

  #askForSound() {
    clearTimeout(this.rest);
    if (this.#lacksSound()) this.model.send({ type: "sound" });
  }

  /** Resolves when the newest sound is here, or after a second: then the last one must do. */
  async #newestSound() {
    this.#askForSound();
    const end = performance.now() + 1000;
    while (this.#lacksSound() && performance.now() < end) await new Promise((go) => setTimeout(go, 10));
  }

  /** An explorer's gain slider: heard and seen without sending the sound again. */
  setGain(gain = this.model.get("gain") ?? 1) {
    if (gain === this.gain) return;
    this.gain = gain;
    this.player.setLevel(gain);
    this.#drawWaveforms();
  }

  #makeLanes() {
    this.sources?.forEach((source) => source.close());
    this.sources = [];
    this.lanes = [];
    this.laneBox.textContent = this.chartBox.textContent = "";
    for (const spec of this.model.get("lanes")) {
      const lane = this.#addLane(spec);
      if (spec.kind === "waveform") continue;
      const source = kernelSource(this.model, spec.id, (picture) => this.preview.letsIn && this.#adopt(lane, picture));
      this.sources.push({ lane, ...source });
      const first = source.current();
      if (first) lane.setPicture(first);
    }
    this.#placePin();
  }

  #addLane(spec, after = null) {
    const chart = spec.kind === "chart";
    const lane = chart ? new Chart(this, spec) : new Lane(this, spec);
    if (chart) {
      this.chartBox.append(lane.node);
      this.lanes.push(lane);
      this.#chartPointer(lane);
      return lane;
    }
    if (after) {
      after.node.after(lane.node);
      this.lanes.splice(this.lanes.indexOf(after) + 1, 0, lane);
    } else {
      this.laneBox.append(lane.node);
      this.lanes.push(lane);
    }
    this.#pointer(lane);
    return lane;
  }

  /** Previews, by lane, and what is said about them. */
  show(pictures) {
    for (const lane of this.lanes) if (pictures[lane.spec.id]) this.#receive(lane, pictures[lane.spec.id]);
    this.text();
  }

  /** The kernel's pictures and words in place of previews. */
  settle() {
    for (const { lane, current } of this.sources) this.#adopt(lane, current());
    this.text();
  }

  /** A picture of the kernel, unless it stands there already. */
  #adopt(lane, picture) {
    if (picture && (lane.picture?.by || lane.picture?.serial !== picture.serial)) this.#receive(lane, picture);
  }

  #receive(lane, picture) {
    lane.setPicture(picture);
    if (this.pointer) this.#hoverAt(this.pointer.lane, this.pointer.x, this.pointer.y);
    this.#drewPicture(lane);
  }

  #drewPicture(lane) {
    const { settings, serial, by: engine = "PyTorch" } = lane.picture;
    this.drawn += 1;
    this.drawnBy[engine] += 1;
    const detail = { lane: lane.spec.id, settings, serial, engine };
    this.root.dispatchEvent(new CustomEvent("soundview:drawn", { bubbles: true, detail }));
  }

  #placePin() {
    const old = this.lanes.find((lane) => lane.spec.id === "pinned");
    if (old) {
      old.node.remove();
      this.lanes.splice(this.lanes.indexOf(old), 1);
    }
    const pinned = this.model.get("pinned");
    this.buttons.pin.setAttribute("aria-pressed", String(Boolean(pinned.lane)));
    this.buttons.pin.textContent = pinned.lane ? "Unpin" : "Pin";
    this.buttons.pin.hidden = !this.lanes.some((lane) => lane.spec.kind === "picture");
    const live = this.lanes.find((lane) => lane.spec.id === pinned.lane);
    if (!live) return;
    const lane = this.#addLane({ ...live.spec, id: "pinned", title: "pinned" }, live);
    lane.resize();
    lane.setPicture(readPicture(pinned.picture));
  }

  // ---- listening

  #listen() {
    const { model, root, buttons } = this;
    const { signal } = this.aborter;
    const on = (names, action) => names.forEach((name) => model.on(`change:${name}`, action));
    on(["readout", "notes", "error", "label"], () => this.text());
    on(["live"], () => this.preview.start());
    on(["live_sound"], () => this.preview.readSound());
    on(["shown_for"], () => this.preview.arrived());
    on(["engine"], () => this.showEngine());
    on(["engine"], () => this.preview.modeChanged());
    on(["theme"], () => this.#theme());
    on(["gain"], () => this.preview.ownsGain || this.setGain());
    on(["large_type"], () => this.layout(true));
    on(["pinned"], () => this.#placePin());
    on(["visible"], () => this.#setVisible(model.get("visible"), false));
    on(["visible"], () => this.preview.moved());
    on(["playhead_s"], () => this.player.playing || this.#movePlayhead(model.get("playhead_s"), false));
    on(["outline"], () => this.#readOutline());
    on(["sound_serial", "sample_rate"], () => {
      const running = this.player.playing;
      const { playhead_s } = this;
      this.#readSound(); // stops what plays
      this.playhead_s = this.#inside(playhead_s); // wherever the hand looks meanwhile
      this.#transport();
      if (running) this.toggle(); // the new sound goes on where the old one was
      this.drawAll();
      this.#readOutline(); // a still newer one may have come meanwhile
    });
    buttons.play.onclick = () => this.toggle();
    buttons.start.onclick = () => this.seekTo(0);
    buttons.loop.onclick = () => this.setLoop(!this.loop);
    buttons.pin.onclick = () => this.#pin();
    this.who.onchange = () => {
      model.set("engine", this.who.value);
      model.save_changes();
    };
    buttons.zoomIn.onclick = () => this.zoom(0.5);
    buttons.zoomOut.onclick = () => this.zoom(2);
    buttons.fit.onclick = () => this.#setVisible([0, this.duration_s], true);
    buttons.large.onclick = () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.layout(true);
    };
    buttons.help.onclick = () => {
      this.help.hidden = !this.help.hidden;
      buttons.help.setAttribute("aria-expanded", String(!this.help.hidden));
    };
    this.seek.oninput = () => this.seekTo(Number(this.seek.value));
    root.addEventListener("keydown", (event) => this.#key(event));
    // only one view sounds at a time; another one's start pauses this one
    document.addEventListener("soundview:play", (event) => event.target !== root && this.#pause(), { signal });
    this.player.onEnd = (end_s) => this.#movePlayhead(end_s, true);
    this.observers = [new ResizeObserver(() => this.layout())];
    this.observers[0].observe(root);
    const themes = new MutationObserver(() => this.#theme());
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    this.observers.push(themes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  /** On a chart the pointer chooses a frequency (or a level), and the pictures above follow. */
  #chartPointer(lane) {
    const canvas = lane.overlay;
    canvas.addEventListener("pointermove", (event) => {
      if (!lane.picture) return;
      const value = lane.valueAt(event.clientX - canvas.getBoundingClientRect().left);
      const hover = this.#emptyHover(lane.spec.id, this.playhead_s);
      if (lane.picture.x.unit === "Hz") Object.assign(hover, { freq_hz: value, band: this.#bandOf(value) });
      else Object.assign(hover, { db: value, levels: { [lane.picture.x.unit]: value } });
      if (lane.picture.x.names?.length) hover.text = namedText(lane.picture, value);
      else hover.text = `${lane.picture.x.label} ${formatNumber(value, Math.abs(value) < 100 ? 1 : 0)} ${lane.picture.x.unit}`;
      this.#showHover(hover);
    });
    canvas.addEventListener("pointerleave", () => this.#showHover(null));
  }

  #pointer(lane) {
    const canvas = lane.overlay;
    let down = null;
    const timeAt = (event) => this.timeOf(event.clientX - canvas.getBoundingClientRect().left);
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      this.#hoverAt(lane, event.clientX - box.left, event.clientY - box.top);
      if (down && Math.abs(event.clientX - down.x) > 4) {
        const ends = [down.time_s, timeAt(event)].sort((a, b) => a - b);
        this.selection = ends.map((t) => this.#inside(t));
        this.drawOverlays();
      }
    });
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.#showHover(null);
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      down = { x: event.clientX, time_s: timeAt(event) };
      canvas.setPointerCapture(event.pointerId);
      this.root.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!down) return;
      if (Math.abs(event.clientX - down.x) <= 4) {
        if (this.selection && (down.time_s < this.selection[0] || down.time_s > this.selection[1])) this.selection = null;
        this.seekTo(down.time_s);
      } else this.seekTo(this.selection[0]);
      down = null;
    });
    canvas.addEventListener("pointercancel", () => (down = null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
        else if (event.shiftKey) this.pan((event.deltaX || event.deltaY) / 800);
        else return; // the page scrolls
        event.preventDefault();
      },
      { passive: false },
    );
  }

  /** Keep the picture (or let it go); the kernel keeps its own, of the settings as they are. */
  #pin() {
    this.preview.whenTrue(() => this.model.send({ type: "pin" }));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.who) return;
    const onSeek = event.target === this.seek;
    const onButton = event.target.tagName === "BUTTON";
    const step = this.#frameStep();
    const actions = {
      " ": () => this.toggle(),
      l: () => this.setLoop(!this.loop),
      p: () => !this.buttons.pin.hidden && this.#pin(),
      ArrowLeft: () => this.#inspectAt(this.playhead_s - step),
      ArrowRight: () => this.#inspectAt(this.playhead_s + step),
      ArrowUp: () => this.#inspectAt(this.playhead_s, 1),
      ArrowDown: () => this.#inspectAt(this.playhead_s, -1),
      Home: () => this.seekTo(0),
      End: () => this.seekTo(this.duration_s),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.#setVisible([0, this.duration_s], true),
      Escape: () => {
        this.selection = null;
        this.drawOverlays();
      },
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (onSeek && event.key !== " " && event.key.length > 1) || (onButton && event.key === " ")) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- sound and playhead

  async toggle() {
    if (this.player.playing) return this.#pause();
    if (this.behind && this.preview.ownsGain) {
      if (this.player.samples !== this.heard) this.player.load(this.heard, this.sampleRate, this.nChannels);
    } else if (this.#lacksSound()) await this.#newestSound();
    const [start, end] = this.selection ?? [0, this.duration_s];
    const outside = this.playhead_s < start || this.playhead_s >= end - 1e-3;
    const from = outside ? start : this.playhead_s;
    try {
      await this.player.play(from, this.loop, start, end);
    } catch (problem) {
      this.say(`This browser cannot play the sound (${problem.message}). The pictures still work.`);
      return;
    }
    this.root.dispatchEvent(new CustomEvent("soundview:play", { bubbles: true }));
    this.#transport();
    const tick = () => {
      if (!this.player.playing) return;
      this.playhead_s = this.player.position();
      this.#follow();
      this.drawOverlays();
      this.#transport();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  #pause() {
    if (!this.player.playing) return;
    this.playhead_s = this.player.position();
    this.player.stop();
    this.#movePlayhead(this.playhead_s, true);
  }

  /** Move the playhead; sound that is running goes on from there. */
  seekTo(time_s) {
    const running = this.player.playing;
    this.player.stop();
    this.#movePlayhead(time_s, true);
    if (running) this.toggle();
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.player.playing) {
      this.#pause();
      this.toggle();
    }
    this.#transport();
  }

  #movePlayhead(time_s, save) {
    this.playhead_s = this.#inside(time_s);
    if (save && this.model.get("playhead_s") !== this.playhead_s) {
      this.model.set("playhead_s", this.playhead_s);
      this.model.save_changes();
    }
    this.#follow();
    this.drawOverlays();
    this.#transport();
  }

  #follow() {
    const [a, b] = this.visible;
    const span = b - a;
    if (this.playhead_s >= a && this.playhead_s <= b) return;
    const start = Math.max(0, Math.min(this.playhead_s, this.duration_s - span));
    this.#setVisible([start, start + span], true);
  }

  #transport() {
    const { play, loop } = this.buttons;
    const { playing } = this.player;
    if (this.wasPlaying !== playing) {
      play.replaceChildren(icon(playing ? "pause" : "play"));
      const label = playing ? "Pause (space)" : "Play (space)";
      play.setAttribute("aria-label", label);
      play.title = label;
      this.wasPlaying = playing;
    }
    loop.setAttribute("aria-pressed", String(this.loop));
    const digits = this.duration_s < 60 ? 2 : 1;
    this.clock.textContent = `${this.playhead_s.toFixed(digits)} / ${this.duration_s.toFixed(digits)} s`;
    this.seek.value = String(this.playhead_s);
    this.seek.setAttribute("aria-valuetext", `${this.playhead_s.toFixed(2)} seconds of ${this.duration_s.toFixed(2)}`);
  }

  // ---- the visible stretch

  #inside(time_s) {
    return Math.min(this.duration_s, Math.max(0, time_s));
  }

  #checkedVisible(visible) {
    const shortest = Math.min(this.duration_s, 16 / this.sampleRate);
    let [a, b] = visible?.length === 2 ? visible : [0, this.duration_s];
    a = this.#inside(a);
    b = this.#inside(b);
    if (b - a < shortest) {
      a = Math.max(0, Math.min(a, this.duration_s - shortest));
      b = a + shortest;
    }
    return [a, b];
  }

  #setVisible(visible, save) {
    this.visible = this.#checkedVisible(visible);
    if (save) {
      this.model.set("visible", [...this.visible]);
      this.model.save_changes();
    }
    this.drawAll();
  }

  /** Make the visible stretch `factor` times as long; the selection, if there is one, fills the view first. */
  zoom(factor, around = null) {
    const [a, b] = this.visible;
    if (factor < 1 && around === null && this.selection && this.selection[1] - this.selection[0] < (b - a) * 0.95) {
      this.#setVisible(this.selection, true);
      return;
    }
    const inView = this.playhead_s >= a && this.playhead_s <= b;
    const centre = around ?? (inView ? this.playhead_s : (a + b) / 2);
    const place = (centre - a) / (b - a);
    const span = Math.min(this.duration_s, (b - a) * factor);
    const start = Math.max(0, Math.min(centre - place * span, this.duration_s - span));
    this.#setVisible([start, start + span], true);
  }

  pan(share) {
    const [a, b] = this.visible;
    const start = Math.max(0, Math.min(a + share * (b - a), this.duration_s - (b - a)));
    this.#setVisible([start, start + (b - a)], true);
  }

  xOf(time_s) {
    const { width, left, right } = this.size;
    const [a, b] = this.visible;
    return left + ((time_s - a) / (b - a)) * (width - left - right);
  }

  timeOf(x) {
    const { width, left, right } = this.size;
    const [a, b] = this.visible;
    return a + ((x - left) / (width - left - right)) * (b - a);
  }

  // ---- samples

  sampleAt(n, channel = 0) {
    if (this.outline) return outlined(this.outline, n, n + 1, channel)[1];
    return this.shown(this.samples[n * this.nChannels + channel]);
  }

  /** What is drawn of a sample. */
  shown(sample) {
    return this.behind && !this.outline ? this.behind(sample) : sample;
  }

  /**
   * Smallest and largest sample of `count` columns, one after the other, before `shown`: so that a gain that
   * moves need not look for them again.
   */
  columns(first, perColumn, count, channel) {
    const key = [first, perColumn, count].join();
    const { outline, samples } = this;
    const kept = (this.keptColumns ??= [])[channel];
    if (kept?.key === key && kept.outline === outline && kept.samples === samples) return kept.ends;
    const ends = new Float64Array(2 * count);
    for (let x = 0; x < count; x++) {
      ends.set(this.#extremes(first + x * perColumn, first + (x + 1) * perColumn, channel), 2 * x);
    }
    this.keptColumns[channel] = { key, outline, samples, ends };
    return ends;
  }

  /** Smallest and largest sample of a channel between two sample numbers. */
  #extremes(from, to, channel) {
    if (this.outline) return outlined(this.outline, from, to, channel);
    let a = Math.max(0, Math.floor(from));
    const b = Math.min(this.nSamples, Math.max(a + 1, Math.ceil(to)));
    let low = Infinity;
    let high = -Infinity;
    if (b - a > 512) {
      this.pyramid ??= [];
      const { block, min, max } = (this.pyramid[channel] ??= envelope(this.samples, 64, this.nChannels, channel));
      for (let i = Math.floor(a / block); i < Math.ceil(b / block); i++) {
        if (min[i] < low) low = min[i];
        if (max[i] > high) high = max[i];
      }
      return [low, high];
    }
    for (; a < b; a++) {
      const value = this.samples[a * this.nChannels + channel];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  }

  // ---- reading the picture

  #frameLane() {
    return this.lanes.find((lane) => lane.picture?.frames?.hop_s);
  }

  #frameStep() {
    const lane = this.#frameLane();
    return lane ? lane.picture.frames.hop_s * lane.picture.frames.step : (this.visible[1] - this.visible[0]) / 100;
  }

  /** Keyboard reading: the playhead chooses the time, up and down choose the row. */
  #inspectAt(time_s, up = 0) {
    this.player.stop();
    this.#movePlayhead(time_s, true);
    const lane = this.#frameLane();
    if (!lane) return;
    const rows = Math.min(lane.picture.n_rows, 128);
    this.keyPlace = Math.min(1 - 0.5 / rows, Math.max(0.5 / rows, (this.keyPlace ?? 0.25) + up / rows));
    this.#showHover(this.#found(lane, this.playhead_s, this.keyPlace));
  }

  #hoverAt(lane, x, y) {
    this.pointer = { lane, x, y };
    const time_s = this.timeOf(x);
    const [a, b] = this.visible;
    if (time_s < a || time_s > b) return this.#showHover(null);
    this.#showHover(this.#found(lane, time_s, 1 - y / lane.height));
  }

  #emptyHover(lane, time_s) {
    const unknown = ["frame", "freq_hz", "bin", "mel", "band", "db", "samples", "centre_s", "amplitude", "window", "field"];
    return { lane, time_s, ...Object.fromEntries(unknown.map((name) => [name, null])) };
  }

  #found(lane, time_s, place) {
    const hover = this.#emptyHover(lane.spec.id, time_s);
    const source = lane.spec.kind === "picture" ? lane : this.#frameLane();
    const at = source?.picture ? inspect(source.picture, time_s, lane === source ? place : 0, this.sampleRate) : null;
    if (at) {
      const { frame, centre_s, samples } = at;
      Object.assign(hover, { frame, centre_s, samples, window: source.picture.frames.window });
      if (lane === source) Object.assign(hover, at, { levels: this.#levelsAt(lane, time_s, at.freq_hz) });
    }
    if (hover.freq_hz !== null && hover.band === null && !hover.field) hover.band = this.#bandOf(hover.freq_hz);
    const n = Math.min(this.nSamples - 1, Math.max(0, Math.round(time_s * this.sampleRate)));
    hover.sample = n;
    hover.amplitude = (this.sampleAt(n) / 32768) * this.gain;
    hover.right = this.nChannels === 2 ? (this.sampleAt(n, 1) / 32768) * this.gain : null;
    return hover;
  }

  /** What every picture shows at this time and frequency, by its unit: for the charts in that unit. */
  #levelsAt(lane, time_s, freq_hz) {
    const levels = {};
    for (const other of [lane, ...this.lanes]) {
      const { picture } = other;
      if (other.spec.kind !== "picture" || !picture || picture.value_unit in levels) continue;
      const at = inspect(picture, time_s, axisPlace(picture.y, freq_hz), this.sampleRate);
      if (at) levels[picture.value_unit] = at.db;
    }
    return levels;
  }

  #bandOf(freq_hz) {
    const lane = this.lanes.find((other) => other.picture?.rows?.kind === "band");
    if (!lane) return null;
    const place = axisPlace(lane.picture.y, freq_hz);
    return place >= 0 && place < 1 ? Math.floor(place * lane.picture.n_rows) : null;
  }

  #showHover(hover) {
    this.hover = hover;
    this.hoverLine.textContent = hover ? this.#hoverText(hover) : "";
    this.drawOverlays();
  }

  #hoverText(hover) {
    if (hover.text) return hover.band === null ? hover.text : `${hover.text} \u00b7 ${this.#bandText(hover.band)}`;
    const words = [`time ${hover.time_s.toFixed(4)} s`];
    const lane = this.lanes.find((other) => other.spec.id === hover.lane);
    if (hover.field) return fieldText(hover, lane.picture);
    if (lane.spec.kind === "waveform") {
      words.push(`sample ${formatNumber(hover.sample)}`);
      if (hover.right === null) words.push(`amplitude ${amplitudeText(hover.amplitude)}`);
      else words.push(`left ${amplitudeText(hover.amplitude)}`, `right ${amplitudeText(hover.right)}`);
    } else if (lane.spec.kind === "curve" && lane.picture?.stems) {
      const { values, t0_s, dt_s, y } = lane.picture;
      const value = values[Math.round((hover.time_s - t0_s) / dt_s)];
      if (value !== undefined) words.push(`${y.label} ${formatNumber(value, 4)} ${y.unit}`.trim());
    }
    if (hover.frame !== null) words.push(`frame ${formatNumber(hover.frame)}`);
    if (hover.samples) words.push(`samples ${formatNumber(hover.samples[0])} to ${formatNumber(hover.samples[1])}`);
    if (hover.freq_hz !== null) {
      words.push(`${formatNumber(hover.freq_hz)} Hz`);
      if (hover.mel !== null) words.push(`${formatNumber(hover.mel)} mel`);
      if (hover.bin !== null) words.push(this.#binText(lane.picture.rows, hover.bin));
      if (hover.band !== null && this.lanes.some((other) => other.picture?.rows?.kind === "band")) {
        words.push(this.#bandText(hover.band));
      }
      const { value_unit } = lane.picture;
      words.push(`${hover.floor ? "\u2264 " : ""}${formatNumber(hover.db, 1)} ${value_unit}`);
    }
    return words.join(" \u00b7 ");
  }

  #binText(rows, bin) {
    if (rows.per_row <= 1) return `bin ${bin}`;
    return `bins ${bin} to ${Math.min(rows.count, bin + rows.per_row) - 1}`; // the loudest is shown
  }

  #bandText(band) {
    const { rows } = this.lanes.find((other) => other.picture?.rows?.kind === "band").picture;
    const text = `band ${band} (${formatNumber(rows.low[band])} to ${formatNumber(rows.high[band])} Hz)`;
    if (!rows.bin_hz) return text;
    const count = binsInside(rows.low[band], rows.centre[band], rows.high[band], rows.bin_hz).length;
    return `${text}: ${count || "no"} bin${count === 1 ? "" : "s"}`;
  }

  // ---- text, theme, layout

  say(text) {
    this.message.textContent = text;
  }

  /** The menu of engines, where there is a choice. */
  showEngine() {
    this.who.hidden = !this.preview.engine || this.model.get("kernel") === false;
    this.who.value = this.model.get("engine");
  }

  /** What the kernel says, or the preview while it is shown. */
  text() {
    const said = (name) => this.preview.said?.[name] ?? this.model.get(name);
    this.root.setAttribute("aria-label", this.model.get("label"));
    this.say(said("error"));
    this.readout.textContent = "";
    for (const [name, value] of said("readout")) {
      const pair = make("span");
      const number = make("b");
      number.textContent = value;
      pair.append(`${name} `, number);
      this.readout.append(pair);
    }
    this.notes.textContent = "";
    for (const note of said("notes")) {
      const item = make("li");
      item.textContent = note;
      this.notes.append(item);
    }
  }

  #theme() {
    const wanted = this.model.get("theme");
    const lab = document.body.dataset.jpThemeLight;
    const system = matchMedia("(prefers-color-scheme: dark)").matches;
    const dark = wanted === "auto" ? (lab ? lab === "false" : system) : wanted === "dark";
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const read = (name) => style.getPropertyValue(`--sv-${name}`).trim();
    this.colours = Object.fromEntries(
      ["plot", "line", "grid", "text", "strong", "wave", "accent", "hover", "seen", "select", "bad"].map((name) => [name, read(name)]),
    );
    this.colours.series = [1, 2, 3, 4, 5].map((i) => read(`series-${i}`));
    this.drawAll();
  }

  layout(force = false) {
    const large = this.model.get("large_type");
    this.root.classList.toggle("sv-large", large);
    this.buttons.large.setAttribute("aria-pressed", String(large));
    const width = this.laneBox.clientWidth;
    if (width && !this.colours.plot) this.#theme(); // computed styles exist only inside a page
    const ratio = window.devicePixelRatio || 1;
    if (!width || (!force && width === this.size.width && ratio === this.size.ratio)) return;
    const font = large ? 19 : 12;
    const tall = this.lanes.reduce((sum, lane) => sum + lane.spec.height, 0);
    // on a projector all lanes should stand on one screen, under the sliders
    const scale = large ? Math.min(1.4, Math.max(0.7, (window.innerHeight - 340) / tall)) : 1;
    this.size = { width, ratio, font, scale, left: Math.round(font * 5.6), right: Math.round(font * 6) };
    this.root.style.setProperty("--sv-left", `${this.size.left}px`);
    this.root.style.setProperty("--sv-right", `${this.size.right}px`);
    this.lanes.forEach((lane) => lane.resize());
    this.drawAll();
  }

  drawAll() {
    if (!this.size.width || !this.colours) return;
    this.lanes.forEach((lane) => lane.draw());
    this.#drawTimeAxis();
    this.#transport();
  }

  drawOverlays() {
    this.lanes.forEach((lane) => lane.drawOverlay());
  }

  #drawTimeAxis() {
    const { width, ratio, left, right, font } = this.size;
    const canvas = this.timeAxis;
    const height = Math.round(font * 3);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = this.colours.text;
    c.textAlign = "center";
    const [a, b] = this.visible;
    const ticks = niceTicks(a, b, Math.floor((width - left - right) / (font * 7)));
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : b - a;
    const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
    for (const t of ticks) {
      c.fillRect(this.xOf(t) - 0.5, 0, 1, 5);
      c.fillText(t.toFixed(digits), this.xOf(t), font + 6);
    }
    c.fillText("time (s)", left + (width - left - right) / 2, font * 2 + 8);
  }

  /** What the tests and a curious student read: root.soundView.state() */
  state() {
    const lanes = this.lanes.map((lane) => ({
      id: lane.spec.id,
      kind: lane.spec.kind,
      title: lane.spec.title,
      settings: lane.picture?.settings ?? null,
      shape: lane.picture?.data ? [lane.picture.n_rows, lane.picture.n_columns] : null,
    }));
    const { playhead_s, loop, duration_s, visible, hover, drawn, drawnBy, selection, preview } = this;
    return {
      playhead_s, loop, duration_s, visible, hover, drawn, selection, lanes,
      drawnBy: { ...drawnBy },
      engine: this.lanes.find((lane) => lane.picture?.by)?.picture.by ?? "PyTorch",
      difference: preview.difference,
      atRest: preview.isTrue, // nothing more is to come for the controls as they are
      playing: this.player.playing,
      pinned: this.lanes.some((lane) => lane.spec.id === "pinned"),
      waitsForSound: this.#lacksSound(),
      error: this.message.textContent,
      notes: [...this.notes.children].map((item) => item.textContent),
      theme: this.root.dataset.theme,
      large: this.root.classList.contains("sv-large"),
    };
  }

  close() {
    clearTimeout(this.rest);
    this.preview.close();
    this.aborter.abort();
    this.observers.forEach((observer) => observer.disconnect());
    this.sources.forEach((source) => source.close());
    this.player.close();
  }
}
