// What lives in a page besides the explorers: a quiz, and boxes that the keyboard can scroll.
// In front of this stands quiz.js as ``quizWidget``.

/** The few things that a quiz asks of its model. */
class QuizModel {
  #values;
  #listeners = [];

  constructor({ title, questions }) {
    this.#values = { title, questions, tried: questions.map(() => []) };
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.#values[name] = value;
    for (const [event, action] of this.#listeners) if (event === `change:${name}`) action();
  }

  on(event, action) {
    this.#listeners.push([event, action]);
  }

  save_changes() {} // nobody else holds a copy
}

for (const place of document.querySelectorAll(".quiz-place")) {
  const state = JSON.parse(place.querySelector("script").textContent);
  quizWidget.render({ model: new QuizModel(state), el: place });
}

// what is wider than its box is scrolled by the keyboard, too: it must be able to have the focus
const reachable = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const wider = target.scrollWidth > target.clientWidth + 1;
    for (const [name, value] of [["tabindex", "0"], ["role", "group"], ["aria-label", target.dataset.label ?? "scrolls"]])
      wider ? target.setAttribute(name, value) : target.removeAttribute(name);
  }
});
for (const box of document.querySelectorAll(".code-box, .printed, .table, .formula, .cell pre code")) reachable.observe(box);
