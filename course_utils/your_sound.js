// @ts-check
/**
 * Choose a sound: from the course's folder, from what was uploaded before, or upload one.
 *
 * The size is said before and checked here, so nothing too large is ever sent.
 * `sendBytes` comes from bytes_in.js, which stands above in the same module.
 */

/** @typedef {{id: string, folder: string, name: string, n_bytes: number}} Sound */

/** @param {number} nBytes */
export function sizeText(nBytes) {
  if (nBytes < 1e3) return `${nBytes} bytes`;
  if (nBytes < 1e6) return `${(nBytes / 1e3).toFixed(0)} kB`;
  return `${(nBytes / 1e6).toFixed(1).replace(/\.0$/, "")} MB`;
}

/**
 * Why a file cannot be sent, or an empty string.
 * @param {{name: string, size: number}} file
 * @param {number} mostBytes
 */
export function whyNot(file, mostBytes) {
  const name = `\u00ab${file.name.slice(0, 60)}\u00bb`;
  if (file.size > mostBytes) {
    const size = sizeText(file.size);
    const over = size === sizeText(mostBytes) ? `a little more than ${size}` : size;
    return `${name} has ${over}, and at most ${sizeText(mostBytes)} can be read. Cut out the part that you need, or save it as FLAC or MP3.`;
  }
  if (file.size === 0) return `${name} is empty (0 bytes). Save or record it again.`;
  return "";
}

/**
 * The sounds of each folder, in the order in which they came.
 * @param {Sound[]} sounds
 */
export function byFolder(sounds) {
  /** @type {Map<string, Sound[]>} */
  const folders = new Map();
  for (const sound of sounds) folders.set(sound.folder, [...(folders.get(sound.folder) ?? []), sound]);
  return folders;
}

/** @param {string} tag @param {string} className @param {(Node | string)[]} [children] */
function part(tag, className, children = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  made.dataset.lmSuppressShortcuts = "true"; // keys belong to the widget, not to the notebook
  return made;
}

/** @param {string} name @param {string} text @param {() => void} onClick */
function pushButton(name, text, onClick) {
  const button = /** @type {HTMLButtonElement} */ (part("button", `snd-button snd-${name}`, [text]));
  button.type = "button";
  button.addEventListener("click", onClick);
  return button;
}

/** @param {{model: any, el: HTMLElement}} view */
function render({ model, el }) {
  /** @type {{stop: () => void} | null} */
  let transfer = null;
  let problem = ""; // of the page; that of the kernel is model.get("error")
  let told = "";

  const list = /** @type {HTMLSelectElement} */ (part("select", "snd-list"));
  list.setAttribute("aria-label", "Sounds to choose from");
  list.addEventListener("change", () => {
    clear();
    model.set("chosen", list.value);
    model.save_changes();
  });
  const again = pushButton("again", "Look again", () => { clear(); model.send({ type: "look" }); });
  again.title = "Read the folders again, for instance after you dragged a file into uploads/";

  const input = /** @type {HTMLInputElement} */ (part("input", ""));
  input.type = "file";
  input.accept = model.get("kinds");
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) upload(file);
    input.value = ""; // so that the same file can be chosen again
  });
  const choose = pushButton("upload", "Upload a sound \u2026", () => input.click());
  const cancel = pushButton("cancel", "Stop", () => transfer?.stop());
  const bar = /** @type {HTMLProgressElement} */ (part("progress", "snd-bar"));
  bar.max = 1;
  bar.setAttribute("aria-label", "how much has been uploaded");
  const limit = part("span", "snd-limit");
  const drop = part("div", "snd-drop snd-row", [choose, input, bar, cancel, limit]);
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => hover(event, true));
  drop.addEventListener("dragleave", (event) => hover(event, false));
  drop.addEventListener("drop", (event) => {
    hover(event, false);
    const file = /** @type {DragEvent} */ (event).dataTransfer?.files?.[0];
    if (file) upload(file);
  });

  const status = part("div", "snd-status");
  status.setAttribute("role", "status");
  const alertLine = part("div", "snd-problem");
  alertLine.setAttribute("role", "alert");
  const root = part("div", "snd snd-picker", [part("div", "snd-row", [list, again]), drop, status, alertLine]);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Choose a sound");

  /** @param {Event} event @param {boolean} isOver */
  function hover(event, isOver) {
    event.preventDefault();
    event.stopPropagation();
    drop.dataset.over = String(isOver);
  }

  function clear() {
    problem = "";
    told = "";
  }

  /** @param {File} file */
  async function upload(file) {
    if (transfer) return;
    clear();
    problem = whyNot(file, model.get("most_bytes"));
    if (problem) return draw();
    told = `\u00ab${file.name}\u00bb is on its way: ${sizeText(file.size)}.`;
    bar.value = 0;
    const sending = sendBytes(model, {
      nBytes: file.size,
      about: { name: file.name },
      read: (start, end) => file.slice(start, end).arrayBuffer(),
      onShare: (share) => {
        bar.value = share;
        if (share === 1) told = `\u00ab${file.name}\u00bb is there and is being read.`;
        draw();
      },
      onBusy: (busy) => {
        if (busy) told = "Python is busy: it goes on when the running cell is done.";
        draw();
      },
    });
    transfer = sending;
    draw();
    try {
      await sending.done;
    } catch {
      problem = `\u00ab${file.name}\u00bb can no longer be read: was it moved or changed? Choose it again.`;
    }
    transfer = null;
    told = "";
    draw();
  }

  function draw() {
    root.classList.toggle("snd-large", model.get("large_type"));
    choose.disabled = Boolean(transfer);
    list.disabled = Boolean(transfer);
    again.disabled = Boolean(transfer);
    bar.hidden = !transfer;
    cancel.hidden = !transfer;
    limit.textContent = `or drop it here. At most ${sizeText(model.get("most_bytes"))} and ${model.get("most_minutes")} minutes; WAV, FLAC, OGG, MP3, AIFF.`;
    status.textContent = told || model.get("said");
    alertLine.textContent = transfer ? "" : problem || model.get("error");
  }

  function fill() {
    /** @type {Sound[]} */
    const sounds = model.get("sounds");
    const groups = [...byFolder(sounds)].map(([folder, those]) => {
      const group = /** @type {HTMLOptGroupElement} */ (document.createElement("optgroup"));
      group.label = folder;
      group.append(...those.map(({ id, name, n_bytes: size }) => new Option(`${name} (${sizeText(size)})`, id)));
      return group;
    });
    list.replaceChildren(...groups);
    const nothing = new Option(sounds.length ? "(nothing is chosen)" : "(there are no sounds)", "");
    nothing.disabled = true;
    list.prepend(nothing);
    list.value = model.get("chosen");
    if (list.selectedIndex < 0) list.value = "";
  }

  const events = { sounds: fill, chosen: fill, said: draw, error: draw, large_type: draw };
  for (const [name, then] of Object.entries(events)) model.on(`change:${name}`, then);
  el.replaceChildren(root);
  fill();
  draw();
  return () => {
    for (const [name, then] of Object.entries(events)) model.off(`change:${name}`, then);
    transfer?.stop();
  };
}

export default { render };
