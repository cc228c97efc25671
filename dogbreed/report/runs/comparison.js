// The page of all runs: filters the list, and compares two runs side by side.
"use strict";

const all = JSON.parse(document.getElementById("run-data").textContent);
const table = document.querySelector("table.runs");
const rows = [...table.tBodies[0].rows];
const button = document.getElementById("compare");
const place = document.getElementById("two");
const Z95 = 1.959964; // as in dogbreed.evaluation.metrics.intervals
const MAX_PHOTOS = 24;

// --- building elements: texts are never read as HTML

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const name = (text) => element("bdi", {}, text); // a text of another direction turns no other
const paragraph = (text) => element("p", {}, text);

function grid(caption, heads, body) {
  const head = heads.map((text) => element("th", { scope: "col" }, name(text)));
  const lines = body.map(([first, ...others]) =>
    element("tr", {}, element("th", { scope: "row" }, name(first)), ...others.map((cell) => element("td", {}, cell))),
  );
  const made = element(
    "table",
    { class: "plain" },
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...lines),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

// --- the filter

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const count = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = `${count} of ${rows.length} ${rows.length === 1 ? "run" : "runs"}`;
}

// --- the selection: of three, the first one is given up

let selected = [];

function show() {
  for (const row of rows) {
    row.querySelector("input").checked = selected.includes(row);
    row.classList.toggle("selected", selected.includes(row));
  }
  button.disabled = selected.length !== 2;
}

function select(row, isSelected) {
  selected = selected.filter((other) => other !== row);
  if (isSelected) selected = [...selected, row].slice(-2);
  show();
}

// --- the paired difference

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// Each test photo of a run: which one, whether it is right, and the class that was predicted.
function answersOf(run) {
  const { set, right, wrong, classes } = run.photos;
  const { names, labels, classes: known, base } = all.sets[set];
  const [bits, pairs] = [bytesOf(right), bytesOf(wrong)];
  let next = 0;
  return names.map((_, number) => {
    const isRight = Boolean((bits[number >> 3] >> (7 - (number % 8))) & 1);
    const label = known[labels[number]];
    let predicted = label;
    if (!isRight) {
      predicted = pairs.length ? all.classes[classes][256 * pairs[next] + pairs[next + 1]] ?? "?" : "?";
      next += 2;
    }
    return { set, number, isRight, label, predicted, key: `${base}/${names[number]}/${label}` };
  });
}

// The photos that both runs were tested on: the same test set, or else the same paths and classes.
function pairsOf(one, other) {
  const [a, b] = [answersOf(one), answersOf(other)];
  if (one.photos.set === other.photos.set) return a.map((answer, number) => [answer, b[number]]);
  const found = new Map(b.map((answer) => [answer.key, answer]));
  return a.filter((answer) => found.has(answer.key)).map((answer) => [answer, found.get(answer.key)]);
}

// In points, of the second over the first: as dogbreed.evaluation.baseline.paired_interval.
function pairedDifference(pairs) {
  const gains = pairs.map(([a, b]) => b.isRight - a.isRight);
  const sum = gains.reduce((total, gain) => total + gain, 0);
  const squares = gains.reduce((total, gain) => total + gain * gain, 2); // with one more of either kind
  const n = gains.length + 2;
  const mean = sum / n;
  const half = (Z95 * Math.sqrt(squares / n - mean * mean)) / Math.sqrt(n);
  return { points: (100 * sum) / gains.length, low: 100 * Math.max(-1, mean - half), high: 100 * Math.min(1, mean + half) };
}

