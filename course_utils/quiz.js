// @ts-check
/**
 * The quiz of a lesson: questions, answers as buttons, an explanation under each answer chosen.
 *
 * @typedef {{text: string, right: boolean, why: string}} Answer
 * @typedef {{text: string, answers: Answer[]}} Question
 */

const LETTERS = "abcdefgh";

/**
 * Split text into plain and marked parts: `code`, *stressed*, **strong**.
 * @param {string} text
 * @returns {{tag: string, text: string}[]}
 */
export function parts(text) {
  const found = [];
  for (const piece of text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)/)) {
    if (/^`.+`$/.test(piece)) found.push({ tag: "code", text: piece.slice(1, -1) });
    else if (/^\*\*.+\*\*$/.test(piece)) found.push({ tag: "strong", text: piece.slice(2, -2) });
    else if (/^\*.+\*$/.test(piece)) found.push({ tag: "em", text: piece.slice(1, -1) });
    else if (piece) found.push({ tag: "", text: piece });
  }
  return found;
}

/**
 * What is said under the questions.
 * @param {Question[]} questions
 * @param {number[][]} tried
 */
export function score(questions, tried) {
  const rightOf = (/** @type {number} */ q, /** @type {number} */ a) => questions[q].answers[a].right;
  const solved = tried.filter((list, q) => list.some((a) => rightOf(q, a))).length;
  const atOnce = tried.filter((list, q) => list.length && rightOf(q, list[0])).length;
  if (!tried.some((list) => list.length)) return `${questions.length} questions. Choose an answer to learn why it is right or wrong.`;
  if (solved < questions.length) return `${solved} of ${questions.length} solved, ${atOnce} at the first try.`;
  return `All solved, ${atOnce} of ${questions.length} at the first try.`;
}

/** @param {string} tag @param {string} className @param {Node[]} [children] */
function element(tag, className, children = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** @param {string} text */
function words(text) {
  return parts(text).map(({ tag, text: inner }) => {
    if (!tag) return document.createTextNode(inner);
    const node = document.createElement(tag);
    node.textContent = inner;
    return node;
  });
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  /** @type {Question[]} */
  const questions = model.get("questions");
  const root = element("div", "quiz");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `Quiz of ${model.get("title")}`);
  root.dataset.lmSuppressShortcuts = "true"; // keys belong to the quiz, not to the notebook

  /** @param {number} q @param {number} a */
  function choose(q, a) {
    const tried = model.get("tried").map((/** @type {number[]} */ list) => [...list]);
    if (tried[q].includes(a)) return;
    tried[q].push(a);
    model.set("tried", tried);
    model.save_changes();
    draw();
  }

  const blocks = questions.map((question, q) => {
    const legend = element("div", "quiz-text", [element("span", "quiz-number"), ...words(question.text)]);
    legend.firstElementChild.textContent = `${q + 1}.`;
    const rows = question.answers.map((answer, a) => {
      const mark = element("span", "quiz-mark");
      const button = element("button", "quiz-answer", [mark, element("span", "quiz-words", words(answer.text))]);
      button.setAttribute("type", "button");
      button.dataset.lmSuppressShortcuts = "true";
      button.addEventListener("click", () => choose(q, a));
      const why = element("div", "quiz-why");
      why.setAttribute("role", "status"); // a screen reader reads the explanation when it appears
      const row = element("div", "quiz-row", [button, why]);
      return { answer, row, button, mark, why };
    });
    const block = element("div", "quiz-question", [legend, ...rows.map(({ row }) => row)]);
    block.setAttribute("role", "group");
    block.setAttribute("aria-label", `Question ${q + 1}: ${question.text.replace(/[`*]/g, "")}`);
    block.addEventListener("keydown", (event) => step(event, rows.map(({ button }) => button)));
    return { block, rows };
  });

  const told = element("span", "quiz-score");
  told.setAttribute("role", "status");
  const again = element("button", "quiz-again");
  again.setAttribute("type", "button");
  again.dataset.lmSuppressShortcuts = "true";
  again.textContent = "Start again";
  again.addEventListener("click", () => {
    model.set("tried", questions.map(() => []));
    model.save_changes();
    draw();
    blocks[0]?.rows[0]?.button.focus();
  });

  function draw() {
    /** @type {number[][]} */
    const tried = model.get("tried");
    blocks.forEach(({ block, rows }, q) => {
      block.classList.toggle("quiz-solved", tried[q].some((a) => questions[q].answers[a].right));
      rows.forEach(({ answer, row, button, mark, why }, a) => {
        const chosen = tried[q].includes(a);
        const state = !chosen ? "open" : answer.right ? "right" : "wrong";
        row.dataset.state = state;
        mark.textContent = { open: LETTERS[a], right: "\u2713", wrong: "\u2717" }[state];
        mark.setAttribute("aria-label", { open: `answer ${LETTERS[a]}`, right: "right", wrong: "wrong" }[state]);
        button.setAttribute("aria-pressed", String(chosen));
        if (chosen !== why.hasChildNodes()) why.replaceChildren(...(chosen ? words(answer.why) : []));
      });
    });
    told.textContent = score(questions, tried);
    again.hidden = !tried.some((list) => list.length);
  }

  root.append(...blocks.map(({ block }) => block), element("div", "quiz-foot", [told, again]));
  el.replaceChildren(root);
  model.on("change:tried", draw);
  draw();
}

/** Up and down move between the answers of a question; Enter and Space choose, as on any button.
 * @param {KeyboardEvent} event @param {HTMLElement[]} buttons */
function step(event, buttons) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (!by || at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  buttons[Math.min(Math.max(at + by, 0), buttons.length - 1)].focus();
}

export default { render };
