// @ts-check
// Runs in the page: when was a key pressed, when did the hand move, when was a picture on screen.
//
// Both kinds of picture are timed alike: from the event in the page to the first animation frame
// after the picture is in its place. For a widget, its place is its canvas ("soundview:drawn");
// for matplotlib, a decoded <img> in the cell's output.
//
// Nothing here asks for frames while it waits: a page that draws a frame every 16.7 ms anyway would answer
// every key at the same moment of a frame, and all ways would seem to take whole frames.
(() => {
  /** @type {{placed: number, painted: number, key: string, settings: any}[]} */
  const pictures = [];
  const waiting = new Set(); // what looks again when a picture or a step of the slider is new
  let steps = 0;
  let longest = 0;
  let step = NaN;
  let pressed = 0;
  let moved = 0;
  /** @type {HTMLElement | null} */
  let readout = null;

  const wake = () => [...waiting].forEach((look) => look());

  const note = (key, settings) => {
    const placed = performance.now();
    requestAnimationFrame(() => {
      pictures.push({ placed, painted: performance.now(), key, settings });
      wake();
    });
  };

  /** The number at the start of the slider's text: "512 · 32 ms" is 512, "−6 dB" is -6. */
  const shown = () => parseFloat((readout?.textContent ?? "").trim().replace("\u2212", "-"));

  const noteStep = () => {
    if (shown() !== step) steps += 1;
    step = shown();
    wake();
  };

  document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
  document.addEventListener("pointermove", () => { moved = performance.now(); }, true);

  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
  }).observe({ type: "longtask" });

  window.probe = {
    /** Watch the canvas pictures of one lane. */
    watchView(lane) {
      document.addEventListener("soundview:drawn", (event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        if (lane && detail.lane !== lane) return;
        note(JSON.stringify(detail.settings), detail.settings);
      });
    },
    /** Watch the <img> elements of the output below a slider. */
    watchImages() {
      const found = async (node) => {
        await node.decode();
        note(node.src, null);
      };
      new MutationObserver((changes) => {
        for (const change of changes)
          for (const node of change.addedNodes)
            if (node instanceof Element)
              for (const img of node.matches("img") ? [node] : node.querySelectorAll("img"))
                found(img);
      }).observe(document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"),
        { childList: true, subtree: true });
    },
    /** The slider whose value names the right picture. */
    follow(element) {
      readout = element;
      step = shown();
      new MutationObserver(noteStep)
        .observe(element, { childList: true, characterData: true, subtree: true });
    },
    shown,
    reset() { pictures.length = 0; steps = longest = 0; },
    count: () => pictures.length,
    /** Milliseconds from the last key press to the picture with the slider's value: in its place, on screen. */
    keyLatency(setting, timeout) {
      return new Promise((resolve) => {
        const end = (found) => {
          clearTimeout(alarm);
          waiting.delete(look);
          resolve(found);
        };
        const isRight = ({ painted, settings }) =>
          painted > pressed && (settings === null || Number(settings[setting]) === shown());
        const look = () => {
          const right = pressed && pictures.find(isRight);
          if (right) end([right.placed - pressed, right.painted - pressed]);
        };
        const alarm = setTimeout(() => end(null), timeout);
        waiting.add(look);
        look();
      });
    },
    /** Is the picture on screen another one than that of the slider's value? */
    isWrong(setting) {
      const settings = pictures.at(-1)?.settings;
      return settings ? Number(settings[setting]) !== shown() : false;
    },
    quietFor: () => performance.now() - (pictures.at(-1)?.painted ?? moved),
    drag() {
      const changes = pictures.filter((p, i) => p.key !== pictures[i - 1]?.key);
      return {
        pictures: changes.length,
        steps,
        final_ms: (changes.at(-1)?.painted ?? NaN) - moved, // the first one that was right
        truth_ms: (pictures.at(-1)?.painted ?? NaN) - moved, // the last one: the same, by PyTorch
        task_ms: longest,
      };
    },
  };
})();
