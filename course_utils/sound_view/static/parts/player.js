// ------------------------------------------------------------------ sound

/** Plays the samples as they are (times the gain that Python sets): no normalising, 5 ms fades so that starting does not click. */
class Player {
  constructor() {
    this.level = 1;
    this.context = null;
    this.buffer = null;
    this.playing = false;
    this.onEnd = () => {};
  }

  load(samples, sampleRate, nChannels) {
    this.stop();
    this.samples = samples;
    this.sampleRate = sampleRate;
    this.nChannels = nChannels;
    this.buffer = null;
  }

  /** Start at `from_s`; throws where the browser cannot play. Call it from a click or a key. */
  async play(from_s, loop, start_s, end_s) {
    this.stop();
    this.context ??= new AudioContext();
    await this.context.resume();
    this.buffer ??= this.#makeBuffer();
    const context = this.context;
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = this.buffer;
    source.connect(gain).connect(this.#volume());
    source.loop = loop;
    source.loopStart = start_s;
    source.loopEnd = end_s;
    const now = context.currentTime;
    const fade_s = 0.005;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + fade_s);
    if (loop) source.start(now, from_s);
    else {
      const length_s = end_s - from_s;
      gain.gain.setValueAtTime(1, Math.max(now + fade_s, now + length_s - fade_s));
      gain.gain.linearRampToValueAtTime(0, now + Math.max(2 * fade_s, length_s));
      source.start(now, from_s, length_s);
    }
    this.running = { source, gain, from_s, loop, start_s, end_s, at: now };
    this.playing = true;
    source.onended = () => {
      if (this.running?.source === source) {
        this.playing = false;
        this.running = null;
        this.onEnd(end_s);
      }
    };
  }

  /** The factor on all samples; a change while playing slides for some milliseconds, so that it does not click. */
  setLevel(level) {
    this.level = level;
    if (this.context) this.#volume().gain.setTargetAtTime(level, this.context.currentTime, 0.01);
  }

  #volume() {
    if (!this.volume) {
      this.volume = this.context.createGain();
      this.volume.gain.value = this.level;
      this.volume.connect(this.context.destination);
    }
    return this.volume;
  }

  position() {
    const r = this.running;
    const late = this.context.outputLatency || 0;
    return playedTo(r.from_s, this.context.currentTime - r.at - late, r.loop, r.start_s, r.end_s);
  }

  stop() {
    if (!this.running) return;
    const { source, gain } = this.running;
    const now = this.context.currentTime;
    this.running = null;
    this.playing = false;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, 0.002);
    source.stop(now + 0.015);
  }

  close() {
    this.stop();
    this.context?.close();
  }

  #makeBuffer() {
    const length = this.samples.length / this.nChannels;
    const buffer = this.context.createBuffer(this.nChannels, length, this.sampleRate);
    for (let c = 0; c < this.nChannels; c++) {
      const channel = buffer.getChannelData(c);
      for (let i = 0; i < length; i++) channel[i] = this.samples[i * this.nChannels + c] / 32768;
    }
    return buffer;
  }
}
