// Puts the parts of the page that have changed in the place of the former ones, as the server sends them.
"use strict";
(() => {
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  const events = new EventSource(live.dataset.events);
  const show = (html) => {
    const sent = new DOMParser().parseFromString(html, "text/html");
    for (const part of sent.querySelectorAll("section[id]")) {
      const shown = document.getElementById(part.id);
      if (!shown || shown.innerHTML === part.innerHTML) continue;
      const focused = shown.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      shown.replaceChildren(...part.childNodes);
      if (focused) [...shown.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
    }
  };
  events.addEventListener("open", () => { connection.textContent = "Follows the run."; });
  events.addEventListener("error", () => { connection.textContent = "No connection to the server: trying again."; });
  events.addEventListener("standing", (event) => {
    show(JSON.parse(event.data));
    document.documentElement.dataset.standings = Number(document.documentElement.dataset.standings || 0) + 1;
  });
  events.addEventListener("problem", (event) => {
    events.close();
    connection.textContent = `The run cannot be followed: ${JSON.parse(event.data)}`;
  });
  events.addEventListener("end", () => {
    events.close();
    connection.textContent = connection.textContent.startsWith("The run") ? connection.textContent : "The run has ended.";
  });
})();
