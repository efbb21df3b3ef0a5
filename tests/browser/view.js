// What a test asks a SoundView in the page: window.lookAt(root) gives these answers.
window.lookAt ??= (root) => {
  const view = root.soundView;
  const lane = (id) => view.lanes.find((one) => one.spec.id === id);
  const pixels = (canvas) => {
    const { width, height } = canvas;
    return { width, height, data: canvas.getContext("2d").getImageData(0, 0, width, height).data };
  };
  /** The part of a lane's canvas that holds data, in canvas pixels: [left, right, top, bottom]. */
  const plot = (one) => {
    const { left, right, width, ratio } = view.size;
    const inset = 3; // the border is not data
    const bottom = Math.round(one.height * ratio) - inset;
    return [Math.round(left * ratio) + inset, Math.round((width - right) * ratio) - inset, inset, bottom];
  };
  const rgba = (colour) => {
    const c = new OffscreenCanvas(1, 1).getContext("2d");
    c.fillStyle = colour;
    c.fillRect(0, 0, 1, 1);
    return [...c.getImageData(0, 0, 1, 1).data];
  };
  const same = (data, i, [r, g, b, a], tolerance) =>
    Math.abs(data[i] - r) <= tolerance && Math.abs(data[i + 1] - g) <= tolerance &&
    Math.abs(data[i + 2] - b) <= tolerance && Math.abs(data[i + 3] - a) <= tolerance;

  return {
    state: () => view.state(),
    /** A number that changes when the data pixels of a lane change. */
    fingerprint(id) {
      const one = lane(id);
      const { width, data } = pixels(one.base);
      const [x0, x1, y0, y1] = plot(one);
      let hash = 2166136261;
      for (let y = y0; y < y1; y++)
        for (let x = x0; x < x1; x++)
          for (let k = 0; k < 3; k++)
            hash = Math.imul(hash ^ data[4 * (y * width + x) + k], 16777619) >>> 0;
      return hash;
    },
    /** Columns (CSS pixels) of an overlay whose middle row has the playhead's colour. */
    playheadColumns(id) {
      const one = lane(id);
      const { width, height, data } = pixels(one.overlay);
      const colour = rgba(view.colours.accent);
      const row = Math.floor(height * 0.9);
      const found = [];
      for (let x = 0; x < width; x++)
        if (same(data, 4 * (row * width + x), colour, 40)) found.push(x / view.size.ratio);
      return found;
    },
    /** Playhead and its columns in every lane over time, read in the same moment. */
    playheads() {
      const overTime = view.lanes.filter((one) => one.spec.kind !== "chart");
      const lanes = Object.fromEntries(
        overTime.map((one) => [one.spec.id, this.playheadColumns(one.spec.id)]),
      );
      return { time_s: view.playhead_s, x: view.xOf(view.playhead_s), lanes };
    },
    /** The cells of a lane's picture as they came, row 0 at the bottom. */
    cells(id) {
      const { data, n_rows, n_columns, value_min, value_max, settings, engine } = lane(id).picture;
      return { data: [...data], n_rows, n_columns, value_min, value_max, settings, engine };
    },
    /** RGBA of a lane's base canvas at CSS pixel (x, y), or of its overlay. */
    pixel(id, x, y, layer = "base") {
      const { ratio } = view.size;
      const c = lane(id)[layer].getContext("2d");
      return [...c.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data];
    },
    /** How many pixels of each column of a waveform have the wave's colour. */
    waveHeights(id) {
      const one = lane(id);
      const { width, data } = pixels(one.base);
      const colour = rgba(view.colours.wave);
      const [x0, x1, y0, y1] = plot(one);
      const heights = [];
      for (let x = x0; x < x1; x++) {
        let count = 0;
        for (let y = y0; y < y1; y++) if (same(data, 4 * (y * width + x), colour, 8)) count += 1;
        heights.push(count);
      }
      return heights;
    },
    /** Smallest box (CSS pixels) around the overlay pixels of a colour, or null. */
    overlayBox(id, colour, tolerance = 12) {
      const one = lane(id);
      const { width, height, data } = pixels(one.overlay);
      const wanted = rgba(colour);
      let box = null;
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          if (same(data, 4 * (y * width + x), wanted, tolerance)) {
            box ??= [x, x, y, y];
            box = [Math.min(box[0], x), Math.max(box[1], x), Math.min(box[2], y), Math.max(box[3], y)];
          }
      return box && box.map((v) => v / view.size.ratio);
    },
    colour: (name) => view.colours[name],
    geometry(id) {
      const { left, right, width } = view.size;
      const { min, max, scale } = lane(id).picture?.y ?? {};
      return { left, right, width, height: lane(id).height, visible: view.visible, min, max, scale };
    },
    xOf: (time_s) => view.xOf(time_s),
  };
};
