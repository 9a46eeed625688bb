// The form of a new search, made from the JSON Schema of configurations: its help, bounds and choices.

import { get, post } from "./api.js";
import { ask, el, heading, replace, seldom, tell } from "./dom.js";

const FIRST = ["dataset", "search_space", "search_strategy"];
const CHECK_MILLISECONDS = 900;
const BUSY_MILLISECONDS = 3000;

// What is in the form when it is left, by going elsewhere or for want of a token; it is there again afterwards.
let kept = null;

export async function start(main) {
  document.title = "New search · popnas";
  const [schema, presets] = await Promise.all([get("/config/schema"), get("/config/presets")]);
  const whole = new Map(presets.filter((item) => !item.is_partial).map((item) => [item.name, item.config]));
  const form = new Form(schema);
  const said = el("p", { class: "mistake", role: "alert" });
  const warnings = el("ul", { class: "note" });
  const name = el("input", { id: "name", placeholder: "date and time", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}",
    title: "letters, digits, '.', '_' and '-', with a letter or digit first" });
  const confirm = el("input", { type: "checkbox" });
  const preset = el("select", { id: "preset", onchange: () => begin(preset.value) },
    [...whole.keys()].map((item) => el("option", { value: item }, item)));
  const anew = el("button", { type: "button", class: "quiet", onclick: () => begin(base) }, "Drop the changes …");
  const text = el("textarea", { rows: "16", spellcheck: "false", "aria-label": "The configuration as JSON",
    "aria-describedby": "json-mistake", oninput: seldom(() => read(), 300) });
  const mistake = el("p", { class: "mistake", id: "json-mistake", role: "alert" });
  const go = el("button", { class: "primary" }, "Start the search");
  let base = whole.has("run") ? "run" : [...whole.keys()][0];
  let timer = 0;
  let asking = null;
  let isLeft = false;

  const isChanged = () => mistake.textContent !== "" || JSON.stringify(form.config) !== JSON.stringify(withoutSchema(whole.get(base)));

  // Another preset, or the same one anew: what was changed is not dropped unasked.
  function begin(next) {
    const take = () => { base = next; form.take(whole.get(next)); changed(); };
    if (!isChanged()) { take(); return; }
    const box = ask("Drop your changes?", [el("p", {}, `The form would be that of the preset ${next} again.`)], "Drop them", take, true);
    box.addEventListener("close", () => { preset.value = base; });
  }

  // The form was changed, and the text follows.
  function changed() {
    text.value = JSON.stringify(form.config, null, 2);
    mistakeOfText("");
    checkLater();
  }

  // The text was changed, and the form follows; as long as it is no configuration, nothing starts.
  function read() {
    let config;
    try {
      config = JSON.parse(text.value);
    } catch (error) {
      mistakeOfText(`That is no JSON (yet), so the form does not have it: ${error.message}`);
      return;
    }
    if (!isObject(config)) {
      mistakeOfText("A configuration is a JSON object: { ... }.");
      return;
    }
    mistakeOfText("");
    if (JSON.stringify(withoutSchema(config)) === JSON.stringify(form.config)) return;
    form.take(config);
    checkLater();
  }

  function mistakeOfText(message) {
    mistake.textContent = message;
    text.setCustomValidity(message);
    if (message) text.setAttribute("aria-invalid", "true"); else text.removeAttribute("aria-invalid");
  }

  function checkLater() {
    anew.hidden = !isChanged();
    clearTimeout(timer);
    asking?.abort();  // of what is not so any more
    timer = setTimeout(check, CHECK_MILLISECONDS);
  }

  async function check() {
    const own = asking = new AbortController();
    try {
      const found = await post("/config/check", { config: form.config }, own.signal);
      if (!own.signal.aborted) show(found.problems, found.warnings);
    } catch (error) {
      if (own.signal.aborted) return;
      if (error.status === 429) timer = setTimeout(check, BUSY_MILLISECONDS);  // others' are checked first
      else show(error.problems ?? [], [], error.problems?.length ? "" : error.message);
    }
  }

  function show(problems, notes, message = "") {
    const elsewhere = form.showProblems(problems);
    said.textContent = [message, ...elsewhere.map((item) => `${item.place}: ${item.message}`)].filter(Boolean).join("\n");
    replace(warnings, notes.map((note) => el("li", {}, note)));
  }

  async function send(event) {
    event.preventDefault();
    read();
    if (!event.target.reportValidity()) return;
    clearTimeout(timer);
    asking?.abort();
    go.disabled = true;
    go.textContent = "Is checked …";
    try {
      const job = await post("/runs", { name: name.value || null, config: form.config, confirm: confirm.checked });
      kept = null;
      tell(`The search ${job.run} is queued.`);
      if (!isLeft) location.hash = `#/runs/${encodeURIComponent(job.run)}`;
      isLeft = true;
    } catch (error) {
      show(error.problems ?? [], [], error.message);
      main.querySelector("[aria-invalid=true]")?.focus();
    }
    go.disabled = false;
    go.textContent = "Start the search";
  }

  // A browser shows what is wrong with a field only where the field is seen.
  function open(event) {
    const box = event.target.closest("details");
    if (box) box.open = true;
  }

  form.onchange = changed;
  const everything = el("form", { onsubmit: send },
    el("div", { class: "card" },
      el("p", { class: "row" }, el("label", { for: "preset" }, "Begin with the preset "), preset, anew),
      el("p", {}, el("label", { for: "name" }, "Name of the run "), name),
      el("p", {}, el("label", {}, confirm, " train the best cells again with three seeds each, at the end"))),
    said, warnings, form.element,
    el("details", { class: "card" }, el("summary", {}, "As JSON"), text, mistake),
    el("div", { class: "row end sticky" }, go));
  everything.addEventListener("invalid", open, true);
  replace(main, heading("New search"), everything);
  if (kept && whole.has(kept.base)) {
    base = kept.base;
    name.value = kept.name;
    confirm.checked = kept.confirm;
    form.take(kept.config);
  } else form.take(whole.get(base));
  preset.value = base;
  changed();
  return {
    close: () => {
      if (!isLeft) kept = { base, name: name.value, confirm: confirm.checked, config: form.config };
      isLeft = true;
      clearTimeout(timer);
      asking?.abort();
    },
  };
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function withoutSchema(config) {
  const found = structuredClone(config);
  delete found.$schema;
  return found;
}

