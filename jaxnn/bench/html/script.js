// What a page does beyond being read: sorting, filters, values under the pointer, copying, dark.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const data = JSON.parse(document.getElementById("_data").textContent);
  const said = document.getElementById("_said");

  function make(tag, text = "", attributes = {}) {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  // Light or dark: the reader's system decides until the reader does.
  const theme = document.getElementById("_theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("jaxnn-theme", root.dataset.theme); } catch { /* not kept */ }
    nameTheme();
  });
  prefersDark.addEventListener("change", nameTheme);
  nameTheme();

  // Tables: a button in each head. What has no value comes last in both directions.
  const collator = new Intl.Collator("en", { numeric: true });
  function sort(head) {
    const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    const numeric = head.dataset.kind === "number" || head.dataset.kind === "interval";
    const first = head.dataset.better === "high" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[column], value = cell.dataset.value;
      const text = cell.textContent.trim();
      if (numeric || value !== undefined) {
        return { row, last: value === undefined, value: Number({ inf: Infinity, "-inf": -Infinity }[value] ?? value) };
      }
      return { row, last: text === "–" || text === "", value: text };
    });
    const compare = (a, b) => {
      if (typeof a === "number" && typeof b === "number") return a < b ? -1 : Number(a > b);
      return collator.compare(a, b);
    };
    keyed.sort((a, b) => {
      if (a.last || b.last) return Number(a.last) - Number(b.last);
      return sign * compare(a.value, b.value);
    });
    body.append(...keyed.map((one) => one.row));
    for (const each of head.parentElement.cells) each.setAttribute("aria-sort", each === head ? order : "none");
  }
  for (const head of all("thead th")) {
    const button = make("button", "", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(head));
  }

  // Filters: a row or a series without a tag is always shown.
  const groups = all("fieldset[data-tag]");
  const tagged = all("tbody tr, .series, .legend li");
  const sections = all("section.table, section.lines");
  function filter() {
    const dropped = {};
    for (const group of groups) {
      const boxes = all("input", group).filter((box) => !box.checked);
      dropped[group.dataset.tag] = new Set(boxes.map((box) => box.value));
    }
    for (const one of tagged) {
      const out = Object.entries(dropped).some(([tag, values]) => values.has(one.dataset[tag]));
      one.toggleAttribute("hidden", out);
    }
    for (const section of sections) {
      const parts = all("tbody tr, .series", section);
      const empty = parts.length > 0 && parts.every((part) => part.hasAttribute("hidden"));
      section.querySelector(".empty").hidden = !empty;
      section.classList.toggle("gone", empty);
      for (const part of all(".scroll, .caption, .chart", section)) part.hidden = empty;
      document.querySelector(`nav a[href="#${section.id}"]`).classList.toggle("gone", empty);
    }
    for (const chart of charts) chart.leave();
  }
  for (const group of groups) {
    group.addEventListener("change", filter);
    for (const button of all("button", group)) {
      button.addEventListener("click", () => {
        for (const box of all("input", group)) box.checked = Boolean(button.dataset.all);
        filter();
      });
    }
  }

  // Copying, without a network or a permission: where it is refused, the text is selected.
  async function copy(button, source) {
    let done = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      try { done = document.execCommand("copy"); } catch { done = false; }
    }
    said.textContent = button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  }
  for (const block of all(".listing")) {
    const button = make("button", "Copy", { type: "button" });
    block.append(button);
    button.addEventListener("click", () => copy(button, block.querySelector("code")));
  }

  // Charts: the nearest point under the pointer, or under the arrow keys.
  function number(value) {
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en").replace("-", "−");
    const size = Math.abs(value);
    const text = size >= 1e6 || size < 1e-4
      ? value.toExponential(3).replace("e+", "e")
      : value.toLocaleString("en", { maximumSignificantDigits: 4 });
    return text.replaceAll("-", "−");
  }
  function share(axis, value) {
    const along = axis.log ? Math.log : (x) => x;
    return (along(value) - along(axis.low)) / (along(axis.high) - along(axis.low));
  }

  class Chart {
    constructor(given) {
      this.given = given;
      this.figure = document.getElementById(given.id);
      this.plot = this.figure.querySelector(".plot");
      this.svg = this.plot.querySelector("svg");
      this.groups = all(".series", this.figure);
      this.tip = make("div", "", { class: "tip", hidden: "" });
      this.plot.append(this.tip);
      this.ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      this.ring.setAttribute("class", "ring");
      this.ring.setAttribute("r", "7");
      this.at = null;
      const help = `${this.svg.getAttribute("aria-label")} Left and right go along a line, up and down to another.`;
      for (const [name, value] of [["tabindex", "0"], ["role", "application"], ["aria-label", help]]) {
        this.plot.setAttribute(name, value);
      }
      this.plot.addEventListener("pointermove", (event) => this.follow(event));
      this.plot.addEventListener("pointerdown", (event) => this.follow(event));
      this.plot.addEventListener("pointerleave", () => this.leave());
      this.plot.addEventListener("blur", () => this.leave());
      this.plot.addEventListener("keydown", (event) => this.press(event));
      all(".legend li", this.figure).forEach((item, index) => {
        const button = make("button", "", { type: "button", "aria-pressed": "true" });
        button.append(...item.childNodes);
        item.append(button);
        button.addEventListener("click", () => {
          const shown = button.getAttribute("aria-pressed") !== "true";
          button.setAttribute("aria-pressed", String(shown));
          this.groups[index].style.display = shown ? "" : "none";
          this.leave();
        });
      });
    }

    // The points of each series as shares of the picture, made when they are first needed.
    get points() {
      this.made ??= this.given.series.map((one) => {
        const xs = this.given.xs[one.x];
        return one.y.flatMap((y, i) => {
          if (y === null || xs[i] === null) return [];
          const at = { i, left: share(this.given.x, xs[i]), top: 1 - share(this.given.y, y) };
          return Number.isFinite(at.left + at.top) ? [at] : [];
        });
      });
      return this.made;
    }

    shown(index) {
      const group = this.groups[index];
      return !group.hasAttribute("hidden") && group.style.display !== "none" && this.points[index].length > 0;
    }

    nearest(left, top, only = null) {
      const box = this.svg.getBoundingClientRect();
      let best = null, least = Infinity;
      this.points.forEach((points, series) => {
        if (!this.shown(series) || (only !== null && series !== only)) return;
        points.forEach((point, place) => {
          const far = Math.hypot((point.left - left) * box.width, (point.top - top) * box.height);
          if (far < least) { least = far; best = { series, place }; }
        });
      });
      return best;
    }

    follow(event) {
      const box = this.svg.getBoundingClientRect();
      const near = this.nearest((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      if (near) this.show(near);
    }

    press(event) {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (event.key === "Escape") this.leave();
      const far = { Home: -Infinity, End: Infinity }[event.key];
      const [across, along] = moves[event.key] ?? (far ? [0, far] : []);
      if (across === undefined) return;
      event.preventDefault();
      const shown = this.points.map((_, index) => index).filter((index) => this.shown(index));
      if (!shown.length) return;
      if (!this.at || !this.shown(this.at.series)) {
        this.show({ series: shown[0], place: 0 }, true);
      } else if (across) {
        const next = shown[(shown.indexOf(this.at.series) + across + shown.length) % shown.length];
        const here = this.points[this.at.series][this.at.place];
        this.show(this.nearest(here.left, here.top, next), true);
      } else {
        const last = this.points[this.at.series].length - 1;
        const place = Math.max(0, Math.min(last, this.at.place + along));
        this.show({ series: this.at.series, place }, true);
      }
    }

    show(at, aloud = false) {
      this.at = at;
      const { given } = this, one = given.series[at.series], point = this.points[at.series][at.place];
      const { low, high } = one, i = point.i;
      const bounds = low && low[i] !== null && high[i] !== null ? ` [${number(low[i])}, ${number(high[i])}]` : "";
      const lines = [`${given.x.label}: ${number(given.xs[one.x][i])}`, `${given.y.label}: ${number(one.y[i])}${bounds}`];
      if (one.problem && !one.label.includes(one.problem)) lines.unshift(one.problem);
      this.tip.replaceChildren(make("strong", one.label), ...lines.map((line) => make("span", line)));
      this.tip.hidden = false;
      this.ring.setAttribute("cx", `${100 * point.left}%`);
      this.ring.setAttribute("cy", `${100 * point.top}%`);
      this.svg.append(this.ring);
      this.plot.classList.add("picked");
      this.groups.forEach((group, index) => group.classList.toggle("near", index === at.series));
      const wide = this.plot.clientWidth, high_ = this.plot.clientHeight;
      const left = point.left * wide, top = point.top * high_;
      const { offsetWidth, offsetHeight } = this.tip;
      const right = left + 14 + offsetWidth <= wide ? left + 14 : left - 14 - offsetWidth;
      this.tip.style.left = `${Math.max(0, Math.min(right, wide - offsetWidth))}px`;
      this.tip.style.top = `${top > offsetHeight + 14 ? top - offsetHeight - 14 : top + 14}px`;
      if (aloud) said.textContent = [one.label, ...lines].join(", ");
    }

    leave() {
      this.at = null;
      this.tip.hidden = true;
      this.ring.remove();
      this.plot.classList.remove("picked");
    }
  }
  const charts = data.map((given) => new Chart(given));
})();
