// Looks up rows that pgcore computed, for the controls' current values, and draws them.
// Nothing is calculated here: a formula belongs in pgcore.

const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let figure = mounted.get(parentElement);
  if (!figure) mounted.set(parentElement, (figure = new Figure(parentElement)));
  figure.report = (values) => setStateValue("values", values);
  figure.receive(data);
  return () => figure.destroy();
}

// [length, JSON] [length, JSON] [columns] [live columns]: see figure_pack.py.
function unpack(bytes) {
  const buffer = bytes.slice().buffer;
  const heads = [];
  let at = 0;
  for (let i = 0; i < 2; i++) {
    const length = new DataView(buffer).getUint32(at, true);
    heads.push(JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, at + 4, length))));
    at += 4 + length;
  }
  return { ...heads[0], ...heads[1], buffer, base: at };
}

function embedder(file) {
  const app = document.querySelector('script[src*="static/js/"]')?.src ?? location.href;
  return import(new URL(file, new URL("./", app))).then((module) => Object.values(module)[0]());
}

const FORMATS = {
  f: (value, digits) => value.toFixed(digits),
  "%": (value, digits) => (100 * value).toFixed(digits) + "%",
  e: (value, digits) => value.toExponential(digits),
};

function shown(value, format) {
  if (typeof value === "string" || !format) return String(value ?? "");
  if (!Number.isFinite(value)) return "–";
  const [, plus, digits, kind] = format.match(/^(\+?)\.(\d+)([f%e])$/);
  const text = FORMATS[kind](value, Number(digits));
  if (Number.parseFloat(text) === 0) return text.replace("-", "");
  return (plus && value > 0 ? "+" : "") + text.replace("-", "−");
}

class Figure {
  constructor(parent) {
    this.parent = parent;
    this.views = [];
    this.state = null;
    this.url = new Map();
    this.drawn = {};
  }

  receive(bytes) {
    const figure = unpack(bytes);
    const theme = this.look();
    this.live = figure.live;
    for (const [name, table] of Object.entries(this.live.tables)) {
      Object.assign(table, { buffer: figure.buffer, base: figure.base + figure.size });
      delete this.drawn[name];
    }
    if (figure.digest === this.digest && theme === this.theme) return this.update();
    const fresh = figure.digest !== this.digest;
    Object.assign(this, figure, { theme });
    if (fresh) {
      const kept = this.state ?? {};
      this.state = {};
      for (const control of this.controls) {
        const index = kept[control.name] ?? this.start[control.name];
        this.state[control.name] = Math.min(index, control.keys.length - 1);
      }
      this.layOut();
      this.writeUrl();
    }
    this.draw();
  }

  look() {
    const host = this.parent.host ?? this.parent;
    return JSON.stringify(vegaConfig(getComputedStyle(host), host.clientWidth < 480));
  }

  layOut() {
    this.root = this.parent.querySelector(".figure");
    this.root.innerHTML = `<div class="controls"></div>${this.top}<div class="plots"></div>${this.body}`;
    const form = this.root.querySelector(".controls");
    this.sync = this.controls.map((control) => {
      const [element, sync] = (control.kind === "choice" ? choice : slider)(control, this);
      form.append(element);
      return sync;
    });
    this.panels = this.plots.map(({ html, width }) => {
      if (html === undefined) return null;
      const panel = make("div", "panel");
      panel.style.flexBasis = `min(100%, ${width}px)`;
      panel.innerHTML = html;
      this.root.querySelector(".plots").append(panel);
      return panel;
    });
    this.texts = [...this.root.querySelectorAll("[data-text]")];
    this.tones = [...this.root.querySelectorAll("[data-tone]")];
    this.lists = [...this.root.querySelectorAll("[data-rows]")];
    const link = (event) => {
      const target = event.target.closest?.("[data-set]");
      if (!target) return;
      const [name, key] = target.dataset.set.split("=");
      const control = this.controls.find((each) => each.name === name);
      const index = control?.keys.indexOf(key) ?? -1;
      if (index >= 0) this.set(name, index);
    };
    for (const kind of ["pointerover", "focusin", "click"]) this.root.addEventListener(kind, link);
    for (const element of this.root.querySelectorAll("[data-set]:not([tabindex])")) element.tabIndex = 0;
  }

