// Words, table rows, pointers and colours on a figure. Joined to figure.js by figure.py.

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

// The pointer on a plot: the value under it, or a column of the mark under it.
function follow(figure, { view, plot, box }) {
  const channels = Object.entries(plot.drag);
  const picks = Object.entries(plot.pick);
  if (!channels.length && !picks.length) return;
  box.classList.add(plot.drag.y ? "drag-xy" : plot.drag.x ? "drag-x" : "pick");
  let down = false;
  let row;
  const put = (name, wanted) => {
    const control = figure.control(name);
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
    if (!picks.length) return;
    const under = box.getRootNode().elementFromPoint(event.clientX, event.clientY);
    const datum = under?.__data__?.datum;
    for (const [name, column] of picks) {
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
