// Looks up rows that pgcore computed, for the controls' current values, and draws them.
// Nothing is calculated here: a formula belongs in pgcore.

const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let figure = mounted.get(parentElement);
  if (!figure) mounted.set(parentElement, (figure = new Figure(parentElement)));
  figure.report = (values) => setStateValue("told", { values, packs: [...packs.keys()] });
  figure.receive(data);
  return () => figure.destroy();
}

function embedder(file) {
  const app = document.querySelector('script[src*="static/js/"]')?.src ?? location.href;
  return import(new URL(file, new URL("./", app))).then((module) => Object.values(module)[0]());
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
    if (!figure) return this.report(this.state ? this.told() : {});
    const theme = this.look();
    this.live = figure.live;
    for (const [name, table] of Object.entries(this.live.tables)) {
      Object.assign(table, { buffer: figure.liveBuffer, base: figure.liveBase });
      delete this.drawn[name];
    }
    const fresh = figure.digest !== this.digest;
    const laidOut = figure.form === this.form;
    const drawn = laidOut && figure.charts === this.charts && theme === this.theme;
    this.theme = theme;
    if (fresh) {
      this.restate(figure);
      Object.assign(this, figure);
      this.drawn = {};
      if (!laidOut) this.layOut();
      this.writeUrl();
    }
    if (drawn) this.update();
    else this.draw();
  }

  // Another figure takes this one's place: each control stays on its value, wherever that is now;
  // one on its default, or whose value is gone, follows the default.
  restate({ controls, start }) {
    const untold = this.state && JSON.stringify(this.told()) !== this.reported;
    const state = {};
    for (const { name, keys, default: default_ } of controls) {
      const before = this.controls?.find((each) => each.name === name);
      const at = before && this.state[name] !== before.default && keys.indexOf(before.keys[this.state[name]]);
      state[name] = !before ? start[name] : at === false || at < 0 ? default_ : at;
    }
    this.state = state;
    this.controls = controls;
    if (!untold) this.reported = JSON.stringify(this.told());
  }

  control(name) {
    return this.controls.find((each) => each.name === name);
  }

  look() {
    const host = this.parent.host ?? this.parent;
    return JSON.stringify(vegaConfig(getComputedStyle(host), host.clientWidth < 480));
  }

  layOut() {
    this.root = this.parent.querySelector(".figure");
    this.root.innerHTML = `<div class="controls"></div>${this.top}<div class="plots"></div>${this.body}`;
    this.panels = this.plots.map(({ html, width }) => {
      if (html === undefined) return null;
      const panel = make("div", "panel");
      panel.style.flexBasis = `min(100%, ${width}px)`;
      panel.innerHTML = html;
      this.root.querySelector(".plots").append(panel);
      return panel;
    });
    const form = this.root.querySelector(".controls");
    this.sync = this.controls.map((control) => {
      const [element, sync] = (control.kind === "choice" ? choice : slider)(control, this);
      const place = this.root.querySelector(`[data-place="${control.name}"]`);
      (place ?? form).append(element);
      return sync;
    });
    this.texts = [...this.root.querySelectorAll("[data-text]")];
    this.tones = [...this.root.querySelectorAll("[data-tone]")];
    this.lists = [...this.root.querySelectorAll("[data-rows]")];
    const link = (event) => {
      const target = event.target.closest?.("[data-set]");
      if (!target) return;
      const [name, key] = target.dataset.set.split("=");
      const index = this.control(name)?.keys.indexOf(key) ?? -1;
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
      // The box says in words what is drawn; a screen reader is spared the single marks.
      boxes[i].querySelector("svg").setAttribute("aria-hidden", "true");
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
      const row = { _place: i - begins[cell] };
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

  // What the server is told.
  told() {
    const told = this.controls.filter((c) => c.told !== "nobody");
    return Object.fromEntries(told.map((c) => [c.name, c.keys[this.state[c.name]]]));
  }

  writeUrl() {
    const url = new URL(location.href);
    for (const control of this.controls) {
      if (control.told !== "link") continue;
      const index = this.state[control.name];
      if (index !== control.default || url.searchParams.has(control.name)) {
        url.searchParams.set(control.name, control.keys[index]);
      }
    }
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  // At once, and then no oftener than every 150 ms: a held arrow key must not flood the server.
  settle() {
    clearTimeout(this.timer);
    const wait = Math.max(0, (this.settled ?? -150) + 150 - performance.now());
    this.timer = setTimeout(() => {
      this.settled = performance.now();
      const now = JSON.stringify(this.told());
      if (now === this.reported) return;
      this.reported = now;
      this.writeUrl();
      this.report(this.told());
    }, wait);
  }

  finalize() {
    this.sizes?.disconnect();
    for (const { finalize } of this.views) finalize();
    this.views = [];
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    this.film?.stop();
    clearTimeout(this.timer);
    this.ticket = null;
    this.finalize();
    mounted.delete(this.parent);
  }
}
