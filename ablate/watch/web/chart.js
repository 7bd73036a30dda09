// Curves: steps to the right, values upward, a path a run; only what changed is drawn anew.
class Chart {
  constructor(host, pick) {
    [this.host, this.pick, this.curves, this.dirty] = [host, pick, new Map(), new Set()];
    [this.looks, this.numCells, this.pointed] = [new Looks(), 0, null];
    // By default one curve that explodes does not flatten all others.
    [this.isLog, this.selected, this.drawn, this.scale] = [null, null, "", null];
    this.svg = s("svg", {role: "img", height: 0});
    [this.axes, this.lines] = [s("g", {class: "axes"}), s("g", {class: "lines"})];
    this.told = h("p", {class: "told"});
    this.back = s("g");
    this.lines.append(this.back);
    this.svg.append(this.axes, this.lines);
    host.append(this.svg, this.told);
    this.svg.addEventListener("pointermove", event => this.hover(event));
    this.svg.addEventListener("pointerleave", () => this.tell(null));
    this.svg.addEventListener("click", event => { const near = this.near(event); if (near) pick(near.id); });
    new ResizeObserver(() => this.later()).observe(host);
  }

  set(id, from, points) {
    const curve = this.curves.get(id) ?? {points: [], path: s("path")};
    curve.points.splice(from, Infinity, ...points);
    this.curves.set(id, curve);
    this.dirty.add(id);
    this.later();
  }

  remove(id) {
    this.curves.get(id)?.path.remove();
    this.curves.delete(id);
    this.later();
  }

  clear() {
    for (const id of [...this.curves.keys()]) this.remove(id);
    this.looks.at = -Infinity;
  }

  later() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  get isPositive() {
    return [...this.curves.values()].every(curve => curve.points.every(point => point[1] > 0));
  }