const signed = (value) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(1)}`;

function difference(one, other, pairs) {
  const { points, low, high } = pairedDifference(pairs);
  const verdict =
    low > 0 ? "B is better" : high < 0 ? "A is better" : "the photos don't tell which is better: the interval includes 0";
  const made = element("p", { class: "lead", id: "difference" });
  made.append(
    `Test top-1 of B less that of A: ${signed(points)} points [${signed(low)}, ${signed(high)}], ` +
      `paired on ${pairs.length.toLocaleString("en")} photos; ${verdict}.`,
  );
  Object.assign(made.dataset, { points, low, high });
  return made;
}

// --- the two runs

function metricText(unit, values) {
  if (!values) return "–";
  const write = (value) => (unit === "share" ? (100 * value).toFixed(1) : value.toFixed(3));
  const [value, ...ends] = values;
  const made = element("span", {}, write(value) + (unit === "share" ? " %" : ""));
  if (ends.length) made.append(" ", element("small", {}, `[${ends.map(write).join(", ")}]`));
  return made;
}

function metricsOf(split, title, runs) {
  const values = runs.map((run) => run.splits[split] ?? {});
  const lines = all.metrics
    .filter((metric) => values.some((each) => each[metric.name]))
    .map((metric) => [metric.title, ...values.map((each) => metricText(metric.unit, each[metric.name]))]);
  lines.push(["Photos", ...values.map((each) => (each.n ?? "–").toLocaleString("en"))]);
  return grid(title, ["Metric", "A", "B"], lines);
}

function configuration(runs) {
  const lines = [];
  const add = (title, texts) => {
    if (texts[0] !== texts[1]) lines.push([title, ...texts.map(name)]);
  };
  for (const [title, key] of [["data", "data"], ["classes", "classes"], ["photos, classes and splits", "fingerprint"], ["dogbreed", "version"]]) {
    add(title, runs.map((run) => String(run[key] ?? "unknown")));
  }
  if (runs[0].classes === runs[1].classes) add("names of classes", runs.map((run) => run.classes_sha256));
  const known = runs.every((run) => run.changes);
  const keys = known ? [...new Set(runs.flatMap((run) => Object.keys(run.changes)))].sort() : [];
  const value = (run, key) => run.changes[key] ?? `${all.defaults[key] ?? "unknown"} (default)`;
  for (const key of keys) add(key, runs.map((run) => value(run, key)));
  const found = [];
  if (!known) found.push(paragraph("One of the runs is of an older version, which recorded no changed keys: see their config.yaml."));
  if (lines.length) found.push(grid("Configuration and data that differ", ["Key", "A", "B"], lines));
  else if (known) found.push(paragraph("The configurations and the data are the same."));
  return found;
}

// --- photos that one of them alone classifies correctly

function picture(answer) {
  const { base, names, addresses } = all.sets[answer.set];
  const text = names[answer.number];
  const image = element("img", { loading: "lazy", alt: text, src: `${base}/${addresses[answer.number] ?? text}` });
  image.addEventListener("error", () => image.replaceWith(element("div", { class: "missing" }, "the photo isn't there, or the browser can't show it")));
  return image;
}

function card([a, b]) {
  const { names } = all.sets[a.set];
  const prediction = (letter, answer) =>
    element("p", {}, `${letter}: `, answer.isRight ? "right" : name(answer.predicted));
  return element(
    "li",
    { class: "card photo" },
    picture(a),
    element("p", {}, element("b", {}, name(a.label))),
    prediction("A", a),
    prediction("B", b),
    element("p", { class: "file" }, name(names[a.number])),
  );
}

function photosOf(letter, pairs) {
  const some = pairs.filter((_, number) => Math.floor((number * MAX_PHOTOS) / pairs.length) !== Math.floor(((number - 1) * MAX_PHOTOS) / pairs.length));
  const shown = pairs.length > MAX_PHOTOS ? some : pairs;
  const count = `${pairs.length.toLocaleString("en")} ${pairs.length === 1 ? "photo" : "photos"}`;
  const extra = shown.length < pairs.length ? `, ${shown.length} of them below` : "";
  return [
    element("h3", {}, `Only ${letter} is right: ${count}${extra}`),
    element("ul", { class: "cards small", id: `only-${letter}` }, ...shown.map(card)),
  ];
}

function heading(runs) {
  const items = runs.map((run, number) => {
    const link = rows[all.runs.indexOf(run)].querySelector("th a");
    const shown = link ? element("a", { href: link.getAttribute("href") }, name(run.name)) : name(run.name);
    return element("li", {}, element("b", {}, `${"AB"[number]}: `), shown);
  });
  return element("ul", { class: "two-runs" }, ...items);
}

function showTwo(runs) {
  const parts = [heading(runs)];
  const [one, other] = runs;
  if (one.classes_sha256 !== other.classes_sha256) {
    parts.push(paragraph("The two runs have different classes: their top-1 isn't comparable."));
  }
  let pairs = [];
  if (one.photos && other.photos) pairs = pairsOf(one, other);
  if (pairs.length) parts.push(difference(one, other, pairs));
  else if (one.photos && other.photos) parts.push(paragraph("They were tested on different photos: there is no paired difference."));
  else parts.push(paragraph("Their answers to the test photos aren't in this page, which has those of the newest runs: there is no paired difference."));
  parts.push(
    element("div", { class: "columns" }, metricsOf("test", "Test", runs), metricsOf("valid", "Validation", runs)),
    element("h3", {}, "What differs"),
    ...configuration(runs),
  );
  if (pairs.length) {
    parts.push(...photosOf("A", pairs.filter(([a, b]) => a.isRight && !b.isRight)));
    parts.push(...photosOf("B", pairs.filter(([a, b]) => b.isRight && !a.isRight)));
  }
  place.replaceChildren(...parts);
}

// The address names the two runs: it can be opened again, and "back" leads to the last two.
function follow() {
  const names = location.hash.startsWith("#compare=") ? location.hash.slice(9).split("&") : [];
  const numbers = names.map((text) => {
    try {
      return all.runs.findIndex((run) => run.name === decodeURIComponent(text) && run.splits);
    } catch {
      return -1; // no address of this page
    }
  });
  if (numbers.length !== 2 || numbers.includes(-1)) return;
  selected = numbers.map((number) => rows[number]);
  show();
  showTwo(numbers.map((number) => all.runs[number]));
  const title = document.getElementById("comparison-title");
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
  document.getElementById("comparison").scrollIntoView();
}

for (const row of rows) {
  const box = row.querySelector("input");
  box.addEventListener("change", () => select(row, box.checked));
}
button.addEventListener("click", () => {
  const names = selected.map((row) => all.runs[row.dataset.row].name);
  const hash = `#compare=${names.map(encodeURIComponent).join("&")}`;
  if (location.hash === hash) follow();
  else location.hash = hash;
});
document.getElementById("filter").addEventListener("input", filter);
window.addEventListener("hashchange", follow);
filter();
show(); // a browser remembers what was selected before the page was loaded again
follow();
