// @ts-check
/**
 * A confusion matrix under the hand: rows were said, columns were heard. A cell lists its clips,
 * and the SoundView beneath plays the one that is chosen.
 *
 * Python fills `clips`, `headline` and the view when `cell` or `chosen` change.
 */

const PLAY_WITHIN_MS = 4000; // a clip that arrives later than this is not played by itself

/**
 * Where an arrow key leads in a grid.
 * @param {string} key @param {number} row @param {number} column @param {number} n
 */
export function move(key, row, column, n) {
  const clamp = (/** @type {number} */ i) => Math.min(n - 1, Math.max(0, i));
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key in steps) return [clamp(row + steps[key][0]), clamp(column + steps[key][1])];
  if (key === "Home") return [row, 0];
  if (key === "End") return [row, n - 1];
  return null;
}

/** A share as text: whole per cent, but never "0 %" for some or "100 %" for not all. */
export function percent(count, total) {
  if (!total) return "\u2013";
  const value = Math.round((100 * count) / total);
  if (count && !value) return "<1 %";
  if (count < total && value === 100) return ">99 %";
  return `${value} %`;
}

/** @param {string} tag @param {string} [className] @param {Object<string, string>} [attributes] @param {string} [text] */
function make(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

class ConfusionGrid {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.aborter = new AbortController();
    this.wantedAt = -Infinity;
    this.root = make("div", "confusion", { role: "group", "aria-label": "Confusion matrix" });
    this.headline = make("div", "cf-headline", { role: "status" });
    this.#buildGrid();
    this.#buildList();
    this.root.append(this.tools, this.scroll, this.headline, this.list);
    el.replaceChildren(this.root);
    this.#listen();
    this.#theme();
    this.#large();
    this.#select();
    this.#listClips();
  }

  #buildGrid() {
    const names = this.model.get("label_names");
    const counts = this.model.get("counts");
    const table = make("table", "cf-grid", { role: "grid", "aria-label": "Rows: the word that was said. Columns: the word that was heard." });
    const head = make("tr", "", { role: "row" });
    head.append(make("th", "cf-corner", {}, "said \u2193 heard \u2192"));
    for (const name of names) head.append(make("th", "cf-column", { scope: "col", role: "columnheader" }, name));
    head.append(make("th", "cf-total", { scope: "col", role: "columnheader" }, "right"));
    table.append(head);
    this.cells = counts.map((row, r) => {
      const total = row.reduce((a, b) => a + b, 0);
      const line = make("tr", "", { role: "row" });
      line.append(make("th", "cf-row", { scope: "row", role: "rowheader" }, names[r]));
      const cells = row.map((count, c) => {
        const share = percent(count, total);
        const cell = make("td", "cf-cell", {
          role: "gridcell",
          tabindex: "-1",
          "aria-label": `said ${names[r]}, heard ${names[c]}: ${count} of ${total} clips, ${share}`,
          "data-row": String(r),
          "data-column": String(c),
          "data-kind": !count ? "none" : r === c ? "right" : "wrong",
          "data-lm-suppress-shortcuts": "true",
        });
        // how strong the colour is: some of it even for one clip among many
        cell.style.setProperty("--share", count ? String(0.18 + (0.82 * count) / total) : "0");
        cell.dataset.strength = count / total > 0.78 ? "high" : count / total > 0.57 ? "middle" : "low";
        cell.append(make("b", "", {}, count ? String(count) : "\u00b7"));
        if (count) cell.append(make("span", "", {}, share));
        line.append(cell);
        return cell;
      });
      line.append(make("td", "cf-total", { role: "gridcell" }, percent(row[r], total)));
      table.append(line);
      return cells;
    });
    this.scroll = make("div", "cf-scroll");
    this.scroll.append(table);
    this.table = table;
  }

  #buildList() {
    this.tools = make("div", "cf-tools");
    this.large = make("button", "cf-button", { type: "button", title: "Large type for a projector", "aria-label": "Large type for a projector" }, "A\u2191");
    this.large.dataset.lmSuppressShortcuts = "true";
    this.tools.append(make("span", "cf-hint", {}, this.model.get("summary")), this.large);
    this.list = make("div", "cf-list", { role: "group", "aria-label": "Clips of this cell" });
  }

  #listen() {
    const { model, table } = this;
    const { signal } = this.aborter;
    model.on("change:cell", () => this.#select());
    model.on("change:clips", () => this.#listClips());
    model.on("change:chosen", () => this.#mark());
    model.on("change:headline", () => this.#listClips());
    model.on("change:large_type", () => this.#large());
    table.addEventListener("click", (event) => this.#choose(event.target.closest(".cf-cell")));
    table.addEventListener("keydown", (event) => this.#key(event));
    this.large.addEventListener("click", () => {
      model.set("large_type", !model.get("large_type"));
      model.save_changes();
      this.#large();
    });
    // the clip that a click asked for has arrived: play it, as the click wanted
    document.addEventListener("soundview:drawn", (event) => this.#arrived(event), { signal });
    this.themes = new MutationObserver(() => this.#theme());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#theme(), { signal });
  }

  #key(event) {
    const cell = event.target.closest(".cf-cell");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const next = move(event.key, row, column, this.cells.length);
    if (next) this.#focus(...next);
    else if (event.key === "Enter" || event.key === " ") this.#choose(cell);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(row, column) {
    for (const line of this.cells) for (const cell of line) cell.tabIndex = -1;
    this.cells[row][column].tabIndex = 0;
    this.cells[row][column].focus();
  }

  #choose(cell) {
    if (!cell) return;
    const at = [Number(cell.dataset.row), Number(cell.dataset.column)];
    this.#focus(...at);
    if (cell.dataset.kind === "none") return;
    this.#want();
    if (String(this.model.get("cell")) === String(at)) return this.#play(); // it is here already
    this.model.set("cell", at);
    this.model.save_changes();
    this.#select();
  }

  #chooseClip(number) {
    this.#want();
    if (this.model.get("chosen") === number) return this.#play();
    this.model.set("chosen", number);
    this.model.save_changes();
    this.#mark();
  }

  /** The SoundView that stands in the same output. */
  #view() {
    const output = this.root.closest(".jp-OutputArea-output") ?? document.body;
    return output.querySelector(".sound-view");
  }

  #want() {
    this.wantedAt = performance.now();
  }

  #arrived(event) {
    if (event.target !== this.#view() || event.detail.lane !== "picture") return;
    if (performance.now() - this.wantedAt < PLAY_WITHIN_MS) this.#play();
  }

  #play() {
    this.wantedAt = -Infinity;
    const view = this.#view()?.soundView;
    if (!view) return;
    view.seekTo(0);
    if (!view.player.playing) view.toggle();
  }

  /** Mark the cell that is listed; it is also where Tab arrives. */
  #select() {
    const [row, column] = this.model.get("cell");
    this.cells.forEach((line, r) =>
      line.forEach((cell, c) => {
        const here = r === row && c === column;
        cell.setAttribute("aria-selected", String(here));
        cell.tabIndex = here ? 0 : -1;
      }),
    );
  }

  #listClips() {
    this.headline.textContent = this.model.get("headline");
    const buttons = this.model.get("clips").map((text, number) => {
      const button = make("button", "cf-clip", { type: "button" }, text);
      button.dataset.lmSuppressShortcuts = "true";
      button.addEventListener("click", () => this.#chooseClip(number));
      return button;
    });
    const around = [["previous", "\u25c0", -1], ["next", "\u25b6", 1]].map(([name, sign, by]) => {
      const button = make("button", `cf-button cf-${name}`, { type: "button", title: `${name} clip`, "aria-label": `${name} clip` }, String(sign));
      button.dataset.lmSuppressShortcuts = "true";
      button.disabled = buttons.length < 2;
      button.addEventListener("click", () => this.#chooseClip((this.model.get("chosen") + Number(by) + buttons.length) % buttons.length));
      return button;
    });
    this.clips = buttons;
    this.list.replaceChildren(...around, ...buttons);
    this.#mark();
  }

  #mark() {
    const chosen = this.model.get("chosen");
    this.clips.forEach((button, number) => button.setAttribute("aria-pressed", String(number === chosen)));
  }

  #theme() {
    const lab = document.body.dataset.jpThemeLight;
    const dark = lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.dataset.theme = dark ? "dark" : "light";
  }

  #large() {
    const large = this.model.get("large_type");
    this.root.classList.toggle("cf-large-type", large);
    this.large.setAttribute("aria-pressed", String(large));
  }

  close() {
    this.aborter.abort();
    this.themes.disconnect();
  }
}

function render({ model, el }) {
  const grid = new ConfusionGrid(model, el);
  return () => grid.close();
}

export default { render };
