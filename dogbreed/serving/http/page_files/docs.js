// The commands of /docs, with the address that this page came from.

const address = String(new URL("invocations", document.baseURI));
for (const line of document.querySelectorAll(".command-line")) {
  line.textContent = line.textContent.replace("http://127.0.0.1:8080/invocations", address);
}
