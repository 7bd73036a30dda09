// Progress by cell and seed: a button a run. One stop for the tabulator; arrows move within.
class Grid {
  constructor(pick) {
    [this.pick, this.buttons, this.shape] = [pick, new Map(), ""];
    this.table = h("table", {class: "grid", role: "grid", "aria-label": "runs by cell and seed"});
    this.host = h("div", {class: "scroll"}, this.table);
    this.table.addEventListener("keydown", event => this.move(event));
    for (const kind of ["pointerover", "focusin"]) this.table.addEventListener(kind, event => this.point(event.target));
    for (const kind of ["pointerleave", "focusout"]) this.table.addEventListener(kind, () => this.pointed(null));
  }

  point(element) {
    const row = element.closest("tbody tr");
    this.pointed(row ? row.rowIndex - 1 : null);
  }

  // Beside each cell how its curves look, and which are lit.
  paint(looks, lit) {
    this.swatches?.forEach((line, cell) => {
      const {colour, dash} = looks.of(cell);
      line.setAttribute("class", colour);
      line.setAttribute("stroke-dasharray", dash);
      line.closest("tr").classList.toggle("lit", cell === lit);
    });
  }

  show(head, runs, changed) {
    const shape = JSON.stringify([head.cells, head.seeds]);
    if (shape !== this.shape || changed === null) {
      this.shape = shape;
      this.build(head);
      changed = [...runs.keys()];
    }
    for (const id of changed) this.update(head, runs.get(id));
    if (!this.table.querySelector("button[tabindex='0']")) this.table.querySelector("button")?.setAttribute("tabindex", 0);
  }

  build(head) {
    this.buttons.clear();
    const titles = head.seeds.map(seed => h("th", {scope: "col"}, String(seed)));
    this.places = head.cells.map(() => head.seeds.map(() => h("td")));
    this.swatches = head.cells.map(() => s("line", {x1: 1, x2: 25, y1: 5, y2: 5}));
    const rows = head.cells.map((name, cell) => {
      const line = s("svg", {class: "swatch", width: 26, height: 10, "aria-hidden": "true"}, this.swatches[cell]);
      return h("tr", {}, h("th", {scope: "row"}, h("span", {class: "cell"}, line, h("span", {title: name}, name))), this.places[cell]);
    });
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "cell", h("span", {class: "right"}, head.seeds.length > 1 ? "seed" : "")), titles)),
      h("tbody", {}, rows));
  }

  update(head, run) {
    let button = this.buttons.get(run.run_id);
    if (!button) {
      button = h("button", {type: "button", tabindex: -1, onclick: () => this.pick(run.run_id)});
      this.buttons.set(run.run_id, button);
      this.places[run.cell]?.[run.seed]?.append(button);
    }
    const where = run.epoch !== null ? `, epoch ${run.epoch}` : run.step !== null ? `, step ${run.step}` : "";
    const words = `${WORDS[run.status] ?? run.status}${run.status === "running" ? where : ""}`;
    say(button, GLYPHS[run.status] ?? "?");
    button.className = run.status;
    button.title = `${run.name}: ${words}${run.cause ? `: ${run.cause}` : ""}`;
    button.setAttribute("aria-label", `${head.cells[run.cell]}, seed ${head.seeds[run.seed]}: ${words}`);
  }

  select(id) {
    this.table.querySelector("[aria-pressed]")?.removeAttribute("aria-pressed");
    this.buttons.get(id)?.setAttribute("aria-pressed", "true");
  }

  move(event) {
    const [down, right] = {ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1]}[event.key] ?? [0, 0];
    const cell = event.target.closest("td");
    if (!cell || (!down && !right)) return;
    event.preventDefault();
    let [row, column] = [cell.parentNode.rowIndex - 1 + down, cell.cellIndex - 1 + right];
    let next = null;
    while (this.places[row]?.[column] && !(next = this.places[row][column].querySelector("button"))) [row, column] = [row + down, column + right];
    if (!next) return;
    event.target.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  }
}