  async draw() {
    const ticket = (this.ticket = {});
    const embed = await embedder(this.vega);
    const holder = this.root.querySelector(".plots");
    const views = [];
    const boxes = this.plots.map((plot, i) => {
      if (this.panels[i]) return this.panels[i];
      const box = document.createElement("div");
      box.className = "plot";
      box.style.flexBasis = `min(100%, ${plot.width}px)`;
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", plot.alt);
      return box;
    });
    if (ticket !== this.ticket) return;
    this.finalize();
    holder.replaceChildren(...boxes);
    for (const [i, plot] of this.plots.entries()) {
      if (this.panels[i]) continue;
      const width = Math.max(200, boxes[i].clientWidth);
      const spec = {
        ...plot.spec,
        width,
        ...(plot.aspect ? { height: width / plot.aspect } : {}),
        autosize: { type: "fit-x", contains: "padding" },
      };
      const options = {
        mode: "vega-lite",
        renderer: "svg",
        actions: false,
        defaultStyle: false,
        tooltip: false,
        config: JSON.parse(this.theme),
      };
      const { view, finalize } = await embed.embed(boxes[i], spec, options);
      if (ticket !== this.ticket) return finalize();
      views.push({ view, finalize, plot, box: boxes[i] });
      follow(this, views.at(-1));
    }
    this.views = views;
    this.drawn = {};
    this.update();
    this.sizes = new ResizeObserver(() => {
      const theme = this.look();
      if (theme !== this.theme) {
        this.theme = theme;
        return this.draw();
      }
      for (const { view, plot, box } of this.views) {
        if (Math.abs(view.width() - box.clientWidth) < 1 || !box.clientWidth) continue;
        if (plot.aspect) view.signal("height", box.clientWidth / plot.aspect);
        view.signal("width", box.clientWidth).run();
      }
    });
    for (const box of boxes) this.sizes.observe(box);
  }

  // Change a control; the next frame shows it. `settled` brings the URL up to date as well.
  set(name, index, settled = true) {
    if (this.state[name] !== index) {
      this.state[name] = index;
      this.frame ??= requestAnimationFrame(() => this.update());
    }
    if (settled) this.settle();
  }

  update() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.root.dataset.state = JSON.stringify(this.urlValues());
    for (const sync of this.sync) sync();
    const changed = new Set();
    this.rows ??= {};
    const outdated = Object.entries(this.live.at).some(([name, at]) => this.state[name] !== at);
    for (const [name, table] of Object.entries({ ...this.tables, ...this.live.tables })) {
      const cell = table.by.reduce((at, by, i) => at * table.sizes[i] + this.state[by], 0);
      const wanted = table.along
        ? this.along(table)
        : outdated && name in this.live.tables ? -1 : cell;
      if (wanted === undefined || this.drawn[name] === wanted) continue;
      this.drawn[name] = wanted;
      this.rows[name] = wanted < 0 ? [] : this.slice(table, wanted);
      changed.add(name);
    }
    for (const { view, plot } of this.views) {
      const stale = plot.tables.filter((name) => changed.has(name));
      for (const name of stale) view.data(name, this.rows[name]);
      if (stale.length) view.run();
    }
    const read = (path) => {
      const [name, column] = path.split(".");
      return this.rows[name]?.[0]?.[column];
    };
    for (const element of this.texts) {
      const text = shown(read(element.dataset.text), element.dataset.format);
      if (element.textContent !== text) element.textContent = text;
    }
    for (const element of this.tones) element.dataset.is = read(element.dataset.tone) ?? "neutral";
    for (const list of this.lists) if (changed.has(list.dataset.rows)) fill(list, this.rows);
    const now = this.urlValues();
    for (const element of this.root.querySelectorAll("[data-set]")) {
      const [name, key] = element.dataset.set.split("=");
      element.classList.toggle("on", now[name] === key);
    }
  }

  // The cell of a sweep: along the one control that has left its place. Where two have, what is
  // drawn stays until the server answers.
  along({ along, offsets }) {
    const moved = along.filter((name) => this.state[name] !== this.live.at[name]);
    const name = moved[0] ?? along[0];
    return moved.length > 1 ? undefined : offsets[name] + this.state[name];
  }

  slice(table, cell) {
    const { buffer = this.buffer, base = this.base } = table;
    const begins = new Uint32Array(buffer, base + table.begins, table.begins_count);
    const rows = [];
    const columns = Object.entries(table.columns).map(([name, { at, words }]) => [
      name,
      new Float32Array(buffer, base + at, table.count),
      words,
    ]);
    for (let i = begins[cell]; i < begins[cell + 1]; i++) {
      const row = {};
      for (const [name, values, words] of columns) {
        row[name] = words ? words[values[i]] : values[i];
      }
      rows.push(row);
    }
    return rows;
  }

  urlValues() {
    return Object.fromEntries(this.controls.map((c) => [c.name, c.keys[this.state[c.name]]]));
  }

  writeUrl() {
    const url = new URL(location.href);
    for (const control of this.controls) {
      const index = this.state[control.name];
      if (index !== control.default || url.searchParams.has(control.name)) {
        url.searchParams.set(control.name, control.keys[index]);
      }
    }
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const now = JSON.stringify(this.state);
      if (now === this.reported) return;
      this.reported = now;
      this.writeUrl();
      this.report({ ...this.state });
    }, 150);
  }

  finalize() {
    this.sizes?.disconnect();
    for (const { finalize } of this.views) finalize();
    this.views = [];
  }

  destroy() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    clearInterval(this.film);
    this.ticket = null;
    this.finalize();
    mounted.delete(this.parent);
  }
}