const suggestions = (id, names) => el("datalist", { id }, names.map((name) => el("option", { value: name })));

const defaultOf = (value) => (Array.isArray(value) && !value.length ? null : `Default: ${JSON.stringify(value)}.`);

class Form {
  constructor(schema) {
    this.schema = schema;
    this.element = el("div", {});
    this.config = {};
  }

  take(config) {
    this.config = withoutSchema(config);
    this.fields = new Map();
    const isOpen = new Map([...this.element.children].map((box) => [box.dataset.key, box.open]));
    replace(this.element, this.sections().map(([section, node]) => el("details", {
      class: "card", "data-key": section, open: isOpen.get(section) ?? FIRST.includes(section),
    }, el("summary", {}, section.replaceAll("_", " ")), this.inner([section], this.resolved(node)))));
  }

  sections() {
    const place = ([name]) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    return Object.entries(this.schema.properties).sort((a, b) => place(a) - place(b));
  }

  resolved(node) {
    if (!node.$ref) return node;
    const meant = this.schema.$defs[node.$ref.split("/").at(-1)];
    return { ...meant, ...node, $ref: undefined };
  }

  inner(path, node) {
    return el("div", { class: "fields" }, Object.entries(node.properties).map(([name, field]) => this.field([...path, name], field)));
  }

  at(path) {
    return path.reduce((value, name) => value?.[name], this.config);
  }

  put(path, value) {
    let node = this.config;
    for (const name of path.slice(0, -1)) {
      if (!isObject(node[name])) node[name] = {};
      node = node[name];
    }
    if (value === undefined) delete node[path.at(-1)]; else node[path.at(-1)] = value;
    this.onchange();
  }

  field(path, given) {
    const node = this.resolved(given);
    const options = (node.anyOf ?? []).map((option) => this.resolved(option));
    const real = options.filter((option) => option.type !== "null" && option.type !== undefined);
    const kind = node.type && node.type !== "null" ? node : { ...node, ...(real[0] ?? {}), description: node.description ?? real[0]?.description };
    const isNullable = options.some((option) => option.type === "null");
    if (kind.properties) {
      return el("fieldset", {}, el("legend", {}, path.at(-1).replaceAll("_", " ")), this.help(path, kind, isNullable), this.inner(path, kind));
    }
    const names = kind.enum ?? kind.anyOf?.find((option) => option.enum)?.enum;
    const control = this.control(path, kind, names, isNullable);
    const id = path.join(".");
    const mistake = el("span", { class: "mistake", id: `mistake-${id}`, role: "alert" });
    control.setAttribute("aria-describedby", `help-${id} mistake-${id}`);
    this.fields.set(id, { control, mistake });
    return el("div", { class: "field" }, el("label", { for: `field-${id}` }, path.at(-1).replaceAll("_", " ")),
      control, control.hasAttribute("list") ? suggestions(control.getAttribute("list"), names) : null,
      this.help(path, kind, isNullable), mistake);
  }

