// The page: photos that are dropped, pasted or chosen become cards, and each card gets its answer.

import { Fault, ask, prepared } from "./asking.js";

// Requests under way: the server answers them together, and a browser opens six connections.
const AT_ONCE = 4;

const byId = (id) => document.getElementById(id);
const threshold = Number(document.body.dataset.threshold);
const maxBytes = Number(document.body.dataset.maxBytes);
const waiting = [];
let underWay = 0;

// Photos come in

byId("zone").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  add(target.files);
  target.value = ""; // the same photo may be chosen again
});
document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
// The whole page takes them: a browser would leave it for a photo dropped beside the zone.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging"); // it has left the window
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add(event.dataTransfer.files);
});
byId("clear").addEventListener("click", () => {
  waiting.length = 0;
  for (const image of document.querySelectorAll(".photo")) URL.revokeObjectURL(image.src);
  byId("photos").replaceChildren();
  byId("spoken").replaceChildren();
  showProgress();
  byId("choose").focus();
});

function add(files) {
  if (!files.length) return;
  const cards = Array.from(files, newCard);
  byId("photos").prepend(...cards.map((card) => card.item)); // the newest are nearest
  speak(files.length === 1 ? "Looking at a photo" : `Looking at ${files.length} photos`);
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
  card.find(".explain").addEventListener("click", () => toggleHeat(card));
  return card;
}

const cloneOf = (id) => byId(id).content.cloneNode(true).firstElementChild;

/** When the image is loaded, or is known to be none that this browser can show. */
function settled(image) {
  return new Promise((done) => {
    image.addEventListener("load", done, { once: true });
    image.addEventListener("error", done, { once: true });
  });
}

// Answers come back

function enqueue(cards) {
  for (const card of cards) {
    card.find("article").ariaBusy = "true";
    card.find("article").classList.remove("failed");
    card.find("h3").textContent = "Looking…";
    say(card, "");
  }
  waiting.push(...cards);
  while (underWay < AT_ONCE && waiting.length) work();
  showProgress();
}

async function work() {
  underWay++;
  while (waiting.length) {
    await fill(waiting.shift());
    showProgress();
  }
  underWay--;
}

async function fill(card) {
  const image = card.find(".photo");
  try {
    await card.settled;
    card.find(".picture").classList.toggle("unseen", !image.naturalWidth);
    card.sent = await prepared(card.file, image, maxBytes);
    show(card, await ask(card.sent.photo));
  } catch (error) {
    showFault(card, error);
  }
  card.find("article").ariaBusy = "false";
}

function show(card, { unknown, breeds, clientMs, modelMs }) {
  const best = printable(breeds[0].breed);
  const guess = `${best}, ${percent(breeds[0].probability)}`;
  const doubt = `No breed reaches ${percent(threshold)}. The best guesses:`;
  card.find("article").classList.toggle("unknown", unknown);
  card.find("h3").textContent = unknown ? "Unknown" : best;
  say(card, unknown ? doubt : "");
  card.find(".breeds").replaceChildren(...breeds.map(newBar));
  const time = `Answered in ${milliseconds(clientMs)}, ${milliseconds(modelMs)} of it in the server`;
  card.find(".note").textContent = [time, card.sent.note].filter(Boolean).join("; ");
  const explain = card.find(".explain");
  explain.textContent = `What speaks for ${best}`;
  explain.hidden = false;
  if (document.activeElement === card.find(".again")) explain.focus(); // it goes
  card.find(".again").hidden = true;
  speak(unknown ? `unknown. ${doubt} ${guess}` : guess, card);
}

function newBar({ breed, probability }) {
  const item = cloneOf("bar");
  const name = printable(breed);
  item.querySelector(".breed").textContent = name;
  item.querySelector(".percent").textContent = percent(probability);
  Object.assign(item.querySelector("meter"), { value: probability, ariaLabel: name });
  return item;
}

function showFault(card, error) {
  const sentence = sentenceOf(error);
  card.find("article").classList.add("failed");
  card.find("h3").textContent = "No answer";
  say(card, sentence);
  card.find(".again").hidden = !error.temporary;
  speak(`no answer. ${sentence}`, card);
}

/** Show what speaks for the likeliest breed, or the photo again; the server is asked once. */
async function toggleHeat(card) {
  const [button, heat] = [card.find(".explain"), card.find(".heat")];
  if (button.ariaBusy === "true") return;
  if (!heat.src && !(await fetchHeat(card, button, heat))) return;
  heat.hidden = !heat.hidden;
  card.find(".legend").hidden = heat.hidden;
  button.ariaPressed = String(!heat.hidden);
  speak(heat.hidden ? "the photo again" : heat.alt, card);
}

/** Whether the heat map is there now. */
async function fetchHeat(card, button, heat) {
  button.ariaBusy = "true";
  say(card, "Looking closer; the first time may take some seconds.", ".closer");
  try {
    const { explanation } = await ask(card.sent.photo, { explain: true, top_k: 1 });
    heat.src = `data:image/jpeg;base64,${explanation}`;
    heat.alt = `Heat map: ${button.textContent} is bright`;
    await heat.decode();
    say(card, "", ".closer");
    return true;
  } catch (error) {
    heat.removeAttribute("src");
    say(card, sentenceOf(error), ".closer");
    speak(sentenceOf(error), card);
    return false;
  } finally {
    button.ariaBusy = "false";
  }
}

// Words

/** A text with escapes for what can't be seen, breaks a line or turns the direction of others. */
function printable(text) {
  const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;
  return text.replace(hidden, (letter) => `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`);
}

function sentenceOf(error) {
  if (error instanceof Fault) return error.message;
  console.error(error);
  return "This page has failed on it.";
}

function say(card, sentence, where = ".said") {
  card.find(where).textContent = sentence;
  card.find(where).hidden = !sentence;
}

/** To who listens instead of looking. */
function speak(words, card) {
  if (card && !card.item.isConnected) return; // cleared away meanwhile
  const line = document.createElement("p");
  line.textContent = card ? `${card.name}: ${words}` : words;
  byId("spoken").append(line);
}

function showProgress() {
  const all = byId("photos").children.length;
  const open = byId("photos").querySelectorAll(':scope > li > [aria-busy="true"]').length;
  byId("answers").hidden = !all;
  byId("progress").textContent = open && all > 1 ? `${all - open} of ${all}` : "";
}

function percent(share) {
  return share > 0 && share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

const milliseconds = (ms) => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

// The command

byId("address").textContent = new URL("invocations", document.baseURI);
byId("copy").hidden = !navigator.clipboard; // as on a page that isn't this machine's, without TLS
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("command").textContent);
  byId("copy").textContent = "Copied";
  speak("The command is copied");
});
