// How the curves of a cell look. Few cells have a hue and a dash each. Of many that nobody could
// tell apart those have one that end lowest, and, dashed, those that end highest.
class Looks {
  constructor() {
    [this.isMany, this.low, this.high, this.at] = [false, new Map(), new Map(), -Infinity];
  }

  of(cell) {
    if (!this.isMany) return {colour: HUES[cell % HUES.length], dash: DASHES[Math.floor(cell / HUES.length)]};
    const hue = this.low.get(cell) ?? this.high.get(cell);
    return {colour: hue ?? "muted", dash: this.high.has(cell) ? DASHES[1] : ""};
  }

  // By the cells' last values, [cell, value] each; not at every point, or colours would flicker.
  rank(num, ends, now = performance.now()) {
    this.isMany = num > Looks.MOST;
    if (!this.isMany || (now - this.at < Looks.PAUSE_MS && ends.length <= this.num)) return;
    [this.at, this.num] = [now, ends.length];
    const cells = [...ends].sort((a, b) => a[1] - b[1]).map(([cell]) => cell);
    const half = Math.min(HUES.length, Math.ceil(cells.length / 2));
    Looks.give(this.low, cells.slice(0, half));
    Looks.give(this.high, cells.slice(half).slice(-HUES.length));
  }

  // Who stays keeps its hue.
  static give(hues, cells) {
    for (const cell of [...hues.keys()]) if (!cells.includes(cell)) hues.delete(cell);
    const free = HUES.filter(hue => ![...hues.values()].includes(hue));
    for (const cell of cells) if (!hues.has(cell)) hues.set(cell, free.shift());
  }
}
[Looks.MOST, Looks.PAUSE_MS] = [HUES.length * DASHES.length, 5000];
