// Sliders and choices that look like Streamlit's. Joined to figure.js by figure.py.

function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function slider(control, figure) {
  const input = make("input", "", {
    type: "range", min: 0, step: 1, "aria-label": control.label, name: control.name,
  });
  const value = make("span", "value", { "aria-hidden": "true" });
  const track = make("div", "track", {}, value, input);
  const ends = [make("span", ""), make("span", "")];
  track.append(make("div", "ends", { "aria-hidden": "true" }, ...ends));
  const head = make("div", "head", {}, make("span", "label", {}, control.label));
  const box = make("div", "control", { "data-control": control.name }, head, track);
  if (control.help) box.append(make("div", "help", {}, control.help));
  input.addEventListener("input", () => figure.set(control.name, Number(input.value), false));
  input.addEventListener("change", () => figure.settle());
  const buttons = make("div", "buttons");
  if (control.steps) buttons.append(stepper(control, figure, -1));
  if (control.play) buttons.append(player(control, figure));
  if (control.steps) buttons.append(stepper(control, figure, 1));
  head.append(buttons);
  const sync = () => {
    const index = figure.state[control.name];
    const { labels } = figure.control(control.name);
    const last = labels.length - 1;
    input.max = last;
    input.value = index;
    value.textContent = labels[index];
    ends[0].textContent = labels[0];
    ends[1].textContent = labels[last];
    input.setAttribute("aria-valuetext", labels[index]);
    track.style.setProperty("--at", last ? index / last : 0);
  };
  return [box, sync];
}

function stepper(control, figure, by) {
  const [sign, label] = by < 0 ? ["‹", "One step back"] : ["›", "One step forward"];
  const button = make("button", "play step", { type: "button", "aria-label": label, title: label }, sign);
  button.addEventListener("click", () => {
    const index = figure.state[control.name] + by;
    if (index >= 0 && index < figure.control(control.name).keys.length) figure.set(control.name, index);
  });
  return button;
}

function player(control, figure) {
  const button = make("button", "play", { type: "button" }, "Play");
  const last = () => figure.control(control.name).keys.length - 1;
  const film = {
    stop() {
      clearInterval(film.clock);
      figure.film = undefined;
      button.textContent = "Play";
      figure.settle();
    },
  };
  button.addEventListener("click", () => {
    const pressed = figure.film === film;
    figure.film?.stop();
    if (pressed) return;
    if (figure.state[control.name] >= last()) figure.set(control.name, 0, false);
    button.textContent = "Pause";
    figure.film = film;
    const milliseconds = control.play === true ? Math.max(60, 4000 / last()) : 1000 * control.play;
    film.clock = setInterval(() => {
      if (figure.state[control.name] >= last()) return film.stop();
      figure.set(control.name, figure.state[control.name] + 1, false);
    }, milliseconds);
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
