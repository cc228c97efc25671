// Asks /invocations about a photo; what is too large to send soon is scaled down before.

import { authorization } from "./token.js";

// A model sees a few hundred pixels, and sending takes longer than answering. The shorter side
// stays large enough for the heat map, however long the other is.
const LONGEST_PX = 2048;
const SHORTEST_PX = 512;
const MOST_BYTES = 20 * 2 ** 20;
const JPEG_QUALITY = 0.92;
const FOREIGN = /^image\/hei[cf]/; // phones write it; the server can't read it, their browsers can

const MOST_TRIES = 30; // of a request that the server is too busy for
const PATIENCE_MS = 120_000;

/** Why there is no answer: a sentence for people, and whether asking again may help. */
export class Fault extends Error {
  constructor(sentence, temporary = false) {
    super(sentence);
    this.temporary = temporary;
  }
}

/** The server's entry for one photo, and how long it took. */
export async function ask(photo, parameters = {}) {
  const started = performance.now();
  for (let tries = 1; ; tries++) {
    const response = await post(photo, parameters);
    const body = await response.json().catch(() => null);
    if (response.ok && body) {
      const [entry] = body.predictions;
      return { ...entry, clientMs: performance.now() - started, modelMs: body.model_ms };
    }
    if (response.status === 429 && tries < MOST_TRIES) {
      await sleep(1000 * (Number(response.headers.get("Retry-After")) || 1));
      continue;
    }
    const temporary = [408, 429].includes(response.status) || response.status >= 500;
    const sentence = body?.error?.message ?? `The server gave no answer (HTTP ${response.status}).`;
    throw new Fault(sentence, temporary);
  }
}

async function post(photo, parameters) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const address = `invocations?${new URLSearchParams(parameters)}`;
    const headers = authorization();
    return await fetch(address, { method: "POST", headers, body: photo, signal });
  } catch (error) {
    const sentence =
      error.name === "TimeoutError"
        ? `The server hasn't answered for ${PATIENCE_MS / 1000} seconds.`
        : "The server can't be reached: is it still running?";
    throw new Fault(sentence, true);
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** What is sent for a file that `image` shows: its own bytes unless they are many, and a note. */
export async function prepared(file, image, maxBytes) {
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Fault("It can't be read: a folder, or a file that is gone?");
  });
  const { naturalWidth: width, naturalHeight: height } = image;
  const wanted = Math.max(LONGEST_PX / Math.max(width, height), SHORTEST_PX / Math.min(width, height));
  const scale = Math.min(1, wanted);
  if (width && (scale < 1 || file.size > MOST_BYTES || FOREIGN.test(file.type))) {
    const size = [Math.round(width * scale), Math.round(height * scale)];
    const smaller = await redrawn(image, ...size).catch(() => null);
    if (smaller) return { photo: smaller, note: `sent as ${size.join(" × ")} pixels` };
  }
  if (file.size > maxBytes) {
    const mega = (bytes) => Math.round(bytes / 2 ** 20);
    throw new Fault(
      `It has ${mega(file.size)} MiB, more than the ${mega(maxBytes)} that the server takes, ` +
        "and this browser can't scale it down.",
    );
  }
  return { photo: file, note: "" };
}

async function redrawn(image, width, height) {
  await image.decode(); // what can't be decoded would be drawn as nothing, without a word
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const drawing = canvas.getContext("2d");
  drawing.fillStyle = "white"; // under what is transparent, as the server has it
  drawing.fillRect(0, 0, width, height);
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(image, 0, 0, width, height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
}
