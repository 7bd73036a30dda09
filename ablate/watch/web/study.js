// One study: what is told of it, its curves, its runs, what failed, and the run that is picked.
class StudyView {
  constructor(main, source) {
    [this.source, this.runs, this.head, this.picked] = [source, new Map(), null, null];
    this.place = h("p", {class: "summary", "aria-live": "polite"});
    [this.title, this.state, this.changed] = [h("h1"), h("strong"), h("span", {class: "muted"})];
    [this.progress, this.notes] = [h("div"), h("ul", {class: "notes"})];
    this.metric = h("select", {id: "metric", onchange: event => this.choose(event.target.value)});
    this.logY = h("input", {type: "checkbox", id: "log", onchange: event => this.bend(event.target.checked)});
    this.curvesTold = h("p", {class: "muted small"});
    const figure = h("div", {class: "chart"});
    this.chart = new Chart(figure, id => this.pick(id));
    this.chart.runOf = id => this.runs.get(id);
    this.chart.scaledAnew = isLog => { this.logY.checked = isLog; };
    this.grid = new Grid(id => this.pick(id));
    this.grid.pointed = cell => this.chart.point(cell);
    this.chart.painted = looks => this.grid.paint(looks, this.chart.lit);
    [this.running, this.failures] = [h("tbody"), h("div", {class: "failures"})];
    this.report = h("p", {class: "links"}, h("a", {href: source.report, target: "_blank", rel: "noopener"},
      source.archive ? "the report" : "the report as it stands"));
    this.drawer = h("section", {class: "drawer", hidden: true, "aria-label": "the picked run"});
    this.sections = {
      curves: h("section", {class: "curves"}, h("div", {class: "row"}, h("h2", {}, "Curves"),
        h("label", {}, "metric ", this.metric), h("label", {}, this.logY, " log y")), figure, this.curvesTold),
      running: h("section", {class: "running"}, h("h2", {}, "Under way"), h("div", {class: "scroll"}, h("table", {class: "list"},
        h("thead", {}, h("tr", {}, ["run", "epoch", "step", "value", "trained"].map(title =>
          h("th", {scope: "col", class: title === "run" ? null : "number"}, title)))), this.running))),
      failed: h("section", {class: "failed-runs"}, h("h2", {}, "Failed"), this.failures),
      grid: h("section", {class: "progress"}, h("h2", {}, "Runs"), this.grid.host, legend()),
    };
    main.replaceChildren(
      above(source.back ? h("a", {href: source.back}, "all studies") : "ablate watch"),
      this.title, h("p", {class: "state"}, this.state, " ", this.changed), this.place, this.progress, this.notes,
      this.report,
      h("div", {class: "columns"}, h("div", {}, this.sections.curves, this.sections.running, this.sections.failed), this.sections.grid),
      this.drawer);
    for (const part of [...Object.values(this.sections), this.report]) part.hidden = true;
    say(this.place, "Reading the study …");
    addEventListener("keydown", event => { if (event.key === "Escape") this.pick(null); });
    if (!source.archive) setInterval(() => this.tick(), 1000);
  }

  reset() {
    this.grid.shape = "";
  }

  apply(news) {
    if (news.now) this.skew = Date.now() / 1000 - news.now;
    if (news.all) this.runs.clear();
    if (news.all || (news.metric && news.metric !== this.chart.metric)) this.chart.clear();
    for (const [id, run] of Object.entries(news.runs ?? {})) this.runs.set(id, run);
    if (news.head) this.showHead(news.head);
    if (news.metrics) this.showMetrics(news.metrics, news.metric);
    for (const id of news.hidden ?? []) this.chart.remove(id);
    for (const [id, [from, points]] of Object.entries(news.points ?? {})) this.chart.set(id, from, points);
    if (news.runs) this.showRuns(news.all ? null : Object.keys(news.runs));
    if (news.points || news.runs) this.showRunning();
    if (news.leftOut !== undefined) this.leftOut = news.leftOut;
    if (news.points || news.hidden || news.leftOut !== undefined) this.tellCurves();
    this.chart.later();
  }

  showHead(head) {
    this.head = head;
    this.chart.numCells = head.cells.length;
    say(this.title, head.question || head.name);
    this.state.className = `word ${head.state.replace(" ", "-")}`;
    say(this.state, `${STATES[head.state]} ${head.name}: ${head.state}${head.holder ? `, ${head.holder}` : ""}`);
    say(this.place, head.num ? summary(head) : "");
    this.progress.replaceChildren(...(head.num ? [bar(head)] : []));
    const notes = [head.told, ...head.notes].filter(Boolean);
    this.notes.replaceChildren(...notes.map(note => h("li", {}, note)));
    this.sections.grid.hidden = this.sections.curves.hidden = this.report.hidden = !head.num;
    document.title = `${head.num ? `(${ended(head.counts)}/${head.num}) ` : ""}${head.name}: ablate watch`;
    this.tick();
  }

  tick() {
    if (!this.head?.changed) return say(this.changed, "");
    const ago = Math.max(0, Date.now() / 1000 - this.head.changed - (this.skew ?? 0));
    const isFar = this.source.archive || ago > 172800;
    say(this.changed, isFar ? `last change ${new Date(this.head.changed * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`
      : `last change ${clock(ago)} ago`);
  }

  showMetrics(metrics, metric) {
    this.metrics = metrics;
    this.metric.replaceChildren(...metrics.map(name => h("option", {value: name, selected: name === metric}, name)));
    this.chart.metric = metric;
  }

