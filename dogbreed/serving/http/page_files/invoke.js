// Sends a photo to /invocations, scaled down if it is large.

import { authorization } from "./token.js";

// A model sees a few hundred pixels, and sending takes longer than computing. The shorter side stays
// large enough for the Grad-CAM overlay, however long the other is.
const LONGEST_PX = 2048;
const SHORTEST_PX = 512;
const MAX_UNSCALED_BYTES = 20 * 2 ** 20;
const JPEG_QUALITY = 0.92;
const HEIC = /^image\/hei[cf]/; // phones write it; their browsers can decode it, the server may not

const MAX_TRIES = 30; // of a request that gets 429
const TIMEOUT_MS = 120_000;

/** Why a photo has no prediction: a sentence for people, and whether a retry may help. */
export class Fault extends Error {
  constructor(sentence, temporary = false) {
    super(sentence);
    this.temporary = temporary;
  }
}

/** The response's entry for one photo, with the times that it took. */
export async function invoke(photo, parameters = {}) {
  const started = performance.now();
  for (let tries = 1; ; tries++) {
    const response = await post(photo, parameters);
    const body = await response.json().catch(() => null);
    if (response.ok && body) {
      const [entry] = body.predictions;
      return { ...entry, clientMs: performance.now() - started, modelMs: body.model_ms };
    }
    if (response.status === 429 && tries < MAX_TRIES) {
      await sleep(1000 * (Number(response.headers.get("Retry-After")) || 1));
      continue;
    }
    const temporary = [408, 429].includes(response.status) || response.status >= 500;
    const sentence = body?.error?.message ?? `The server sent no valid response (HTTP ${response.status}).`;
    throw new Fault(sentence, temporary);
  }
}

async function post(photo, parameters) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const address = `invocations?${new URLSearchParams(parameters)}`;
    const headers = authorization();
    return await fetch(address, { method: "POST", headers, body: photo, signal });
  } catch (error) {
    const sentence =
      error.name === "TimeoutError"
        ? `The server hasn't responded for ${TIMEOUT_MS / 1000} seconds.`
        : "The server can't be reached: is it still running?";
    throw new Fault(sentence, true);
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** The photo to send for a file that `image` shows, scaled down if it is large, and a note. */
export async function prepared(file, image, maxBytes) {
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Fault("It can't be read: is it a folder, or was it moved?");
  });
  const { naturalWidth: width, naturalHeight: height } = image;
  const fitting = Math.max(LONGEST_PX / Math.max(width, height), SHORTEST_PX / Math.min(width, height));
  const scale = Math.min(1, fitting);
  if (width && (scale < 1 || file.size > MAX_UNSCALED_BYTES || HEIC.test(file.type))) {
    const size = [Math.round(width * scale), Math.round(height * scale)];
    const smaller = await redrawn(image, ...size).catch(() => null);
    if (smaller) return { photo: smaller, note: `sent as ${size.join(" × ")} pixels` };
  }
  if (file.size > maxBytes) {
    const mega = (bytes) => Math.round(bytes / 2 ** 20);
    throw new Fault(
      `It has ${mega(file.size)} MiB, the server accepts ${mega(maxBytes)}, and this browser can't ` +
        "scale it down.",
    );
  }
  return { photo: file, note: "" };
}

async function redrawn(image, width, height) {
  await image.decode(); // an image that can't be decoded would be drawn as nothing, without an error
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const drawing = canvas.getContext("2d");
  drawing.fillStyle = "white"; // under transparent parts, as in the server
  drawing.fillRect(0, 0, width, height);
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(image, 0, 0, width, height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
}
