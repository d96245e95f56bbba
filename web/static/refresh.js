// Asks for the page again now and then and puts its living parts in place. Everything works without it.
"use strict";
(() => {
  const body = document.body;
  const { worker } = body.dataset;
  if (worker && "serviceWorker" in navigator) navigator.serviceWorker.register(worker, { scope: "/" });
  const offline = document.querySelector(".offline");
  const isKept = offline !== null && !offline.hidden; // shown by the service worker, whatever the address
  if (offline) {
    tellAge();
    setInterval(tellAge, 6e4);
  }

  // A view without a link says how old it is, by the world's clock.
  function tellAge() {
    const time = offline.querySelector("time");
    const minutes = Math.round((new Date(time.dateTime) - Date.now()) / 6e4);
    const [count, unit] = minutes > -90 ? [minutes, "minute"] : minutes > -2880 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
    time.textContent = new Intl.RelativeTimeFormat(document.documentElement.lang).format(Math.round(count), unit);
  }

  if (body.dataset.reload) {
    setTimeout(() => location.reload(), Number(body.dataset.reload) * 1000);
    return;
  }
  const every = Number(body.dataset.refresh) * 1000;
  if (!every) return;

  const parts = ["#live", "#thread", ".piles", ".top nav", ".foot time", ".offline"];
  const over = document.querySelector(".session-over");
  let paused = false;
  let failed = 0; // turns in a row that brought no page

  // What somebody has chosen or typed and not sent yet.
  function isTouched(field) {
    if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
    if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
    return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
  }

  const isBegun = (place) => [...place.querySelectorAll("select, textarea, input:not([type=hidden])")].some(isTouched);

  // Nothing moves under a pointer that is about to click, under the keyboard's focus, or under a form that is being filled in.
  function isInUse() {
    const live = document.getElementById("live");
    const focused = document.activeElement;
    return (
      document.hidden || live.querySelector("table.fleet:hover, .todo-list:hover, table.rows tr:has(a, button):hover") !== null ||
      (focused !== live && live.contains(focused)) || !document.getSelection().isCollapsed ||
      isBegun(live)
    );
  }

  function put(fresh) {
    for (const part of parts) {
      const old = document.querySelector(part);
      const next = fresh.querySelector(part);
      if (!old || !next || old.innerHTML === next.innerHTML) continue;
      if (document.activeElement !== old && old.contains(document.activeElement)) continue;
      const open = [...old.querySelectorAll("details")].map((one) => one.open);
      const regions = () => [old, ...old.querySelectorAll("[role=region]")];
      const scrolled = regions().map((one) => one.scrollTop);
      old.innerHTML = next.innerHTML;
      old.querySelectorAll("details").forEach((one, place) => (one.open = Boolean(open[place])));
      regions().forEach((one, place) => (one.scrollTop = scrolled[place] ?? 0));
    }
    tellAge();
    // A page whose story is over asks no more.
    if (!fresh.body.dataset.refresh) paused = true;
  }

  // What is shown ages without a word of it: after the second turn that brings nothing, the page says so.
  function tellLink(isThere) {
    failed = isThere ? 0 : failed + 1;
    if (!isKept) offline.hidden = failed < 2;
  }

  async function refresh() {
    if (!paused && !isInUse()) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        // The log-in form waits until what is half written anywhere on the page has been taken elsewhere.
        if (answer.status === 401 && !isBegun(document.querySelector("main"))) return location.reload();
        if (answer.ok && !isInUse()) {
          if (isKept) return location.reload(); // the link is back: the page that was asked for, in place of the kept one
          put(new DOMParser().parseFromString(await answer.text(), "text/html"));
        }
        over.hidden = answer.status !== 401;
        tellLink(answer.status < 500);
      } catch {
        tellLink(false);
      }
    }
    setTimeout(refresh, every);
  }

  const note = document.querySelector(".live-note");
  if (note) {
    const button = document.createElement("button");
    button.className = "quiet";
    button.textContent = note.dataset.pause;
    button.addEventListener("click", () => {
      paused = !paused;
      button.textContent = paused ? note.dataset.resume : note.dataset.pause;
    });
    note.append(button);
    note.hidden = false;
  }
  setTimeout(refresh, every);
})();
