// Puts zoomable drawings in the place of the still ones, in the page's language and in Guinea's time. The server is
// the one truth: a zoom is a new address, whose answer is put in place. Everything works without it.
"use strict";
(() => {
  const ZONE = "Africa/Conakry";
  const COLOURS = ["#0a5a78", "#b97900", "#8a3f6a", "#1b6a3d", "#a9241c", "#40566a"];
  let plots = [];
  let asked = null; // the address whose answer is under way, and how to give it up
  let shown = location.pathname + location.search;

  const place = () => document.getElementById("answer");

  function words(language) {
    const locale = language === "fr" ? "fr-GN" : "en-GB";
    const named = (options, dates) =>
      dates.map((at) => new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }).format(at));
    const months = [...Array(12).keys()].map((month) => Date.UTC(2026, month, 15));
    const days = [...Array(7).keys()].map((day) => Date.UTC(2026, 1, 1 + day)); // 1 February 2026 is a Sunday
    const names = {
      MMMM: named({ month: "long" }, months),
      MMM: named({ month: "short" }, months),
      WWWW: named({ weekday: "long" }, days),
      WWW: named({ weekday: "short" }, days),
    };
    const number = new Intl.NumberFormat(locale, { maximumSignificantDigits: 4 });
    return { names, number: (value) => (value == null ? "—" : number.format(value)) };
  }

  // From this distance between ticks on [s]: how a tick is written, and what stands under it where day or year change.
  const TICKS = [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  ];

  function draw() {
    for (const plot of plots) plot.destroy();
    plots = [];
    const answer = place();
    const { language, time, now, then } = answer.dataset;
    const { names, number } = words(language);
    const { t0, dt, tracks } = JSON.parse(document.getElementById("columns").textContent);
    const figures = answer.querySelectorAll("figure.curve");
    tracks.forEach((track, index) => {
      const still = figures[index].querySelector(".still");
      const box = document.createElement("div");
      box.className = "lively";
      box.setAttribute("aria-hidden", "true"); // the sentence above and the table below say the same
      still.after(box);
      still.hidden = true;
      const t = track.value.map((_, step) => t0 + dt * (step + 0.5));
      const series = [
        { label: time, value: "{D} {MMM} {HH}:{mm}" },
        { label: now, stroke: COLOURS[index % 6], width: 1.8, value: (_, value) => number(value), spanGaps: false },
      ];
      const columns = [t, track.value];
      if (track.reference) {
        columns.push(track.reference);
        series.push({ label: then, stroke: "#15222b", width: 1.2, dash: [5, 3], value: (_, value) => number(value) });
      }
      const options = {
        width: box.clientWidth, height: 190,
        series,
        fmtDate: (template) => uPlot.fmtDate(template, names),
        tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), ZONE),
        scales: { x: { range: [t0, t0 + dt * t.length] } },
        axes: [
          { values: TICKS, stroke: "#50616d", grid: { stroke: "#e6ecef" } },
          { size: 52, stroke: "#50616d", grid: { stroke: "#e6ecef" }, values: (_, ticks) => ticks.map(number) },
        ],
        cursor: { sync: { key: "answer" }, drag: { x: true, y: false, setScale: false } },
        hooks: { setSelect: [(plot) => zoom(plot)] },
      };
      plots.push(new uPlot(options, columns, box));
    });
    answer.querySelector(".still-axis").hidden = true;
    read(answer, { t0, dt, tracks, names, number, figures });
    let hint = answer.querySelector(".hint");
    if (!hint) {
      hint = document.createElement("p");
      hint.className = "hint basis";
      hint.role = "status";
      answer.querySelector(".keys").before(hint);
    }
    // uPlot knows no fingers.
    hint.textContent = matchMedia("(hover: hover) and (pointer: fine)").matches ? answer.dataset.hint : answer.dataset.byDates;
  }

  // One cursor for all drawings that arrow keys move, and what stands under it in words.
  function read(answer, { t0, dt, tracks, names, number, figures }) {
    answer.querySelector(".read")?.remove();
    if (!tracks.length) return;
    const place = document.createElement("p");
    const [label, slider, told] = ["label", "input", "output"].map((kind) => document.createElement(kind));
    place.className = "read";
    Object.assign(slider, { type: "range", id: "reader", min: 0, max: tracks[0].value.length - 1, value: 0 });
    [label.htmlFor, label.textContent] = ["reader", answer.dataset.read];
    told.htmlFor = "reader";
    const date = uPlot.fmtDate("{D} {MMM} {HH}:{mm}", names);
    const titles = [...figures].map((figure) => figure.querySelector("h2"));
    slider.addEventListener("input", () => {
      const step = Number(slider.value);
      const at = t0 + dt * (step + 0.5);
      for (const plot of plots) plot.setCursor({ left: plot.valToPos(at, "x"), top: -1 }, false);
      const values = tracks.map((track, index) => {
        const unit = titles[index].querySelector(".unit").textContent.trim();
        const then = track.reference ? ` (${answer.dataset.then} ${number(track.reference[step])})` : "";
        return `${titles[index].firstChild.textContent.trim()} ${number(track.value[step])} ${unit}${then}`;
      });
      told.textContent = [date(uPlot.tzDate(new Date(at * 1e3), ZONE)), ...values].join(" · ");
      slider.setAttribute("aria-valuetext", told.textContent);
    });
    place.append(label, slider, told);
    answer.querySelector(".keys").before(place);
  }

  const written = (seconds) => new Date(Math.round(seconds / 60) * 6e4).toISOString().slice(0, 16);

  function zoom(plot) {
    const { left, width } = plot.select;
    if (width < 8) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    if (to - from < 600) return;
    const address = new URL(location.href);
    address.searchParams.set("du", written(from));
    address.searchParams.set("au", written(to));
    const channels = [...document.querySelectorAll('.ask input[name="v"]')].filter((one) => one.defaultChecked).map((one) => one.value);
    address.searchParams.delete("v");
    if (channels.length) address.searchParams.set("v", channels.join(","));
    show(address.href, true);
  }

  async function show(address, isNew) {
    if (asked?.address === address) return; // each drawing tells of the one zoom
    asked?.giveUp.abort();
    const turn = (asked = { address, giveUp: new AbortController() });
    place().setAttribute("aria-busy", "true");
    let text = null;
    try {
      const got = await fetch(address, { credentials: "same-origin", signal: turn.giveUp.signal });
      if (!got.ok) return location.assign(address);
      text = await got.text();
    } catch {
      // The link is down, or another zoom was asked for.
    }
    if (turn !== asked) return;
    asked = null;
    place().removeAttribute("aria-busy");
    if (text === null) return stay();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of ["#answer", ".ask", ".tools"]) {
      document.querySelector(part).innerHTML = fresh.querySelector(part).innerHTML;
    }
    if (isNew) history.pushState(null, "", address);
    shown = location.pathname + location.search;
    draw();
  }

  // The service worker would answer a navigation with the overview: whoever studies a drawing keeps it.
  function stay() {
    for (const plot of plots) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    place().querySelector(".hint").textContent = place().dataset.down;
  }

  // Paper gets the still drawings: they are sharp at any size.
  function flip(isStill) {
    document.querySelectorAll(".still, .still-axis").forEach((one) => (one.hidden = !isStill));
    document.querySelectorAll(".lively").forEach((one) => (one.hidden = isStill));
  }

  function begin() {
    draw();
    addEventListener("popstate", () => {
      if (shown !== location.pathname + location.search) show(location.href, false);
    });
    addEventListener("resize", () => plots.forEach((plot) => plot.setSize({ width: plot.root.parentNode.clientWidth, height: 190 })));
    addEventListener("beforeprint", () => flip(true));
    addEventListener("afterprint", () => flip(false));
  }

  // The still drawings are there first: what can be zoomed comes when the page has been painted.
  if (place() && typeof uPlot !== "undefined") requestAnimationFrame(() => setTimeout(begin));
})();
