// @ts-check
/**
 * A sweep that can be watched: a bar, what was measured last, and a button that stops it.
 *
 * Python sends what there is to see in two traits, `state` and `runs`; the button sends
 * {type: "stop"}.
 *
 * @typedef {{phase: "waiting"|"running"|"stopping"|"done"|"stopped"|"failed", share: number,
 *   text: string, details: string}} State
 */

const UNHEARD_MS = 4000; // a click that had no effect for so long did not reach the kernel
const UNHEARD =
  "The kernel has not heard this button. Use the square \u25a0 of the notebook's toolbar: what was measured is kept.";

/**
 * What the button says and whether it can be clicked.
 * @param {string} phase @param {number | null} waitingMs since the click, or null
 */
export function buttonOf(phase, waitingMs) {
  const running = phase === "running" || phase === "stopping";
  const unheard = phase === "running" && waitingMs !== null && waitingMs > UNHEARD_MS;
  const asked = running && (phase === "stopping" || (waitingMs !== null && !unheard));
  return { text: asked ? "Stopping \u2026" : "Stop", disabled: !running || asked, unheard };
}

/** @param {string} tag @param {string} [className] @param {Object<string, string>} [attributes] @param {string} [text] */
function make(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

class SweepView {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.askedAt = null;
    this.aborter = new AbortController();
    this.root = make("div", "training-view sweep-view", { role: "group", "aria-label": "Sweep" });
    this.bar = make("div", "tv-bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Share of the sweep that is done" });
    this.fill = make("div", "tv-fill");
    this.bar.append(this.fill);
    this.stop = /** @type {HTMLButtonElement} */ (make("button", "tv-button tv-stop", { type: "button", title: "End the sweep after the run in flight; what was measured is kept" }, "Stop"));
    this.large = make("button", "tv-button tv-large", { type: "button", title: "Large type for a projector", "aria-label": "Large type for a projector" }, "A\u2191");
    for (const button of [this.stop, this.large]) button.dataset.lmSuppressShortcuts = "true";
    const row = make("div", "tv-row");
    row.append(this.bar, this.stop, this.large);
    this.text = make("div", "tv-text", { role: "status" });
    this.details = make("div", "tv-details");
    this.list = make("ul", "sw-runs", { "aria-label": "The last runs" });
    Object.assign(this.list.style, { margin: "4px 0 0", paddingLeft: "1.4em", fontVariantNumeric: "tabular-nums" });
    this.root.append(row, this.text, this.details, this.list);
    el.replaceChildren(this.root);
    this.#listen();
    this.#theme();
    this.#size();
    this.#tell();
    this.#fillRuns();
  }

  #listen() {
    const { model } = this;
    const { signal } = this.aborter;
    model.on("change:state", () => this.#tell());
    model.on("change:runs", () => this.#fillRuns());
    model.on("change:large_type", () => this.#size());
    this.stop.addEventListener("click", () => {
      this.askedAt = performance.now();
      model.send({ type: "stop" });
      setTimeout(() => this.#tell(), UNHEARD_MS + 100);
      this.#tell();
    });
    this.large.addEventListener("click", () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.#size();
    });
    this.themes = new MutationObserver(() => this.#theme());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  #tell() {
    /** @type {State} */
    const { phase, share, text, details } = this.model.get("state");
    if (phase !== "running" && phase !== "stopping") this.askedAt = null;
    const button = buttonOf(phase, this.askedAt === null ? null : performance.now() - this.askedAt);
    this.root.dataset.phase = phase;
    this.stop.disabled = button.disabled;
    this.stop.textContent = button.text;
    this.fill.style.width = `${(100 * share).toFixed(1)}%`;
    this.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.bar.setAttribute("aria-valuetext", text);
    const said = button.unheard ? UNHEARD : text;
    if (this.text.textContent !== said) this.text.textContent = said; // a screen reader says changes only
    this.details.textContent = details;
  }

  #fillRuns() {
    const items = this.model.get("runs").map(({ name, told }) => make("li", "", {}, `${name}: ${told}`));
    this.list.replaceChildren(...items);
  }

  #theme() {
    const lab = document.body.dataset.jpThemeLight;
    const dark = lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.dataset.theme = dark ? "dark" : "light";
  }

  #size() {
    const large = this.model.get("large_type");
    this.root.classList.toggle("tv-large-type", large);
    this.large.setAttribute("aria-pressed", String(large));
  }

  close() {
    this.aborter.abort();
    this.themes.disconnect();
  }
}

function render({ model, el }) {
  const view = new SweepView(model, el);
  return () => view.close();
}

export default { render };
