// Draws every figure of the page; `window.charts` is done when all are.
const read = element => JSON.parse(element.textContent);
const config = read(document.getElementById("config"));
// On a phone plots are as wide as what their labels leave, and panels stand below each other.
const room = document.querySelector("main").clientWidth;
const isNarrow = room < 600;
const LABELS = 150;
if (isNarrow) {
  Object.assign(config.legend, {orient: "bottom", columns: 1});
  Object.assign(config.title, {frame: "bounds", subtitleFontSize: 11});
  config.axis.labelLimit = LABELS;
}
const fitted = spec => {
  if (isNarrow && spec.width > 0) spec.width = Math.max(120, Math.min(spec.width, room - LABELS - 60));
  if (isNarrow && spec.columns) spec.columns = 1;
  return spec;
};
// Pictures are scaled as a whole.
const specOf = figure => {
  const spec = read(figure.querySelector("script"));
  if (!figure.classList.contains("picture")) return fitted(spec);
  spec.datasets.shade = [{url: figure.parentElement.dataset.shade}];
  return spec;
};
const draw = (figure, log) => vegaEmbed(figure.querySelector(".chart"), specOf(figure), {
  mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, config,
  tooltip: {disableDefaultStyle: true},
  patch: vega => {
    const y = vega.scales.find(scale => scale.name === "y");
    if (log) Object.assign(y, {type: "log", nice: false});
    return vega;
  },
}).then(result => {
  figure.vega = result;
  label(figure);
  return result;
});
// Vega puts role and label on the element around the SVG, where few readers look.
const label = figure => {
  const [chart, svg] = [figure.querySelector(".chart"), figure.querySelector("svg")];
  for (const name of ["role", "aria-roledescription", "aria-label"]) {
    svg.setAttribute(name, chart.getAttribute(name));
    chart.removeAttribute(name);
  }
};
const isPositive = spec => spec.datasets.rows.every(row => row.low.every(value => value > 0));
const figures = [...document.querySelectorAll("figure:has(> script)")];
for (const figure of figures) {
  const box = figure.querySelector(".log-y");
  if (box) box.hidden = !isPositive(specOf(figure));
  box?.addEventListener("change", async event => {
    const old = figure.vega;
    const kept = old.view.getState({
      signals: name => /^pick/.test(name), data: name => /_store$/.test(name),
    });
    old.finalize();
    window.charts = draw(figure, event.target.checked)
      .then(now => now.view.setState(kept).runAsync());
  });
}
// On paper nothing is folded.
const parts = [...document.querySelectorAll("details")];
addEventListener("beforeprint", () => {
  for (const part of parts) [part.folded, part.open] = [!part.open, true];
});
addEventListener("afterprint", () => {
  for (const part of parts) part.open = !part.folded;
});
document.getElementById("scheme").addEventListener("change", event => {
  document.documentElement.style.colorScheme = event.target.value;
});
window.charts = Promise.all(figures.map(figure => draw(figure, false)));