  showRuns(changed) {
    this.grid.show(this.head, this.runs, changed);
    this.grid.select(this.picked);
    const failed = [...this.runs.values()].filter(run => isBad(run.status));
    this.sections.failed.hidden = !failed.length;
    const byCause = Map.groupBy(failed, run => `${run.status} ${run.cause}`);
    const key = JSON.stringify([...byCause].map(([cause, runs]) => [cause, runs.length]));
    if (key !== this.failedKey) {
      const open = new Set([...this.failures.querySelectorAll("details[open]")].map(part => part.cause));
      this.failures.replaceChildren(...[...byCause].slice(0, 50).map(([cause, runs]) => this.failure(cause, runs, open.has(cause))),
        byCause.size > 50 ? h("p", {class: "muted"}, `and ${byCause.size - 50} more causes: pick runs below`) : "");
    }
    this.failedKey = key;
    if (changed === null || changed.includes(this.picked)) this.showPicked();
  }

  // A cause, the runs that it ended, and the end of the first one's log.
  failure(cause, runs, isOpen) {
    const [first, log] = [runs[0], h("pre", {class: "log", tabindex: 0, "aria-label": `the end of the log of ${runs[0].name}`}, "…")];
    const named = runs.length > 1 ? counted(runs.length, "run", "runs") : first.name;
    const names = runs.slice(0, 40).map(run => h("button", {type: "button", onclick: () => this.pick(run.run_id)}, run.name));
    const part = h("details", {open: isOpen, ontoggle: async event => {
      if (event.target.open) showLog(log, (await this.source.told(first.run_id)).log);
    }}, h("summary", {}, h("span", {class: `word ${first.status}`}, `${GLYPHS[first.status]} ${named}`), ` ${first.cause || first.status}`),
      h("div", {class: "names"}, names, runs.length > 40 ? `and ${runs.length - 40} more` : ""),
      runs.length > 1 ? h("div", {class: "muted small"}, `the log of ${first.name} ends:`) : "", log);
    part.cause = cause;
    return part;
  }

  showRunning() {
    const runs = [...this.runs.values()].filter(run => run.status === "running");
    this.sections.running.hidden = !runs.length;
    this.running.replaceChildren(...runs.slice(0, 24).map(run => {
      const last = this.chart.curves.get(run.run_id)?.points.at(-1);
      const cells = [["epoch", run.epoch ?? ""], ["step", Math.max(run.step ?? 0, last?.[0] ?? 0).toLocaleString("en")],
        ["value", last ? short(last[1]) : ""], ["trained", clock(run.seconds)]];
      return h("tr", {}, h("td", {"data-title": "run"}, run.name), cells.map(([title, text]) => h("td", {class: "number", "data-title": title}, String(text))));
    }));
  }

  tellCurves() {
    const shown = [...this.chart.curves.values()].filter(curve => curve.points.length).length;
    const isThinned = [...this.chart.curves.values()].some(curve => curve.points.length >= 250);
    this.logY.disabled = !this.chart.isPositive;
    say(this.curvesTold, !shown ? "No curve yet." : [
      `${counted(shown, "curve", "curves")}, a line a run; thick: under way.`,
      this.head.cells.length > Looks.MOST ? "Coloured: the cells that end lowest, and dashed those that end highest."
        : this.head.cells.length > 1 ? "Coloured by cell." : "",
      this.head.cells.length > 1 ? "Point at a cell to see its curves." : "",      this.leftOut ? `${this.leftOut} runs are left out: those that ended first.` : "",
      this.metricsLeftOut?.length ? `Not in this file: ${some(this.metricsLeftOut, 20)}.` : "",
      isThinned ? "Long curves are thinned." : "", "A click picks a run."].filter(Boolean).join(" "));
  }

  choose(metric) {
    this.chart.clear();
    this.chart.metric = metric;
    this.source.choose(metric);
  }

  bend(isLog) {
    this.chart.isLog = isLog;
    this.chart.later();
  }

  pick(id) {
    if (id === null && this.picked) this.grid.buttons.get(this.picked)?.focus();
    this.picked = this.chart.selected = id;
    this.grid.select(id);
    this.chart.later();
    const isLeftOut = this.leftOut && id !== null && !this.chart.curves.has(id);
    if (isLeftOut && this.runs.get(id).status !== "pending") this.source.put(id);
    this.showPicked();
  }

  async showPicked() {
    clearTimeout(this.again);
    const run = this.runs.get(this.picked);
    this.drawer.hidden = !run;
    document.body.classList.toggle("has-drawer", !!run);
    if (!run) return;
    const {facts, log} = await this.source.told(run.run_id);
    if (this.picked !== run.run_id) return;
    const pre = h("pre", {class: "log", tabindex: 0, "aria-label": "the end of the log"});
    showLog(pre, log);
    const close = h("button", {type: "button", class: "close", onclick: () => this.pick(null)}, "close");
    this.drawer.replaceChildren(h("div", {class: "row"}, h("h2", {}, h("span", {class: `word ${run.status}`}, GLYPHS[run.status] ?? "?"), ` ${run.name}`), close),
      h("dl", {}, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))), pre);
    pre.scrollTop = pre.scrollHeight;
    if (run.status === "running" && !this.source.archive) this.again = setTimeout(() => this.showPicked(), 3000);
  }
}
const showLog = (pre, log) => say(pre, log === undefined ? "its log is not in this file" : log.length ? log.join("\n") : "it printed nothing");
const legend = () => h("p", {class: "muted small legend"}, ORDER.map(status =>
  h("span", {}, h("span", {class: `word ${status}`, "aria-hidden": "true"}, GLYPHS[status]), ` ${WORDS[status]}`)));