  draw() {
    const width = Math.max(240, this.host.clientWidth);
    const scale = this.scaled(width);
    const key = JSON.stringify([width, scale?.x, scale?.y, scale?.isLog]);
    if (key !== this.drawn) {
      this.svg.setAttribute("height", scale ? Chart.HEIGHT : 0);
      for (const id of this.curves.keys()) this.dirty.add(id);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${scale ? Chart.HEIGHT : 0}`);
      this.axes.replaceChildren(...(scale ? this.axesOf(scale, width) : []));
      this.drawn = key;
    }
    this.scale = scale;
    this.scaledAnew?.(scale?.isLog ?? false);
    for (const id of this.dirty) {
      const curve = this.curves.get(id);
      if (!curve || !scale) continue;
      const places = curve.points.filter(point => !scale.isLog || point[1] > 0)
        .map(([step, value]) => `${scale.toX(step).toFixed(1)} ${scale.toY(value).toFixed(1)}`);
      curve.path.setAttribute("d", places.length === 1 ? `M${places[0]}h.1` : places.length ? `M${places.join("L")}` : "");
    }
    this.dirty.clear();
    this.restyle();
    this.svg.setAttribute("aria-label", this.alternative());
  }

  restyle() {
    this.looks.rank(this.numCells, this.ends());
    this.painted?.(this.looks);
    const lit = this.lit;
    this.svg.classList.toggle("has-lit", lit !== null);
    this.svg.classList.toggle("many", this.looks.isMany);
    for (const [id, curve] of this.curves) {
      const {cell, status} = this.runOf(id) ?? {cell: 0, status: "ok"};
      const {colour, dash} = this.looks.of(cell);
      const kinds = [colour, status === "running" ? "live" : "over",
        this.selected === id && "selected", cell === lit && "lit"].filter(Boolean).join(" ");
      const style = `${dash} ${kinds}`;
      if (curve.style === style && curve.path.parentNode) continue;
      curve.style = style;
      curve.path.setAttribute("class", kinds);
      curve.path.setAttribute("stroke-dasharray", dash);
      const isBehind = colour === "muted" && cell !== lit && this.selected !== id;
      (isBehind ? this.back : this.lines).append(curve.path);
    }
  }

  // The cell that is pointed at, else that of the picked run: the others step back.
  get lit() {
    return this.pointed ?? this.runOf(this.selected)?.cell ?? null;
  }

  point(cell) {
    if (cell === this.pointed) return;
    this.pointed = cell;
    this.later();
  }

  // Of each cell the mean of its runs' last values.
  ends() {
    const cells = new Map();
    for (const [id, {points}] of this.curves) {
      const cell = this.runOf(id)?.cell;
      if (!points.length || cell === undefined) continue;
      const [sum, num] = cells.get(cell) ?? [0, 0];
      cells.set(cell, [sum + points.at(-1)[1], num + 1]);
    }
    return [...cells].map(([cell, [sum, num]]) => [cell, sum / num]);
  }

  alternative() {
    const last = [...this.curves].filter(([, curve]) => curve.points.length)
      .map(([id, curve]) => [curve.points.at(-1)[1], this.runOf(id)?.name ?? id]).sort((a, b) => a[0] - b[0]);
    if (!last.length) return "no curve yet";
    const [low, high] = [last[0], last.at(-1)];
    return `${this.metric} of ${counted(last.length, "run", "runs")} over steps; last values from `
      + `${short(low[0])} (${low[1]}) to ${short(high[0])} (${high[1]})`;
  }

  scaled(width) {
    const points = [...this.curves.values()].flatMap(curve => curve.points);
    if (!points.length) return null;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const [step, value] of points) {
      [x0, x1, y0, y1] = [Math.min(x0, step), Math.max(x1, step), Math.min(y0, value), Math.max(y1, value)];
    }
    // From one enormous value to another it may be further than there are numbers.
    const unit = Math.max(Math.abs(y0), Math.abs(y1)) > 1e300 ? 1e10 : 1;
    const isLog = y0 > 0 && (this.isLog ?? y1 > Chart.WIDE * y0);
    const bend = value => isLog ? Math.log10(value) : value / unit;
    let [low, high] = [bend(y0), bend(y1)];
    if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
    const room = (high - low) / 20;
    // The scale moves in steps, so that a new point does not redraw all curves.
    const grain = 10 ** Math.floor(Math.log10(high - low)) / 10;
    [low, high] = [Math.floor((low - room) / grain) * grain, Math.ceil((high + room) / grain) * grain];
    if (!isLog && y0 >= 0 && low < 0) low = 0;
    x1 = Chart.reach(x0, x1);
    if (![x0, x1, low, high].every(Number.isFinite)) return null;
    const [left, right, top, bottom] = [Chart.LEFT, width - 14, 12, Chart.HEIGHT - 40];
    return {
      isLog, unit, x: [x0, x1], y: [low, high],
      toX: step => left + (x1 > x0 ? (step - x0) / (x1 - x0) : .5) * (right - left),
      toY: value => bottom - (bend(value) - low) / (high - low) * (bottom - top),
      fromX: place => x0 + (place - left) / (right - left) * (x1 - x0),
    };
  }

  axesOf(scale, width) {
    const marks = [];
    const values = scale.isLog ? decades(...scale.y) : ticks(...scale.y, 8).map(mark => mark * scale.unit);
    for (const value of values.filter(Number.isFinite)) {
      const y = scale.toY(value);
      marks.push(s("line", {x1: Chart.LEFT, x2: width - 14, y1: y, y2: y}),
        s("text", {x: Chart.LEFT - 8, y: y + 4, "text-anchor": "end"}, short(value).replace(/\.?0*e\+?/, "e")));
    }
    for (const step of ticks(...scale.x, Math.max(2, Math.floor(width / 90))).filter(Number.isInteger)) {
      const x = scale.toX(step);
      marks.push(s("line", {x1: x, x2: x, y1: Chart.HEIGHT - 40, y2: Chart.HEIGHT - 35}),
        s("text", {x, y: Chart.HEIGHT - 20, "text-anchor": "middle"}, step.toLocaleString("en")));
    }
    marks.push(s("text", {x: width - 14, y: Chart.HEIGHT - 4, "text-anchor": "end", class: "title"}, "step"));
    return marks;
  }

  near(event) {
    if (!this.scale) return null;
    const box = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    for (const [id, {points}] of this.curves) {
      const point = nearest(points, this.scale.fromX(x));
      if (!point || (this.scale.isLog && point[1] <= 0)) continue;
      const far = Math.hypot(this.scale.toX(point[0]) - x, this.scale.toY(point[1]) - y);
      if (far < 60 && (!best || far < best.far)) best = {far, id, point};
    }
    return best;
  }

  hover(event) {
    this.tell(this.near(event));
  }

  tell(near) {
    const run = near && this.runOf(near.id);
    this.point(run?.cell ?? null);
    say(this.told, near ? `${run?.name ?? near.id}: step ${near.point[0].toLocaleString("en")}, ${this.metric} ${short(near.point[1])}` : "");
  }

  // The end of the steps: a little ahead of what there is, as far as the next round number.
  static reach(from, to) {
    if (to <= from) return to;
    const grain = 10 ** Math.floor(Math.log10(to - from)) / 4;
    return from + Math.ceil((to - from) / grain) * grain;
  }
}
[Chart.HEIGHT, Chart.LEFT, Chart.WIDE] = [340, 72, 100];

const nearest = (points, step) => {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < step) low = middle + 1; else high = middle;
  }
  const [before, here] = [points[low - 1], points[low]];
  return before && here && step - before[0] < here[0] - step ? before : here;
};
const ticks = (low, high, most) => {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  // By count from an offset: of enormous numbers the next is the same one.
  const first = Math.ceil(low / step);
  const marks = Array.from({length: 20}, (_, n) => (first + n) * step);
  return marks.filter((mark, n) => mark <= high + step * 1e-9 && mark !== marks[n - 1])
    .map(mark => step < 1 ? +mark.toPrecision(12) : mark);
};
const decades = (low, high) => {
  const found = [];
  const each = high - low > 3 ? [1] : high - low > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const pause = Math.max(1, Math.ceil((high - low) / 7));
  for (let n = Math.floor(low); n <= high; n++)
    if (n % pause === 0) for (const m of each) if (Math.log10(m) + n >= low && Math.log10(m) + n <= high) found.push(+(m * 10 ** n).toPrecision(3));
  return found;
};