function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function slider(control, figure) {
  const last = control.keys.length - 1;
  const input = make("input", "", {
    type: "range", min: 0, max: last, step: 1, "aria-label": control.label, name: control.name,
  });
  const value = make("span", "value", { "aria-hidden": "true" });
  const track = make("div", "track", {}, value, input);
  const ends = make("div", "ends", { "aria-hidden": "true" });
  ends.append(make("span", "", {}, control.labels[0]), make("span", "", {}, control.labels[last]));
  track.append(ends);
  const head = make("div", "head", {}, make("span", "label", {}, control.label));
  const box = make("div", "control", { "data-control": control.name }, head, track);
  if (control.help) box.append(make("div", "help", {}, control.help));
  input.addEventListener("input", () => figure.set(control.name, Number(input.value), false));
  input.addEventListener("change", () => figure.settle());
  const buttons = make("div", "buttons");
  if (control.steps) buttons.append(stepper(control, figure, -1));
  if (control.play) buttons.append(player(control, figure, last));
  if (control.steps) buttons.append(stepper(control, figure, 1));
  head.append(buttons);
  const sync = () => {
    const index = figure.state[control.name];
    input.value = index;
    value.textContent = control.labels[index];
    input.setAttribute("aria-valuetext", control.labels[index]);
    track.style.setProperty("--at", last ? index / last : 0);
  };
  return [box, sync];
}

function stepper(control, figure, by) {
  const [sign, label] = by < 0 ? ["‹", "One step back"] : ["›", "One step forward"];
  const button = make("button", "play step", { type: "button", "aria-label": label, title: label }, sign);
  button.addEventListener("click", () => {
    const index = figure.state[control.name] + by;
    if (index >= 0 && index < control.keys.length) figure.set(control.name, index);
  });
  return button;
}

function player(control, figure, last) {
  const button = make("button", "play", { type: "button" }, "Play");
  const stop = () => {
    clearInterval(figure.film);
    figure.film = undefined;
    button.textContent = "Play";
    figure.settle();
  };
  button.addEventListener("click", () => {
    if (figure.film) return stop();
    if (figure.state[control.name] === last) figure.set(control.name, 0, false);
    button.textContent = "Pause";
    figure.film = setInterval(() => {
      if (figure.state[control.name] >= last) return stop();
      figure.set(control.name, figure.state[control.name] + 1, false);
    }, Math.max(60, 4000 / last));
  });
  return button;
}

function choice(control, figure) {
  const group = make("div", "choices", { role: "radiogroup", "aria-label": control.label });
  const name = `${control.name}-${Math.random()}`;
  const inputs = control.keys.map((key, i) => {
    const input = make("input", "", { type: "radio", name, value: key });
    input.addEventListener("change", () => figure.set(control.name, i));
    group.append(make("label", "", {}, input, make("span", "", {}, control.labels[i])));
    return input;
  });
  const head = make("div", "head", {}, make("span", "label", {}, control.label));
  const box = make("div", "control wide", { "data-control": control.name }, head, group);
  if (control.help) box.append(make("div", "help", {}, control.help));
  return [box, () => (inputs[figure.state[control.name]].checked = true)];
}

