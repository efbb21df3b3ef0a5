// @ts-check
/**
 * Send bytes from the page to the kernel in small pieces; bytes_in.py receives them.
 *
 * A Jupyter server drops a message of more than 10 MB without a word, so nothing large is ever
 * sent in one. The kernel answers every piece, and only a few are on their way at a time.
 * This text stands in front of each module that sends bytes.
 */

const PIECE_BYTES = 256 * 1024;
const PIECES_ON_THE_WAY = 4;
const BUSY_AFTER_MS = 3000;
let lastTransfer = Date.now() % 1e9; // another page of the same widget counts from elsewhere

/**
 * Ask for pieces one after the other until all are there.
 * @param {any} model
 * @param {{
 *   nBytes: number,
 *   about: object,
 *   read: (start: number, end: number) => Promise<ArrayBuffer>,
 *   onShare?: (share: number) => void,
 *   onBusy?: (busy: boolean) => void,
 * }} what
 * @returns {{done: Promise<boolean>, stop: () => void}} done: whether the kernel took the bytes.
 *   It rejects if they cannot be read.
 */
export function sendBytes(model, { nBytes, about, read, onShare, onBusy }) {
  const id = (lastTransfer += 1);
  let sent = 0;
  let there = 0;
  let over = false;
  /** @type {any} */
  let timer;
  /** @type {(taken: boolean) => void} */
  let resolve;
  /** @type {(problem: any) => void} */
  let reject;
  const done = new Promise((yes, no) => { resolve = yes; reject = no; });

  const post = (/** @type {object} */ content, /** @type {ArrayBuffer[]} */ buffers = []) =>
    model.send({ ...content, id }, undefined, buffers);

  function watch() {
    clearTimeout(timer);
    timer = setTimeout(() => onBusy?.(true), BUSY_AFTER_MS);
  }

  /** @param {() => void} answer */
  function finish(answer) {
    if (over) return;
    over = true;
    clearTimeout(timer);
    onBusy?.(false);
    model.off("msg:custom", hear);
    answer();
  }

  let reading = false;
  async function more() {
    if (reading) return;
    reading = true;
    try {
      while (!over && sent < nBytes && sent - there < PIECE_BYTES * PIECES_ON_THE_WAY) {
        const start = sent;
        const piece = await read(start, Math.min(start + PIECE_BYTES, nBytes));
        if (over) return;
        sent = Math.min(start + PIECE_BYTES, nBytes);
        post({ type: "piece", start }, [piece]);
      }
    } catch (problem) {
      post({ type: "stop" });
      finish(() => reject(problem));
    } finally {
      reading = false;
    }
  }

  /** @param {any} answer */
  function hear(answer) {
    if (answer?.id !== id || over) return;
    watch();
    onBusy?.(false);
    if (answer.type === "have") {
      there = answer.n_bytes;
      onShare?.(nBytes ? there / nBytes : 1);
      more();
    } else if (answer.type === "taken" || answer.type === "refused") {
      finish(() => resolve(answer.type === "taken"));
    }
  }

  model.on("msg:custom", hear);
  watch();
  post({ type: "start", n_bytes: nBytes, about });
  return {
    done,
    stop() {
      if (!over) post({ type: "stop" });
      finish(() => resolve(false));
    },
  };
}