  help(path, node, isNullable) {
    const bounds = [node.minimum ?? node.exclusiveMinimum, node.maximum ?? node.exclusiveMaximum];
    const parts = [node.description, bounds.some((bound) => bound !== undefined) ? `From ${bounds[0] ?? "…"} to ${bounds[1] ?? "…"}.` : null,
      isNullable && !node.properties && node.type !== "array" ? "Empty: null." : null,
      node.default || node.default === 0 || node.default === false ? defaultOf(node.default) : null];
    return el("small", { class: "note", id: `help-${path.join(".")}` }, parts.filter(Boolean).join(" "));
  }

  control(path, node, names, isNullable) {
    const id = `field-${path.join(".")}`;
    const value = this.at(path);
    if (node.type === "boolean") {
      return el("input", { type: "checkbox", id, checked: value ?? node.default ?? false, onchange: (event) => this.put(path, event.target.checked) });
    }
    if (node.type === "integer" || node.type === "number") {
      return el("input", {
        type: "number", id, step: node.type === "integer" ? "1" : "any", placeholder: isNullable ? "null" : String(node.default ?? ""),
        min: node.minimum === undefined ? null : String(node.minimum), max: node.maximum === undefined ? null : String(node.maximum),
        value: value === null || value === undefined ? "" : String(value),
        oninput: (event) => this.put(path, event.target.value === "" ? (isNullable ? null : undefined) : Number(event.target.value)),
      });
    }
    if (node.enum && node.type === "string") return this.choice(path, id, node.enum, value, node, isNullable);
    if (node.type === "string" || names) return this.text(path, id, names, value, isNullable);
    const items = node.items?.anyOf?.find((option) => option.enum)?.enum ?? node.items?.enum;
    if (node.type === "array" && items) return this.list(path, id, items, Array.isArray(value) ? value : node.default ?? []);
    return this.json(path, id, value);
  }

  choice(path, id, names, value, node, isNullable) {
    const chosen = value === undefined ? node.default : value;
    return el("select", { id, onchange: (event) => this.put(path, event.target.value === "" ? null : event.target.value) },
      isNullable ? el("option", { value: "", selected: chosen === null }, "null") : null,
      names.map((name) => el("option", { value: name, selected: name === chosen }, name)));
  }

  text(path, id, names, value, isNullable) {
    return el("input", { id, value: value ?? "", list: names ? `${id}-names` : null, placeholder: isNullable ? "null" : "",
      oninput: (event) => this.put(path, event.target.value === "" ? (isNullable ? null : undefined) : event.target.value) });
  }

  list(path, id, names, value) {
    const known = [...names, ...value.filter((name) => !names.includes(name))];
    const boxes = known.map((name) => el("label", { class: "chip" }, el("input", {
      type: "checkbox", value: name, checked: value.includes(name),
      onchange: () => this.put(path, [...group.querySelectorAll("input:checked")].map((box) => box.value)),
    }), name));
    const group = el("div", { id, role: "group", class: "chips", "aria-label": path.at(-1).replaceAll("_", " ") }, boxes);
    return group;
  }

  json(path, id, value) {
    return el("input", { id, placeholder: "null", value: value === null || value === undefined ? "" : JSON.stringify(value),
      oninput: (event) => {
        try {
          event.target.setCustomValidity("");
          this.put(path, event.target.value === "" ? null : JSON.parse(event.target.value));
        } catch { event.target.setCustomValidity("This is no JSON (yet)."); }
      } });
  }

  // Each message at its field; what belongs to none is given back.
  showProblems(problems) {
    for (const { control, mistake } of this.fields.values()) {
      mistake.textContent = "";
      control.removeAttribute("aria-invalid");
    }
    return problems.filter((problem) => {
      const place = problem.place.replace(/\[.*/, "");
      const found = [...this.fields].find(([id]) => place === id || place.startsWith(`${id}.`));
      if (!found) return true;
      const { control, mistake } = found[1];
      mistake.textContent += `${mistake.textContent ? "\n" : ""}${problem.message}`;
      control.setAttribute("aria-invalid", "true");
      control.closest("details").open = true;
      return false;
    });
  }
}
