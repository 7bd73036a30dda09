// The studies of a storage.
class ListView {
  constructor(main) {
    this.body = h("tbody");
    this.none = h("p", {class: "muted"}, "Reading the studies …");
    this.table = h("table", {class: "list studies"}, h("thead", {}, h("tr", {},
      ["study", "state", "runs", "last change"].map(title => h("th", {scope: "col"}, title)))), this.body);
    main.replaceChildren(above("ablate watch"), h("h1", {}, "Studies"), this.none, h("div", {class: "scroll"}, this.table));
    this.table.hidden = true;
    document.title = "studies: ablate watch";
  }

  apply(news) {
    const focused = document.activeElement?.dataset?.study;
    say(this.none, "No studies yet: they appear once one is run.");
    this.none.hidden = news.list.length > 0;
    this.table.hidden = !news.list.length;
    this.body.replaceChildren(...news.list.map(study => this.row(study)));
    if (focused !== undefined) [...this.body.querySelectorAll("a")].find(link => link.dataset.study === focused)?.focus();
  }

  row(study) {
    const link = h("a", {href: `/?study=${encodeURIComponent(study.study)}`, "data-study": study.study}, study.name);
    const changed = study.changed ? new Date(study.changed * 1000).toLocaleString("sv").slice(0, 16) : "";
    return h("tr", {},
      h("td", {"data-title": "study"}, link, study.question ? h("div", {class: "muted small"}, study.question) : ""),
      h("td", {"data-title": "state"}, h("span", {class: `word ${study.state.replace(" ", "-")}`}, `${STATES[study.state]} ${study.state}`)),
      h("td", {"data-title": "runs"}, study.told ? h("div", {class: "unread"}, study.told) : (study.num ? [bar(study), h("div", {class: "small"}, summary(study))] : "")),
      h("td", {"data-title": "last change", class: "when"}, changed));
  }

  reset() {}
}
