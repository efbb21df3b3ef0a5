/** Lines over an axis of their own (a filterbank over frequency, a histogram over level). */
class Chart extends Lane {
  /** Where a value lies on the horizontal axis, in pixels. */
  #x(value) {
    const { left, right, width } = this.view.size;
    return left + axisPlace(this.picture.x, value) * (width - left - right);
  }

  valueAt(x) {
    const { left, right, width } = this.view.size;
    return axisValue(this.picture.x, Math.min(1, Math.max(0, (x - left) / (width - left - right))));
  }

  get axisRoom() {
    return Math.round(this.view.size.font * 3);
  }

  get leastHeight() {
    return super.leastHeight + this.axisRoom; // its own horizontal axis stands inside
  }

  #path(c, line) {
    const floor = this.plotHeight;
    const first = this.#x(line.x[0]);
    const half = line.style === "bars" && line.x.length > 1 ? (this.#x(line.x[1]) - first) / 2 : 0;
    const filled = line.style !== "line" && line.style !== "dashed";
    if (filled) c.moveTo(first - half, floor);
    for (let i = 0; i < line.x.length; i++) {
      const [x, y] = this.#at(line, i);
      if (!i && !filled) c.moveTo(x, y);
      if (half) c.lineTo(x - half, y);
      c.lineTo(x + half, y);
    }
    if (filled) c.lineTo(this.#x(line.x[line.x.length - 1]) + half, floor);
  }

  /** Lines of one style and one colour. */
  #stroke(c, lines, colour, strong) {
    const [line] = lines;
    c.beginPath();
    lines.forEach((one) => this.#path(c, one));
    c.setLineDash(line.style === "dashed" ? [6, 4] : []);
    if (line.style === "area" || line.style === "bars") {
      c.globalAlpha = strong ? 0.75 : 0.25;
      c.fillStyle = colour;
      c.fill();
    }
    c.globalAlpha = 1;
    c.fillStyle = c.strokeStyle = colour;
    c.lineWidth = strong ? 2.5 : 1.3;
    const { left, right, width } = this.view.size;
    if (line.style === "bars" || line.style === "dashed" || line.x.length < 0.8 * (width - left - right)) c.stroke();
    else fillColumns(c, line.x.length, (i) => this.#at(line, i), c.lineWidth);
    c.setLineDash([]);
  }

  #at(line, i) {
    return [this.#x(line.x[i]), this.plotHeight * (1 - axisPlace(this.picture.y, line.y[i]))];
  }

  /** Bands take two colours in turn, an empty one (dashed) a third; lines with a name take others. */
  #colour(i) {
    const { series, bad } = this.view.colours;
    const { bands, lines } = this.picture;
    if (!bands) return series[i % series.length];
    if (!lines[i].label) return lines[i].style === "dashed" ? bad : series[i % 2];
    const first = lines.findIndex((line) => line.label);
    return series[2 + ((i - first) % (series.length - 2))];
  }

  /** What can be drawn at once: bands that look alike, 256 of them at most; every other line alone. */
  #groups() {
    const groups = new Map();
    this.picture.lines.forEach((line, i) => {
      const colour = this.#colour(i);
      const key = this.picture.bands && !line.label ? `${line.style} ${colour}` : i;
      if (!groups.has(key)) groups.set(key, { colour, lines: [] });
      groups.get(key).lines.push(line);
    });
    return [...groups.values()];
  }

  /** The bins that the band under the pointer gathers, as dots on its triangle. */
  #drawBins(c, band) {
    const { bin_hz, y } = this.picture;
    const [low, high] = [band.x[0], band.x[band.x.length - 1]];
    const top = band.y.indexOf(Math.max(...band.y));
    const bins = binsInside(low, band.x[top], high, bin_hz);
    c.fillStyle = this.view.colours.strong;
    if (this.#x(high) - this.#x(low) < 5 * bins.length) return; // dots would run into each other
    for (const { freq_hz, weight } of bins) {
      const at = this.plotHeight * (1 - axisPlace(y, weight * band.y[top]));
      drawStem(c, this.#x(freq_hz), at, this.plotHeight);
    }
  }

  draw() {
    const { width, left, right, font } = this.view.size;
    if (!width || !this.picture) return;
    const c = this.begin(this.base);
    const w = width - left - right;
    this.plotHeight = this.height - this.axisRoom;
    c.fillStyle = this.view.colours.plot;
    c.fillRect(left, 0, w, this.plotHeight);
    c.save();
    c.beginPath();
    c.rect(left, 0, w, this.plotHeight);
    c.clip();
    for (const { colour, lines } of this.#groups()) this.#stroke(c, lines, colour, false);
    c.restore();
    c.strokeStyle = this.view.colours.line;
    c.lineWidth = 1;
    c.strokeRect(left + 0.5, 0.5, w - 1, this.plotHeight - 1);
    this.#axes(c, w, font);
    this.#legend(c);
    this.drawOverlay();
  }

  #axes(c, w, font) {
    const { x, y } = this.picture;
    const { left } = this.view.size;
    const h = this.plotHeight;
    c.font = `${font}px system-ui, sans-serif`;
    c.fillStyle = this.view.colours.text;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const value of niceTicks(y.min, y.max, Math.max(2, Math.floor(h / (font * 3))))) {
      const at = h * (1 - axisPlace(y, value));
      c.fillRect(left - 5, Math.min(h - 1, Math.max(0, at - 0.5)), 5, 1);
      c.fillText(formatTick(value), left - 8, Math.min(h - font / 2, Math.max(font / 2, at)));
    }
    upright(c, y.unit ? `${y.label} (${y.unit})` : y.label, font * 0.75, h, font);
    c.textAlign = "center";
    let ticks = x.scale === "linear" ? niceTicks(x.min, x.max, Math.floor(w / (font * 8))) : niceFrequencies(x.min, x.max);
    if (x.names?.length) ticks = x.names.map((_name, i) => i);
    for (const value of ticks) {
      c.fillRect(this.#x(value) - 0.5, h, 1, 5);
      c.fillText(x.names?.[value] ?? formatTick(value), this.#x(value), h + font * 0.9);
    }
    c.fillText(x.unit ? `${x.label} (${x.unit})` : x.label, left + w / 2, h + font * 2.2);
  }

  #legend(c) {
    const series = this.picture.lines.map((line, i) => [line, this.#colour(i)]);
    drawLegend(c, series, this.view, this.plotHeight);
  }

  /** Names of vertical marks, the band under the pointer, and the pointer's frequency or level. */
  drawOverlay() {
    const { view } = this;
    const { width, left, right, font } = view.size;
    if (!width || !this.picture || this.isOverlaid([this.picture.marks, this.picture.x])) return;
    const c = this.begin(this.overlay);
    c.save();
    c.beginPath();
    c.rect(left, 0, width - left - right, this.plotHeight);
    c.clip();
    c.font = `${font}px system-ui, sans-serif`;
    c.textBaseline = "top";
    for (const [i, [value, name]] of this.picture.marks.entries()) {
      const x = this.#x(value);
      line(c, x, 0, x, this.plotHeight, view.colours.accent, 1.5);
      const late = x > (left + width - right) / 2;
      c.textAlign = late ? "right" : "left";
      c.fillStyle = view.colours.strong;
      c.fillText(name, x + (late ? -5 : 5), 3 + i * font * 1.3); // one below the other: marks may meet
    }
    const { hover } = view;
    if (hover) {
      const band = this.picture.bands && hover.band !== null ? this.picture.lines[hover.band] : null;
      if (band) this.#stroke(c, [band], view.colours.accent, true);
      if (band && this.picture.bin_hz) this.#drawBins(c, band);
      const value = this.picture.x.unit === "Hz" ? hover.freq_hz : (hover.levels?.[this.picture.x.unit] ?? null);
      if (value !== null && !this.picture.x.names?.length) line(c, this.#x(value), 0, this.#x(value), this.plotHeight, view.colours.hover, 1);
    }
    c.restore();
  }
}