// The pointer on a plot: the value under it, or a column of the mark under it.
function follow(figure, { view, plot, box }) {
  const channels = Object.entries(plot.drag);
  if (!channels.length && !Object.keys(plot.pick).length) return;
  box.classList.add(plot.drag.y ? "drag-xy" : plot.drag.x ? "drag-x" : "pick");
  let down = false;
  let row;
  const put = (name, wanted) => {
    const control = figure.controls.find((each) => each.name === name);
    let index = control.keys.indexOf(String(wanted));
    if (index < 0 && typeof wanted === "number") index = nearest(control.values, wanted);
    if (index >= 0) figure.set(name, index, false);
  };
  const move = (event) => {
    const area = box.querySelector("svg").getBoundingClientRect();
    const [left, top] = view.origin();
    const at = { x: event.clientX - area.left - left, y: event.clientY - area.top - top };
    for (const [channel, target] of channels) {
      if (typeof target !== "string") row ??= target[invert(view.scale("y"), at.y)];
      const name = typeof target === "string" ? target : row;
      const wanted = invert(view.scale(channel), at[channel]);
      if (name && wanted !== undefined) put(name, wanted);
    }
    const under = box.getRootNode().elementFromPoint(event.clientX, event.clientY);
    const datum = under?.__data__?.datum;
    for (const [name, column] of Object.entries(plot.pick)) {
      if (datum && column in datum) put(name, datum[column]);
    }
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down = true;
    row = undefined;
    box.setPointerCapture(event.pointerId);
    move(event);
  });
  box.addEventListener("pointermove", (event) => (down || plot.hover) && move(event));
  const end = () => {
    if (down || plot.hover) figure.settle();
    down = false;
  };
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) box.addEventListener(kind, end);
}

function invert(scale, at) {
  if (scale.invert) return scale.invert(at);
  const middle = (value) => Math.abs(scale(value) + scale.bandwidth() / 2 - at);
  return scale.domain().reduce((best, value) => (middle(value) < middle(best) ? value : best));
}

function nearest(values, wanted) {
  let best = 0;
  values.forEach((value, i) => {
    if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = i;
  });
  return best;
}

function fill(list, rows) {
  const columns = JSON.parse(list.dataset.columns);
  const { link } = list.dataset;
  const body = rows[list.dataset.rows].map((row) => {
    const line = document.createElement("tr");
    for (const [column, format] of columns) {
      line.append(make("td", format ? "number" : "", {}, shown(row[column], format)));
    }
    if (link) {
      line.dataset.set = `${link}=${typeof row[link] === "number" ? Number(row[link].toPrecision(6)) : row[link]}`;
      line.tabIndex = 0;
    }
    return line;
  });
  list.tBodies[0].replaceChildren(...body);
}

// Streamlit's colours and type, for Vega.
function vegaConfig(style, narrow) {
  const read = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const [text, font] = [read("text-color"), read("font")];
  const grid = read("border-color-light") || read("border-color");
  const words = { labelColor: text, titleColor: text, labelFontSize: 13, titleFontSize: 14, titleFontWeight: 500 };
  return {
    background: "transparent",
    font,
    padding: { left: 2, right: 12, top: 8, bottom: 2 },
    view: { stroke: null },
    aria: false,
    axis: { ...words, gridColor: grid, domain: false, ticks: false, labelPadding: 6, titlePadding: 8 },
    axisY: { titleAngle: 0, titleAlign: "left", titleAnchor: "end", titleX: 4, titleY: -10, titleBaseline: "bottom", minExtent: 36 },
    axisX: { labelFlush: false },
    legend: { ...words, symbolStrokeWidth: 3, symbolSize: 180, labelLimit: 400, offset: 30, ...(narrow ? { columns: 2 } : {}) },
    title: { color: text, font },
    text: { color: text, font },
    rule: { color: text },
    line: { color: text },
    point: { color: text },
    range: { category: read("chart-categorical-colors").split(",") },
  };
}
