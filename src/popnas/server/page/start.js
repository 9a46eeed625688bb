// The form of a new search: fields made from the schema, the same as JSON, and what is wrong with it as one writes.

import { get, post } from "./api.js";
import { ask, el, heading, replace, seldom, tell } from "./dom.js";
import { Form, isObject, withoutSchema } from "./form.js";

const CHECK_MILLISECONDS = 900;
const BUSY_MILLISECONDS = 3000;
const NAME = "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}";

// What is in the form when it is left, by going elsewhere or for want of a token; it is there again afterwards.
let kept = null;

export async function start(main) {
  const [schema, presets] = await Promise.all([get("/config/schema"), get("/config/presets")]);
  document.title = "New search · popnas";
  const view = new NewSearch(main, schema, new Map(presets.filter((item) => !item.is_partial).map((item) => [item.name, item.config])));
  return { close: () => view.close() };
}

class NewSearch {
  constructor(main, schema, presets) {
    this.main = main;
    this.presets = presets;
    this.base = presets.has("run") ? "run" : [...presets.keys()][0];
    this.isLeft = false;
    this.form = new Form(schema);
    this.form.onchange = () => this.changed();
    this.text = new JsonText((config) => this.written(config));
    this.check = new Check(() => this.form.config, (...found) => this.show(...found));
    this.name = el("input", { id: "name", placeholder: "date and time", pattern: NAME,
      title: "letters, digits, '.', '_' and '-', with a letter or digit first" });
    this.confirm = el("input", { type: "checkbox" });
    this.preset = el("select", { id: "preset", onchange: () => this.begin(this.preset.value) },
      [...presets.keys()].map((name) => el("option", { value: name }, name)));
    this.anew = el("button", { type: "button", class: "quiet", onclick: () => this.begin(this.base) }, "Drop the changes …");
    this.said = el("p", { class: "mistake", role: "alert" });
    this.warnings = el("ul", { class: "note" });
    this.go = el("button", { class: "primary" }, "Start the search");
    this.place();
    this.form.take(this.takenUp() ?? presets.get(this.base));
    this.preset.value = this.base;
    this.changed();
  }

  place() {
    const everything = el("form", { onsubmit: (event) => this.send(event) },
      el("div", { class: "card" },
        el("p", { class: "row" }, el("label", { for: "preset" }, "Begin with the preset "), this.preset, this.anew),
        el("p", {}, el("label", { for: "name" }, "Name of the run "), this.name),
        el("p", {}, el("label", {}, this.confirm, " train the best cells again with three seeds each, at the end"))),
      this.said, this.warnings, this.form.element, this.text.element,
      el("div", { class: "row end sticky" }, this.go));
    // A browser shows what is wrong with a field only where the field is seen.
    everything.addEventListener("invalid", (event) => {
      const box = event.target.closest("details");
      if (box) box.open = true;
    }, true);
    replace(this.main, heading("New search"), everything);
  }

  // What was left here before.
  takenUp() {
    if (!kept || !this.presets.has(kept.base)) return null;
    this.base = kept.base;
    this.name.value = kept.name;
    this.confirm.checked = kept.confirm;
    return kept.config;
  }

  get isChanged() {
    return this.text.isWrong || JSON.stringify(this.form.config) !== JSON.stringify(withoutSchema(this.presets.get(this.base)));
  }

  // Another preset, or the same one anew: what was changed is not dropped unasked.
  begin(next) {
    const take = () => { this.base = next; this.form.take(this.presets.get(next)); this.changed(); };
    if (!this.isChanged) { take(); return; }
    const box = ask("Drop your changes?", [el("p", {}, `The form would be that of the preset ${next} again.`)], "Drop them", take, true);
    box.addEventListener("close", () => { this.preset.value = this.base; });
  }

  // The form was changed, and the text follows.
  changed() {
    this.text.show(this.form.config);
    this.anew.hidden = !this.isChanged;
    this.check.later();
  }

  // The text was changed, and the form follows.
  written(config) {
    if (this.isLeft || JSON.stringify(config) === JSON.stringify(this.form.config)) return;
    this.form.take(config);
    this.anew.hidden = !this.isChanged;
    this.check.later();
  }

  show(problems, notes, message = "") {
    const elsewhere = this.form.showProblems(problems);
    this.said.textContent = [message, ...elsewhere.map((item) => `${item.place}: ${item.message}`)].filter(Boolean).join("\n");
    replace(this.warnings, notes.map((note) => el("li", {}, note)));
  }

  async send(event) {
    event.preventDefault();
    this.text.read();
    if (!event.target.reportValidity()) return;
    this.check.stop();
    this.go.disabled = true;
    this.go.textContent = "Is checked …";
    try {
      const job = await post("/runs", { name: this.name.value || null, config: this.form.config, confirm: this.confirm.checked });
      kept = null;
      tell(`The search ${job.run} is queued.`);
      if (!this.isLeft) location.hash = `#/runs/${encodeURIComponent(job.run)}`;
      this.isLeft = true;
    } catch (error) {
      this.show(error.problems ?? [], [], error.message);
      this.main.querySelector("[aria-invalid=true]")?.focus();
    }
    this.go.disabled = false;
    this.go.textContent = "Start the search";
  }

  close() {
    if (!this.isLeft) kept = { base: this.base, name: this.name.value, confirm: this.confirm.checked, config: this.form.config };
    this.isLeft = true;
    this.check.stop();
  }
}

// The configuration as text, which can be written in. As long as it is none, the form it is in cannot be sent.
class JsonText {
  constructor(written) {
    this.written = written;
    this.text = el("textarea", { rows: "16", spellcheck: "false", "aria-label": "The configuration as JSON",
      "aria-describedby": "json-mistake", oninput: seldom(() => this.read(), 300) });
    this.mistake = el("p", { class: "mistake", id: "json-mistake", role: "alert" });
    this.element = el("details", { class: "card" }, el("summary", {}, "As JSON"), this.text, this.mistake);
  }

  show(config) {
    this.text.value = JSON.stringify(config, null, 2);
    this.say("");
  }

  read() {
    let config;
    try {
      config = JSON.parse(this.text.value);
    } catch (error) {
      this.say(`That is no JSON (yet), so the form does not have it: ${error.message}`);
      return;
    }
    this.say(isObject(config) ? "" : "A configuration is a JSON object: { ... }.");
    if (!this.isWrong) this.written(withoutSchema(config));
  }

  get isWrong() {
    return this.mistake.textContent !== "";
  }

  say(message) {
    this.mistake.textContent = message;
    this.text.setCustomValidity(message);
    if (message) this.text.setAttribute("aria-invalid", "true"); else this.text.removeAttribute("aria-invalid");
  }
}

// Asks the server what is wrong, once nothing has changed for a moment; `show` gets problems, warnings and a message.
class Check {
  constructor(config, show) {
    this.config = config;
    this.show = show;
    this.timer = 0;
    this.asking = null;
  }

  later(milliseconds = CHECK_MILLISECONDS) {
    this.stop();
    this.timer = setTimeout(() => this.ask(), milliseconds);
  }

  // Also of what was asked already: it is of a configuration that is not so any more.
  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  async ask() {
    const own = this.asking = new AbortController();
    try {
      const found = await post("/config/check", { config: this.config() }, own.signal);
      if (!own.signal.aborted) this.show(found.problems, found.warnings);
    } catch (error) {
      if (own.signal.aborted) return;
      if (error.status === 429) this.later(BUSY_MILLISECONDS);  // others' are checked first
      else this.show(error.problems ?? [], [], error.problems?.length ? "" : error.message);
    }
  }
}
