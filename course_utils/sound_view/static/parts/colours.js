// ------------------------------------------------------------------ colours

// 33 samples of the colormap «magma» (S. van der Walt and N. Smith, CC0), straight lines between
const MAGMA =
  "000004 030312 0a0822 130d34 1d1147 29115a 36106b 440f76 51127c 5d177f 6a1c81 762181 832681 902a81 9c2e7f aa337d b73779 c43c75 d0416f dc4869 e75263 ef5d5e f56b5c f9795d fc8961 fd9869 fea772 feb67c fec488 fed395 fde2a3 fcf0b2 fcfdbf";

/** 256 colours as ABGR integers, ready for a little-endian ImageData. */
export function makeColours(anchors = MAGMA) {
  const points = anchors.split(" ").map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const colours = new Uint32Array(256);
  for (let v = 0; v < 256; v++) {
    const x = (v / 255) * (points.length - 1);
    const i = Math.min(points.length - 2, Math.floor(x));
    const [r, g, b] = points[i].map((p, k) => Math.round(p + (x - i) * (points[i + 1][k] - p)));
    colours[v] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return colours;
}

// and of «RdBu_r» (C. Brewer, Apache-2.0): its white is the middle
const RED_BLUE =
  "053061 0e4179 175290 1f63a8 2a71b2 3480b9 3f8ec0 529dc8 6bacd1 84bcd9 9bc9e0 aed3e6 c2ddec d4e6f1 e0ecf3 ecf2f5 f7f6f6 f9eee7 fbe5d8 fddcc9 fbccb4 f8bb9e f5aa89 ee9677 e48066 db6b55 d05548 c53e3d ba2832 ab162a 930e26 7c0722 67001f";

/** Colours by what a picture shows: a level, or numbers on both sides of a middle. */
const COLOURS = { level: makeColours(), signed: makeColours(RED_BLUE) };
const coloursOf = (picture) => COLOURS[picture.colours] ?? COLOURS.level;
