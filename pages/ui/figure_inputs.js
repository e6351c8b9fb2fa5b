// Sliders and choices that look like Streamlit's. Joined to figure.js by figure.py.

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
