// Search over all pages, the contents that follow the reader, and boxes that the keyboard can scroll.

// ---- search: every word must be there, and one in a heading counts more
(() => {
  const input = document.getElementById("search");
  const found = document.getElementById("found");
  const sections = window.SEARCH_INDEX ?? [];
  const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
  for (const section of sections) {
    section.heading = plain(section.title);
    section.words = plain(`${section.title} ${section.text}`);
  }

  function search(query) {
    const words = plain(query).split(/\s+/).filter(Boolean);
    const scored = sections
      .filter((section) => words.every((word) => section.words.includes(word)))
      .map((section) => ({ section, score: score(section, words) }))
      .sort((a, b) => b.score - a.score);
    return { words, hits: scored.slice(0, 12).map(({ section }) => section), total: scored.length };
  }

  function score(section, words) {
    const count = (word) => Math.min(section.words.split(word).length - 1, 8);
    return words.reduce((sum, word) => sum + count(word) + (section.heading.includes(word) ? 20 : 0), 0);
  }

  /** The text around the first of the words. */
  function excerpt(section, words) {
    const first = Math.max(0, plain(section.text).indexOf(words[0]) - 40);
    const at = first && section.text.indexOf(" ", first) + 1; // not in the middle of a word
    const piece = section.text.slice(at, at + 130);
    return `${at ? "… " : ""}${piece}${at + 130 < section.text.length ? " …" : ""}`;
  }

  function marked(text, words) {
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const line = document.createElement("small");
    for (const piece of text.split(new RegExp(`(${escaped.join("|")})`, "i"))) {
      const hit = words.includes(plain(piece));
      const node = document.createElement(hit ? "mark" : "span");
      node.textContent = piece;
      line.append(node);
    }
    return line;
  }

  function show() {
    found.replaceChildren();
    found.hidden = input.value.trim().length < 2;
    if (found.hidden) return;
    const { words, hits, total } = search(input.value);
    const told = document.createElement("p");
    told.textContent = total ? `${total} place${total === 1 ? "" : "s"}` : "Nothing has all these words.";
    const list = document.createElement("ul");
    for (const section of hits) {
      const link = document.createElement("a");
      link.href = section.to;
      const title = document.createElement("strong");
      const where = /^\d\d /.test(section.page) ? section.page.slice(0, 2) : section.page;
      title.textContent = section.title === section.page ? section.page : `${where} › ${section.title}`;
      link.append(title, marked(excerpt(section, words), words));
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    found.append(told, list);
  }

  const step = (by) => {
    const links = [...found.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement) + by;
    if (at < 0) input.focus();
    else links[Math.min(at, links.length - 1)]?.focus();
  };

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.parentElement.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      found.hidden = true;
      input.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && event.target === input) found.querySelector("a")?.click();
  });
  found.addEventListener("click", (event) => event.target.closest("a") && (found.hidden = true));
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".search")) found.hidden = true;
  });
})();

// ---- on a phone the lists are folded
for (const list of document.querySelectorAll("[data-folds]")) {
  const narrow = matchMedia("(max-width: 900px)");
  const fold = () => (list.open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
}

// ---- where the reader is
(() => {
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const headings = [...links.keys()].map((id) => document.getElementById(decodeURIComponent(id)));
  const mark = () => {
    const passed = headings.filter((heading) => heading && heading.getBoundingClientRect().top < 120);
    const here = passed.at(-1) ?? headings[0];
    for (const [id, link] of links) link.classList.toggle("here", id === here?.id);
  };
  addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
  mark();
})();
