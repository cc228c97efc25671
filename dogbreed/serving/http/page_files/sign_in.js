// Served in place of a page that is opened without the token: asks for it, then shows the page.

import { authorization, forget, remember } from "./token.js";

const FRAGMENT = "#token="; // browsers don't send the part of an address after #
const SENDABLE = /^Bearer [\x21-\x7e]+$/; // a header can't contain every character
const byId = (id) => document.getElementById(id);

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  remember(byId("token").value.trim());
  show();
});
window.addEventListener("hashchange", start);
start();

function start() {
  if (location.hash.startsWith(FRAGMENT)) {
    remember(location.hash.slice(FRAGMENT.length));
    history.replaceState(null, "", location.pathname + location.search); // out of the address bar
  }
  if (authorization().Authorization) show();
  else prompt("");
}

/** Show the page of this address, or why it can't be shown. */
async function show() {
  const headers = authorization();
  if (!SENDABLE.test(headers.Authorization)) return refuse();
  try {
    const response = await fetch(location.pathname + location.search, { headers });
    if (response.status === 401) return refuse();
    const text = await response.text();
    if (response.headers.get("Content-Type").startsWith("text/html")) return await replace(text);
    const plain = document.createElement("pre");
    plain.textContent = text;
    document.body.replaceChildren(plain);
  } catch {
    prompt("The server can't be reached: is it still running?");
  }
}

async function replace(html) {
  window.removeEventListener("hashchange", start);
  const page = new DOMParser().parseFromString(html, "text/html");
  const scripts = Array.from(page.querySelectorAll("script[type=module]"), ({ src }) => src);
  document.documentElement.replaceWith(document.adoptNode(page.documentElement));
  for (const script of scripts) await import(script); // scripts of a parsed document don't run
}

function refuse() {
  forget();
  prompt("This isn’t the server’s token.");
}

function prompt(sentence) {
  byId("sign-in").hidden = false;
  byId("fault").textContent = sentence;
  byId("token").setAttribute("aria-invalid", String(Boolean(sentence)));
  byId("token").select();
}
