// Draws a page's charts from the JSON in the page, and sorts its tables.
"use strict";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures");
const texts = read("texts");
// Each text is in the page once, however many points have it.
for (const trace of Object.values(figures).flatMap((figure) => figure.data)) {
  if (trace.interned) trace.text = trace.text.map((number) => texts[number]);
}
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const touch = window.matchMedia("(pointer: coarse)").matches;

function colours() {
  const style = getComputedStyle(document.body);
  const family = style.fontFamily;
  return { font: { family, size: 12, color: style.color }, hoverlabel: { font: { family } } };
}

// A page that was fetched from S3 is in a frame, where a link to a section would lead out of it.
if (location.href === "about:srcdoc") {
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById(link.hash.slice(1))?.scrollIntoView();
    });
  }
}

const settings = {
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  responsive: true,
  showTips: false,
};

for (const [key, figure] of Object.entries(figures)) {
  const layout = { ...figure.layout, ...colours() };
  if (touch) layout.dragmode = false; // a finger on a chart scrolls the page
  Plotly.newPlot(key, figure.data, layout, settings);
}

dark.addEventListener("change", () => {
  for (const key of Object.keys(figures)) Plotly.relayout(key, colours());
});

// Charts are as wide as the screen was; paper is not.
window.addEventListener("beforeprint", () => {
  for (const key of Object.keys(figures)) Plotly.Plots.resize(key);
});

// Columns whose heading says so hold text; all else are numbers.
function compare(text, a, b) {
  return text ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}

function sort(table, column, descending) {
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const text = table.tHead.rows[0].cells[column].hasAttribute("data-text");
  const rows = [...table.tBodies[0].rows];
  // What has no value stands last in either direction.
  rows.sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return descending ? compare(text, b, a) : compare(text, a, b);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.ariaSort === "ascending";
      for (const other of heads) other.ariaSort = "none";
      head.ariaSort = descending ? "descending" : "ascending";
      sort(table, column, descending);
    });
  });
}
