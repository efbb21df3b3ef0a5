// A deck of slides: one is shown, its steps appear one by one, its type follows the screen.
// No transform scales a slide: sliders and pictures must find the pointer where it is.
(() => {
  const WIDTH = 1280;
  const HEIGHT = 720;
  const TYPE = 22; // px on a screen of that size
  const LARGE_FROM = 1.3; // times that screen
  const SMALLEST = 0.6; // of the usual type; what is taller then scrolls
  const slides = [...document.querySelectorAll(".slide")];
  const buttons = Object.fromEntries([...document.querySelectorAll("[data-do]")].map((one) => [one.dataset.do, one]));
  const [contents, help] = document.querySelectorAll("dialog");
  let at = 0;
  let shown = 0; // steps of this slide

  const steps = (slide) => [...slide.querySelectorAll(".step")];

  // ---- size

  /** The largest type, up to the usual, with which a slide needs no scrolling. */
  function fit(slide) {
    const usual = TYPE * Math.min(innerWidth / WIDTH, innerHeight / HEIGHT);
    const narrow = innerWidth < 700 ? 1.9 : 1; // a phone: read and scroll
    document.documentElement.style.fontSize = `${usual * narrow}px`;
    let size = 1;
    do {
      slide.style.fontSize = `${size}rem`;
      if (narrow > 1 || slide.scrollHeight <= slide.clientHeight + 1) break;
      size = Math.round((size - 0.05) * 100) / 100;
    } while (size >= SMALLEST);
    slide.dataset.fit = String(Math.max(size, SMALLEST));
    enlarge(slide, usual / TYPE);
  }

  /** On a large screen the explorers begin in their large type; whoever turns it off keeps it so. */
  function enlarge(slide, scale) {
    if (scale < LARGE_FROM) return;
    for (const view of slide.querySelectorAll(".sound-view:not([data-sized])")) {
      view.dataset.sized = "";
      if (!view.classList.contains("sv-large")) view.querySelector('button[aria-label^="Large type"]')?.click();
    }
  }

  // ---- where we are

  function show(index, everything = false) {
    at = Math.min(Math.max(index, 0), slides.length - 1);
    const slide = slides[at];
    slides.forEach((one) => one.classList.toggle("now", one === slide));
    shown = everything ? steps(slide).length : 0;
    reveal();
    fit(slide);
    slide.scrollTop = 0;
    document.querySelector(".number").textContent = `${at + 1} / ${slides.length}`;
    document.querySelector(".progress div").style.width = `${(100 * (at + 1)) / slides.length}%`;
    history.replaceState(null, "", `#${at + 1}`);
    for (const audio of document.querySelectorAll("audio")) if (!slide.contains(audio)) audio.pause();
    for (const view of document.querySelectorAll(".sound-view"))
      if (!slide.contains(view) && view.soundView?.state().playing) view.querySelector("button")?.click();
  }

  function reveal() {
    steps(slides[at]).forEach((step, i) => step.classList.toggle("shown", i < shown));
  }

  function on() {
    if (shown < steps(slides[at]).length) {
      shown += 1;
      reveal();
      const step = steps(slides[at])[shown - 1];
      if (slides[at].scrollHeight > slides[at].clientHeight) step.scrollIntoView({ block: "nearest" });
    } else if (at < slides.length - 1) show(at + 1);
  }

  function back() {
    if (shown > 0 && steps(slides[at]).length) {
      shown -= 1;
      reveal();
    } else if (at > 0) show(at - 1, true);
  }

  // ---- buttons and keys

  const press = (button, className) => {
    const is = document.body.classList.toggle(className);
    button.setAttribute("aria-pressed", String(is));
    fit(slides[at]);
  };
  const actions = {
    on,
    back,
    contents: () => contents.showModal(),
    help: () => help.showModal(),
    code: () => press(buttons.code, "show-code"),
    notes: () => press(buttons.notes, "show-notes"),
    first: () => show(0),
    last: () => show(slides.length - 1, true),
    theme: () => document.querySelector("[data-theme-button]").click(),
    screen: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  };
  for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", actions[name]);

  const keys = {
    ArrowRight: "on", ArrowDown: "on", PageDown: "on", " ": "on",
    ArrowLeft: "back", ArrowUp: "back", PageUp: "back",
    Home: "first", End: "last", o: "contents", c: "code", n: "notes", t: "theme", f: "screen", "?": "help",
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const own = event.target.closest?.(".sp-explorer, .sound-view, .quiz, input, select, button, [tabindex='0'], summary");
    if (own && event.key === "Escape") document.activeElement.blur();
    if (own && !event.key.startsWith("Page")) return; // a slider keeps its arrows
    const action = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    actions[action]();
  });
  // a click on a button of the bar must not take the keys away from the slides
  document.querySelector(".bar").addEventListener("click", (event) => event.detail && document.activeElement.blur());

  const list = contents.querySelector("ol");
  slides.forEach((slide, i) => {
    if (i && slide.dataset.title === slides[i - 1].dataset.title) return; // it goes on
    const link = document.createElement("a");
    link.href = `#${i + 1}`;
    link.textContent = slide.dataset.title;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      contents.close();
      show(i);
    });
    const item = document.createElement("li");
    item.className = slide.classList.contains("sub") ? "sub" : "";
    item.value = i + 1;
    item.append(link);
    list.append(item);
  });

  addEventListener("resize", () => fit(slides[at]));
  addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
  // an explorer that comes to life, or a picture that arrives, changes the height
  const heights = new ResizeObserver(() => requestAnimationFrame(() => fit(slides[at])));
  for (const slide of slides) heights.observe(slide.firstElementChild);
  addEventListener("load", () => fit(slides[at]));
  show(Number(location.hash.slice(1)) - 1 || 0);
})();
