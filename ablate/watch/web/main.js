// Where what is shown comes from: this file, or a server that tells what is new.
const given = JSON.parse(document.getElementById("given").textContent);
const main = document.getElementById("main");

class Archive {
  constructor(all) {
    [this.all, this.archive, this.report] = [all, true, "index.html"];
  }
  start(view) {
    this.view = view;
    const {head, runs, metrics, leftOut, metricsLeftOut} = this.all;
    view.metricsLeftOut = metricsLeftOut;
    view.apply({head, runs, metrics, metric: metrics[0], leftOut, all: true});
    this.choose(metrics[0]);
  }
  choose(metric) {
    const curves = Object.entries(this.all.curves[metric] ?? {});
    this.view.apply({points: Object.fromEntries(curves.map(([id, points]) => [id, [0, points]])), leftOut: this.all.leftOut});
  }
  put(id) {}
  async told(id) {
    return {facts: this.all.facts[id] ?? [], log: this.all.logs[id]};
  }
}

// A browser keeps few connections to one server: a page that nobody sees gives its own back.
class Live {
  constructor(study) {
    [this.study, this.asked] = [study, {study}];
    this.back = given.only ? null : "/";
    this.report = `/report?${new URLSearchParams({study})}`;
    this.lost = h("p", {class: "lost", role: "status", hidden: true}, "The connection is lost. Is `ablate watch` still running? If so, open the URL that it prints.");
    document.body.prepend(this.lost);
    document.addEventListener("visibilitychange", () => document.hidden ? this.stop() : this.open());
  }
  start(view) {
    this.view = view;
    this.open();
  }
  open() {
    this.stop();
    const source = new EventSource(this.study === null ? "/list" : `/study?${new URLSearchParams(this.asked)}`);
    source.onopen = () => { this.lost.hidden = true; this.view.reset(); };
    source.onmessage = event => this.view.apply(JSON.parse(event.data));
    source.onerror = () => { this.lost.hidden = false; };
    this.events = source;
  }
  stop() {
    this.events?.close();
  }
  choose(metric) {
    this.asked.metric = metric;
    this.open();
  }
  // Has a run's curve sent first.
  put(id) {
    if (this.asked.run === id) return;
    this.asked.run = id;
    this.open();
  }
  async told(id) {
    try {
      return await (await fetch(`/run?${new URLSearchParams({study: this.study, id})}`)).json();
    } catch {
      return {facts: [], log: ["it cannot be read now"]};
    }
  }
}

const asked = given.only ?? new URLSearchParams(location.search).get("study");
const source = given.archive ? new Archive(given.archive) : new Live(asked);
source.start(given.archive || asked !== null ? new StudyView(main, source) : new ListView(main));
