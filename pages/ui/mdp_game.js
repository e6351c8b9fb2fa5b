// Follows the player's pushes through states that gymnasium computed, and asks for more of them.
// No physics here: every state that is drawn was looked up.

const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let game = mounted.get(parentElement);
  if (!game) mounted.set(parentElement, (game = new Game(parentElement)));
  game.send = (message) => setStateValue("message", message);
  game.receive(data);
  return () => {
    game.destroy();
    mounted.delete(parentElement);
  };
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

class Game {
  constructor(parent) {
    const find = (selector) => parent.querySelector(selector);
    this.root = find(".game");
    this.parts = Object.fromEntries(
      ["stage", "track", "cart", "limits", "body", "pole", "axle", "force", "steps", "said", "again", "trip"].map(
        (name) => [name, find("." + name)],
      ),
    );
    this.posts = parent.querySelectorAll(".post");
    this.buttons = [...parent.querySelectorAll(".push")];
    this.trips = [];
    this.serial = 0;
    for (const [push, button] of this.buttons.entries()) {
      button.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.root.focus({ preventScroll: true });
        this.pushed(push);
      });
      // Space and Enter on a focused button arrive as a click without a pointer.
      button.addEventListener("click", (event) => event.detail === 0 && this.pushed(push));
    }
    this.parts.again.addEventListener("click", () => this.startOver());
    this.root.addEventListener("keydown", (event) => {
      const push = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
      if (push === undefined) return;
      event.preventDefault();
      if (!event.repeat || !this.data.milliseconds) this.pushed(push);
    });
  }

  receive(data) {
    const fresh = data.number !== this.data?.number;
    const caughtUp = fresh ? 0 : data.step - this.data.step;
    const answered = fresh || caughtUp > 0;
    this.data = {
      ...data,
      states: new Float32Array(bytes(data.states)),
      ended: new Uint8Array(bytes(data.ended)),
    };
    if (fresh) {
      this.pushes = [];
      this.running = false;
      this.push = null;
      this.asked = null;
      this.layOut();
      this.say(data.over);
    } else {
      this.pushes.splice(0, caughtUp);
    }
    if (answered && this.asked !== null) {
      this.trips.push(performance.now() - this.asked);
      this.asked = null;
      this.root.dataset.trip = Math.round(this.trips.at(-1));
      this.parts.trip.textContent = `Server round trip: ${median(this.trips.slice(-20))} ms`;
    }
    if (data.over) this.finish(data.over);
    else if (this.pushes.length) this.ask();
    this.draw();
  }

  // Row of the state after the pushes so far: see cartpole.futures; row 0 is the state before them.
  row() {
    const spelled = this.pushes.reduce((number, push) => 2 * number + push, 0);
    return 2 ** this.pushes.length - 1 + spelled;
  }

  get over() {
    return this.pushes.length > 0 && this.data.ended[this.row() - 1] === 1;
  }

  get steps() {
    return this.data.step + this.pushes.length;
  }

  pushed(push) {
    if (this.data.over) return;
    this.push = push;
    if (!this.running) this.say("");
    if (!this.data.milliseconds) return this.advance();
    if (!this.running) {
      this.running = true;
      this.due = performance.now() + this.data.milliseconds;
      const frame = (now) => {
        if (!this.running) return;
        if (!this.data.milliseconds) return void (this.running = false);
        // A frame that comes late moves the clock: nobody wants to catch up on a hidden tab.
        if (now >= this.due) {
          const late = now - this.due > 3 * this.data.milliseconds;
          this.due = (late ? now : this.due) + this.data.milliseconds;
          this.advance();
        }
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    }
    this.draw();
  }

  advance() {
    if (this.over || this.steps >= this.data.limit) return;
    // What lies further ahead is still on its way.
    if (this.pushes.length >= this.data.depth) return this.ask();
    this.pushes.push(this.push);
    this.draw();
    this.ask();
    if (this.over || this.steps >= this.data.limit) this.running = false;
  }

  ask() {
    // One message at a time; a lost one is sent again.
    if (this.asked !== null && performance.now() - this.asked < 2000) return;
    this.asked = performance.now();
    this.serial += 1;
    const { number, step } = this.data;
    this.send({ number, step, pushes: [...this.pushes], serial: this.serial });
  }

  startOver() {
    this.asked = performance.now();
    this.serial += 1;
    this.running = false;
    this.send({ number: this.data.number + 1, step: 0, pushes: [], serial: this.serial });
    this.root.focus({ preventScroll: true });
  }

  finish(words) {
    this.running = false;
    this.say(words);
  }

  say(words) {
    const start = "Press ← or →, or a button, to start. There is no third action: the last push goes on until you change it.";
    const each = "Each press of ← or → is one step of 0.02 s. Take your time.";
    const text = words || (this.steps ? "" : this.data.milliseconds ? start : each);
    if (this.parts.said.textContent !== text) this.parts.said.textContent = text;
  }

  layOut() {
    const [left, right, bottom, top] = this.data.view;
    const margin = 0.15;
    this.parts.stage.setAttribute(
      "viewBox", [left - margin, -top, right - left + 2 * margin, top - bottom].join(" "),
    );
    const line = (element, x1, y1, x2, y2) => {
      for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) element.setAttribute(name, value);
    };
    line(this.parts.track, left - margin, 0.06, right + margin, 0.06);
    [left, right].forEach((x, i) => line(this.posts[i], x, -0.1, x, 0.06));
    line(this.parts.pole, 0, 0, 0, -this.data.pole);
    const reach = [this.data.pole * Math.sin(this.data.angle), -this.data.pole * Math.cos(this.data.angle)];
    this.parts.limits.setAttribute("d", `M ${-reach[0]} ${reach[1]} L 0 0 L ${reach[0]} ${reach[1]}`);
    const set = (element, values) => {
      for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    };
    set(this.parts.body, { x: -0.2, y: -0.06, width: 0.4, height: 0.24 });
    set(this.parts.axle, { r: 0.04 });
    this.buttons.forEach((button, i) => {
      button.textContent = i ? `${this.data.pushes[i]} →` : `← ${this.data.pushes[i]}`;
    });
  }

  draw() {
    const [position, angle] = this.data.states.subarray(2 * this.row(), 2 * this.row() + 2);
    this.parts.cart.setAttribute("transform", `translate(${position} 0)`);
    this.parts.pole.setAttribute("transform", `rotate(${(angle * 180) / Math.PI})`);
    const way = this.push === 1 ? 1 : -1;
    this.parts.force.setAttribute(
      "d", `M ${0.25 * way} 0.06 h ${0.25 * way} m ${-0.1 * way} -0.08 l ${0.1 * way} 0.08 l ${-0.1 * way} 0.08`,
    );
    this.root.classList.toggle("running", this.running || (this.push !== null && this.steps > 0));
    this.buttons.forEach((button, i) => button.classList.toggle("on", this.push === i && !this.data.over));
    this.parts.steps.textContent = this.steps;
    this.root.dataset.steps = this.steps;
    this.root.dataset.position = position;
  }

  destroy() {
    this.running = false;
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[sorted.length >> 1]);
}
