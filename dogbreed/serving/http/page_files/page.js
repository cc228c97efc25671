// The page: each photo that is dropped, pasted or chosen becomes a card with its prediction.

import { Fault, invoke, prepared } from "./invoke.js";

// The server computes concurrent requests as one batch, and a browser opens six connections.
const MAX_REQUESTS = 4;

const byId = (id) => document.getElementById(id);
const { noun } = document.body.dataset; // what the model calls a class
const threshold = Number(document.body.dataset.threshold);
const maxBytes = Number(document.body.dataset.maxBytes);
const queue = [];
let requests = 0;

// Photos added

byId("zone").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  add(target.files);
  target.value = ""; // the same photo may be chosen again
});
document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
// The entire page accepts drops: beside the zone, a browser would open the photo in its place.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging"); // the pointer has left the window
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add(event.dataTransfer.files);
});
byId("clear").addEventListener("click", () => {
  queue.length = 0;
  for (const image of document.querySelectorAll(".photo")) URL.revokeObjectURL(image.src);
  byId("photos").replaceChildren();
  byId("announcements").replaceChildren();
  showProgress();
  byId("choose").focus();
});

function add(files) {
  if (!files.length) return;
  const cards = Array.from(files, newCard);
  byId("photos").prepend(...cards.map((card) => card.item)); // the newest first
  speak(files.length === 1 ? "Classifying a photo" : `Classifying ${files.length} photos`);
  enqueue(cards);
}

function newCard(file) {
  const item = cloneOf("card");
  const card = { file, item, find: (selector) => item.querySelector(selector) };
  card.name = printable(file.name);
  card.find(".name").textContent = card.name;
  card.find("article").ariaLabel = card.name;
  const image = card.find(".photo");
  card.settled = settled(image);
  image.src = URL.createObjectURL(file);
  card.find(".again").addEventListener("click", () => enqueue([card]));
  card.find(".explain").addEventListener("click", () => toggleOverlay(card));
  return card;
}

const cloneOf = (id) => byId(id).content.cloneNode(true).firstElementChild;

/** Resolves when the image is loaded, or when this browser can't show it. */
function settled(image) {
  return new Promise((done) => {
    image.addEventListener("load", done, { once: true });
    image.addEventListener("error", done, { once: true });
  });
}

// Predictions shown

function enqueue(cards) {
  for (const card of cards) {
    card.find("article").ariaBusy = "true";
    card.find("article").classList.remove("failed");
    card.find("h3").textContent = "Classifying…";
    showMessage(card, "");
  }
  queue.push(...cards);
  while (requests < MAX_REQUESTS && queue.length) work();
  showProgress();
}

async function work() {
  requests++;
  while (queue.length) {
    await fill(queue.shift());
    showProgress();
  }
  requests--;
}

async function fill(card) {
  const image = card.find(".photo");
  try {
    await card.settled;
    card.find(".picture").classList.toggle("unseen", !image.naturalWidth);
    card.sent = await prepared(card.file, image, maxBytes);
    show(card, await invoke(card.sent.photo));
  } catch (error) {
    showFault(card, error);
  }
  card.find("article").ariaBusy = "false";
}

function show(card, { unknown, classes, clientMs, modelMs }) {
  const best = printable(classes[0].label);
  const guess = `${best}, ${percent(classes[0].probability)}`;
  const doubt = `No ${noun} reaches ${percent(threshold)}. The best guesses:`;
  card.find("article").classList.toggle("unknown", unknown);
  card.find("h3").textContent = unknown ? "Unknown" : best;
  showMessage(card, unknown ? doubt : "");
  card.find(".classes").replaceChildren(...classes.map(newBar));
  const time = `${milliseconds(clientMs)}, of which ${milliseconds(modelMs)} in the server`;
  card.find(".note").textContent = [time, card.sent.note].filter(Boolean).join("; ");
  const explain = card.find(".explain");
  explain.textContent = `Evidence for ${best}`;
  explain.hidden = false;
  if (document.activeElement === card.find(".again")) explain.focus(); // it is hidden next
  card.find(".again").hidden = true;
  speak(unknown ? `unknown. ${doubt} ${guess}` : guess, card);
}

function newBar({ label, probability }) {
  const item = cloneOf("bar");
  const name = printable(label);
  item.querySelector(".label").textContent = name;
  item.querySelector(".percent").textContent = percent(probability);
  Object.assign(item.querySelector("meter"), { value: probability, ariaLabel: name });
  return item;
}

function showFault(card, error) {
  const sentence = sentenceOf(error);
  card.find("article").classList.add("failed");
  card.find("h3").textContent = "No prediction";
  showMessage(card, sentence);
  card.find(".again").hidden = !error.temporary;
  speak(`no prediction. ${sentence}`, card);
}

/** Show the Grad-CAM overlay of the most likely class, or the photo; it is requested once. */
async function toggleOverlay(card) {
  const [button, overlay] = [card.find(".explain"), card.find(".overlay")];
  if (button.ariaBusy === "true") return;
  if (!overlay.src && !(await fetchOverlay(card, button, overlay))) return;
  overlay.hidden = !overlay.hidden;
  card.find(".legend").hidden = overlay.hidden;
  button.ariaPressed = String(!overlay.hidden);
  speak(overlay.hidden ? "the photo" : overlay.alt, card);
}

/** Whether the overlay could be fetched. */
async function fetchOverlay(card, button, overlay) {
  button.ariaBusy = "true";
  showMessage(card, "Computing; the first time may take some seconds.", ".overlay-message");
  try {
    const { explanation } = await invoke(card.sent.photo, { explain: true, top_k: 1 });
    overlay.src = `data:image/jpeg;base64,${explanation}`;
    overlay.alt = `Grad-CAM overlay: ${button.textContent.toLowerCase()} is bright`;
    await overlay.decode();
    showMessage(card, "", ".overlay-message");
    return true;
  } catch (error) {
    overlay.removeAttribute("src");
    showMessage(card, sentenceOf(error), ".overlay-message");
    speak(sentenceOf(error), card);
    return false;
  } finally {
    button.ariaBusy = "false";
  }
}

// Texts

/** A text with escapes for invisible characters, line breaks and marks of writing direction. */
function printable(text) {
  const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;
  return text.replace(hidden, (letter) => `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`);
}

function sentenceOf(error) {
  if (error instanceof Fault) return error.message;
  console.error(error);
  return "This page failed: the browser's console has the error.";
}

function showMessage(card, sentence, where = ".message") {
  card.find(where).textContent = sentence;
  card.find(where).hidden = !sentence;
}

/** Announce a sentence to screen readers. */
function speak(sentence, card) {
  if (card && !card.item.isConnected) return; // it was cleared
  const line = document.createElement("p");
  line.textContent = card ? `${card.name}: ${sentence}` : sentence;
  byId("announcements").append(line);
}

function showProgress() {
  const all = byId("photos").children.length;
  const open = byId("photos").querySelectorAll(':scope > li > [aria-busy="true"]').length;
  byId("predictions").hidden = !all;
  byId("progress").textContent = open && all > 1 ? `${all - open} of ${all}` : "";
}

function percent(fraction) {
  return fraction > 0 && fraction < 0.0005 ? "< 0.1 %" : `${(100 * fraction).toFixed(1)} %`;
}

const milliseconds = (ms) => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

// The command

byId("address").textContent = new URL("invocations", document.baseURI);
byId("copy").hidden = !navigator.clipboard; // not available over http from another machine
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("command").textContent);
  byId("copy").textContent = "Copied";
  speak("Command copied");
});
