// ------------------------------------------------------------------ a page without a kernel
//
// In a notebook ipywidgets stands between the view and Python. In a page there is no Python:
// what stands here gives the view the same things. Models that hold values and tell of changes,
// sliders and menus, preset buttons, and the few answers that the kernel would have given.

/** Values by name; whoever listens hears when one changes. What the view takes for its widget. */
export class PageModel {
  #values;
  #listeners = new Map();

  constructor(values) {
    this.#values = values;
    this.answer = () => {}; // to what the view sends its kernel
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.take(typeof name === "string" ? { [name]: value } : name)();
  }

  /** Take several values; calling what comes back tells of those that changed. */
  take(changes) {
    const changed = Object.keys(changes).filter((key) => !sameValue(this.#values[key], changes[key]));
    Object.assign(this.#values, changes);
    return () => {
      for (const key of changed) this.#tell(`change:${key}`, changes[key]);
      if (changed.length) this.#tell("change");
    };
  }

  on(names, action) {
    for (const name of names.split(" ")) {
      if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
      this.#listeners.get(name).add(action);
    }
  }

  off(names, action) {
    const all = names ? names.split(" ") : [...this.#listeners.keys()];
    for (const name of all) {
      if (action) this.#listeners.get(name)?.delete(action);
      else this.#listeners.delete(name);
    }
  }

  #tell(name, value) {
    for (const action of [...(this.#listeners.get(name) ?? [])]) action(this, value);
  }

  save_changes() {} // nobody else holds a copy

  send(content) {
    this.answer(content);
  }
}

/** Whether two values of a trait are alike: numbers, texts, and short lists of them. */
function sameValue(a, b) {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((value, i) => sameValue(value, b[i]));
}

// ---- bytes that came as text

/** Bytes as a DataView, the way they come from a kernel: inflated, and their planes interleaved. */
async function unpackBytes({ packed, stride }) {
  const deflated = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const bytes = new Uint8Array(planes.length);
  const count = planes.length / stride;
  for (let plane = 0; plane < stride; plane++)
    for (let i = 0; i < count; i++) bytes[i * stride + plane] = planes[plane * count + i];
  return new DataView(bytes.buffer);
}

/** A trait's value with all its bytes unpacked. */
export async function unpackValue(value) {
  if (Array.isArray(value)) return Promise.all(value.map(unpackValue));
  if (value === null || typeof value !== "object") return value;
  if ("packed" in value) return unpackBytes(value);
  const pairs = Object.entries(value).map(async ([key, item]) => [key, await unpackValue(item)]);
  return Object.fromEntries(await Promise.all(pairs));
}

// ---- controls

const pageNode = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

/** A slider over named steps, or a menu of them: a label, the step, and what the step means. */
class PageControl {
  constructor({ name, type, labels, index, width }) {
    this.labels = labels;
    this.model = new PageModel({ index, description: name, _options_labels: labels });
    this.node = pageNode("label", `sp-control sp-${type}`, { "data-name": name });
    if (width) this.node.style.setProperty("--sp-width", width);
    const words = pageNode("span", "sp-name");
    words.textContent = name;
    this.input = type === "menu" ? this.#makeMenu() : this.#makeSlider();
    this.shown = pageNode("span", "sp-value", { "aria-hidden": "true" }); // the input says it itself
    this.node.append(words, this.input);
    if (type !== "menu") this.node.append(this.shown);
    this.input.addEventListener("input", () => this.model.set("index", this.#index));
    this.model.on("change:index", () => this.#show());
    this.#show();
  }

  get #index() {
    return this.input.tagName === "SELECT" ? this.input.selectedIndex : Number(this.input.value);
  }

  #makeSlider() {
    const last = String(this.labels.length - 1);
    return pageNode("input", "sp-input", { type: "range", min: "0", max: last, step: "1" });
  }

  #makeMenu() {
    const menu = pageNode("select", "sp-input");
    for (const label of this.labels) menu.append(new Option(label));
    return menu;
  }

  #show() {
    const index = this.model.get("index");
    if (this.input.tagName === "SELECT") this.input.selectedIndex = index;
    else {
      this.input.value = String(index);
      this.input.setAttribute("aria-valuetext", this.labels[index]);
    }
    this.shown.textContent = this.labels[index];
  }
}

// ---- one explorer

/** Controls over one view, and the answers that its kernel would have given. */
class PageExplorer {
  constructor(place, state) {
    this.place = place;
    this.state = state;
  }

  async start() {
    const { traits, controls, presets } = this.state;
    this.controls = new Map(controls.map((one) => [one.name, new PageControl(one)]));
    const models = new Map(controls.map((one) => [one.model, this.controls.get(one.name).model]));
    this.model = new PageModel({ ...(await unpackValue(traits)), ...(await this.#unpackSounds()) });
    this.model.widget_manager = { get_model: async (id) => models.get(id) ?? models.get(`IPY_MODEL_${id}`) };
    this.model.answer = (wish) => this.#answer(wish);
    this.#build(presets);
  }

  /** The sound as the view plays it, and as the engine computes with it. */
  async #unpackSounds() {
    const { live, heard, samples } = await unpackValue(this.state.sounds);
    if (samples) this.original = { samples: new Float32Array(samples.buffer), fullScale: 1 };
    else this.original = { samples: new Int16Array(heard.buffer), fullScale: 32768 };
    return { sound: heard ?? this.#file(), live_sound: samples ? { ...live, data: samples } : live };
  }

  /** What a 16-bit file keeps of the sound; an explorer of such files has a gain in front of it. */
  #file() {
    const { live } = this.state.traits;
    const step = live.gain === "file" ? this.controls.get("gain_db").model.get("index") : null;
    const gain_db = step === null ? 0 : live.controls.find(({ name }) => name === "gain_db").values[step];
    return new DataView(fileBehind(this.original, 10 ** (gain_db / 20)).buffer);
  }

  #build(presets) {
    const hand = pageNode("div", "sp-hand");
    if (this.controls.size) hand.append(this.#makePanel());
    if (presets.length) hand.append(this.#makeButtons(presets));
    const stage = pageNode("div", "sp-view");
    this.place.append(hand, stage);
    this.place.querySelector(".sp-still").hidden = true;
    this.close = render({ model: this.model, el: stage });
    this.model.on("change:large_type", () => this.#look());
    this.root = stage.querySelector(".sound-view");
    new MutationObserver(() => this.#look()).observe(this.root, { attributeFilter: ["data-theme"] });
    this.#look();
  }

  #makePanel() {
    const panel = pageNode("div", "sp-panel", { role: "group", "aria-label": "Settings" });
    const controls = [...this.controls.values()];
    panel.append(...controls.map(({ node }) => node));
    // as wide as the longest text: a slider must not change its length under the hand
    const texts = controls.filter(({ input }) => input.type === "range").flatMap(({ labels }) => labels);
    panel.style.setProperty("--sp-chars", String(Math.max(...texts.map((text) => text.length))));
    return panel;
  }

  #makeButtons(presets) {
    const row = pageNode("div", "sp-presets", { role: "group", "aria-label": "Presets" });
    for (const { name, tooltip, steps } of presets) {
      const button = pageNode("button", "sp-button", { type: "button", title: tooltip });
      button.textContent = name;
      button.addEventListener("click", () => this.#setSteps(steps));
      row.append(button);
    }
    return row;
  }

  /** The controls wear the view's colours and its type size. */
  #look() {
    this.place.dataset.theme = this.root.dataset.theme;
    this.place.classList.toggle("sp-large", this.model.get("large_type"));
  }

  /** Several controls at once: all move before anybody hears of one. */
  #setSteps(steps) {
    const moves = Object.entries(steps).map(([name, index]) => this.controls.get(name).model.take({ index }));
    moves.forEach((tell) => tell());
  }

  // ---- what the kernel would have answered

  #answer({ type }) {
    if (type === "pin") this.model.set("pinned", this.model.get("pinned").lane ? {} : this.#kept());
    if (type === "rest") this.#store();
  }

  /** What a lane shows now, to be kept beside what it will show. */
  #kept() {
    const id = this.model.get("pin_lane");
    const picture = this.root.soundView.lanes.find((lane) => lane.spec.id === id)?.picture;
    return picture ? { lane: id, picture: { ...picture, data: picture.data.slice() } } : {};
  }

  /** A gain in front of a 16-bit file makes another sound to be played. */
  #store() {
    if (this.state.traits.live.gain !== "file") return;
    this.model.set({ sound: this.#file(), sound_serial: this.model.get("sound_serial") + 1 });
  }
}

/** Bring every explorer of the page to life, one after the other. */
async function startPage() {
  for (const place of document.querySelectorAll(".sp-explorer:not([data-alive])")) {
    place.dataset.alive = "";
    try {
      const state = JSON.parse(place.querySelector(".sp-state").textContent);
      await new PageExplorer(place, state).start();
    } catch (problem) {
      const line = pageNode("p", "sp-say", { role: "alert" });
      line.textContent = `This browser cannot bring the explorer to life (${problem.message}). The picture stands still.`;
      place.prepend(line);
      place.querySelector(".sp-still").hidden = false;
      console.error(problem);
    }
  }
}

if (typeof document !== "undefined") startPage();
