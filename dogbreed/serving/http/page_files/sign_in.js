// In place of any page that is opened without the server's token: asks for it, then shows the page.

import { authorization, forget, remember } from "./token.js";

const FRAGMENT = "#token="; // what follows it in an address stays in the browser
const SENDABLE = /^Bearer [\x21-\x7e]+$/; // a header can't hold every sign
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
    history.replaceState(null, "", location.pathname + location.search); // out of sight
  }
  if (authorization().Authorization) show();
  else prompt("");
}

/** Show what this address has, or say why not. */
async function show() {
  const headers = authorization();
  if (!SENDABLE.test(headers.Authorization)) return refuse();
  try {
    const answer = await fetch(location.pathname + location.search, { headers });
    if (answer.status === 401) return refuse();
    const text = await answer.text();
    if (answer.headers.get("Content-Type").startsWith("text/html")) return await replace(text);
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
  for (const script of scripts) await import(script); // those of a parsed text don't run
}

function refuse() {
  forget();
  prompt("That isn’t this server’s token.");
}

function prompt(sentence) {
  byId("sign-in").hidden = false;
  byId("fault").textContent = sentence;
  byId("token").setAttribute("aria-invalid", String(Boolean(sentence)));
  byId("token").select();
}
