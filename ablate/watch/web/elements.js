// Elements, and texts for people. What others wrote becomes text nodes, never markup.
const SVG = "http://www.w3.org/2000/svg";
const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
  return element;
};
const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// A glyph beside the colour, for those who do not tell colours apart.
const GLYPHS = {ok: "✓", running: "▶", failed: "✕", diverged: "∞", interrupted: "‖", pending: "·"};
const STATES = {running: "▶", done: "✓", interrupted: "‖", "not started": "·", gone: "✕", unreadable: "✕"};
const WORDS = {ok: "ok", running: "running", failed: "failed", diverged: "diverged",
  interrupted: "interrupted", pending: "waiting"};
const ORDER = ["ok", "failed", "diverged", "running", "interrupted", "pending"];
const HUES = ["blue", "vermillion", "green", "purple", "orange"];
const DASHES = ["", "7 3", "2 2"];

const clock = seconds => {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86400)} days`;
};
// No more exact than an estimate is.
const about = seconds => {
  if (seconds < 10) return "a few seconds";
  if (seconds < 55) return `about ${10 * Math.ceil(seconds / 10 - .5)} s`;
  if (seconds < 3570) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  if (seconds < 36000) return `about ${Math.floor(Math.round(seconds / 600) / 6)} h ${Math.round(seconds / 600) % 6}0 min`;
  return `about ${clock(Math.round(seconds / 3600) * 3600).replace(" 00 min", "")}`;
};
const short = value => Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
  ? value.toExponential(2) : String(+value.toPrecision(4));
const counted = (number, one, more) => `${number} ${number === 1 ? one : more}`;
const some = (words, most) => [...words.slice(0, most), ...(words.length > most ? [`and ${words.length - most} more`] : [])].join(", ");
const hasEnded = status => status === "ok" || status === "failed" || status === "diverged";
const isBad = status => status === "failed" || status === "diverged";
const ended = counts => Object.entries(counts).reduce((sum, [status, number]) => sum + (hasEnded(status) ? number : 0), 0);

// `37 of 120 runs done, 4 running, 1 failed, about 12 min left`
const summary = head => {
  const parts = [`${ended(head.counts)} of ${counted(head.num, "run", "runs")} done`];
  for (const status of ["running", "failed", "diverged", "interrupted"])
    if (head.counts[status]) parts.push(`${head.counts[status]} ${status}`);
  if (head.left_s !== null && head.state === "running") parts.push(`${about(head.left_s)} left`);
  return parts.join(", ");
};
const bar = head => h("div", {class: "bar", role: "img", "aria-label": summary(head)},
  ORDER.filter(status => head.counts[status] && status !== "pending")
    .map(status => sized(h("span", {class: status}), head.counts[status], head.num)));
const sized = (element, part, whole) => {
  element.style.width = `${100 * part / whole}%`;
  return element;
};
const above = (...children) => h("div", {class: "above"}, h("span", {}, ...children), themes());
const themes = () => h("label", {}, "theme ", h("select", {
  id: "scheme",
  onchange: event => { document.documentElement.style.colorScheme = event.target.value; },
}, h("option", {value: "light dark"}, "system"), h("option", {}, "light"), h("option", {}, "dark")));
