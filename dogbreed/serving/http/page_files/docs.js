// Writes the server's address into the commands of /docs.

const address = String(new URL("invocations", document.baseURI));
for (const line of document.querySelectorAll(".command-line")) {
  line.textContent = line.textContent.replace("http://127.0.0.1:8080/invocations", address);
}
