// The form of a new search, made from the JSON Schema of configurations: its help, bounds and choices.

import { get, post } from "./api.js";
import { el, replace, tell } from "./dom.js";

const FIRST = ["dataset", "search_space", "search_strategy"];
const CHECK_MILLISECONDS = 900;

export async function start(main) {
  document.title = "New search · popnas";
  const [schema, presets] = await Promise.all([get("/config/schema"), get("/config/presets")]);
  const whole = presets.filter((item) => !item.is_partial);
  const form = new Form(schema);
  const said = el("p", { class: "mistake", role: "alert" });
  const warnings = el("ul", { class: "note" });
  const name = el("input", { id: "name", placeholder: "date and time", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}",
    title: "letters, digits, '.', '_' and '-', with a letter or digit first" });
  const confirm = el("input", { type: "checkbox" });
  const preset = el("select", { id: "preset", onchange: () => take(JSON.parse(preset.value)) },
    whole.map((item) => el("option", { value: JSON.stringify(item.config), selected: item.name === "run" }, item.name)));
  const text = el("textarea", { rows: "16", spellcheck: "false", "aria-label": "The configuration as JSON" });
  const go = el("button", { class: "primary" }, "Start the search");
  let timer = 0;
  let turn = 0;

  function take(config) {
    form.take(config);
    changed();
  }

  function changed() {
    text.value = JSON.stringify(form.config, null, 2);
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MILLISECONDS);
  }

  async function check() {
    const own = ++turn;
    try {
      const found = await post("/config/check", { config: form.config });
      if (own === turn) show(found.problems, found.warnings);
    } catch (error) {
      if (own === turn) show(error.problems ?? [], [], error.problems?.length ? "" : error.message);
    }
  }

  function show(problems, notes, message = "") {
    const elsewhere = form.showProblems(problems);
    said.textContent = [message, ...elsewhere.map((item) => `${item.place}: ${item.message}`)].filter(Boolean).join("\n");
    replace(warnings, notes.map((note) => el("li", {}, note)));
  }

  async function send(event) {
    event.preventDefault();
    clearTimeout(timer);
    turn += 1;
    go.disabled = true;
    go.textContent = "Is checked …";
    try {
      const job = await post("/runs", { name: name.value || null, config: form.config, confirm: confirm.checked });
      tell(`The search ${job.run} is queued.`);
      location.hash = `#/runs/${encodeURIComponent(job.run)}`;
    } catch (error) {
      show(error.problems ?? [], [], error.message);
      document.querySelector("[aria-invalid=true]")?.focus();
    }
    go.disabled = false;
    go.textContent = "Start the search";
  }

  form.onchange = changed;
  replace(main, el("h1", {}, "New search"), el("form", { onsubmit: send, novalidate: false },
    el("div", { class: "card" },
      el("p", {}, el("label", { for: "preset" }, "Begin with the preset "), preset),
      el("p", {}, el("label", { for: "name" }, "Name of the run "), name),
      el("p", {}, el("label", {}, confirm, " train the best cells again with three seeds each, at the end"))),
    said, warnings, form.element,
    el("details", { class: "card" }, el("summary", {}, "As JSON"), text,
      el("button", { type: "button", onclick: () => {
        try { take(JSON.parse(text.value)); } catch (error) { tell(`That is no JSON: ${error.message}`, true); }
      } }, "Take over into the form")),
    el("div", { class: "row end sticky" }, go)));
  take(JSON.parse(preset.value));
  return () => { clearTimeout(timer); turn += 1; };
}

const defaultOf = (value) => (Array.isArray(value) && !value.length ? null : `Default: ${JSON.stringify(value)}.`);

class Form {
  constructor(schema) {
    this.schema = schema;
    this.element = el("div", {});
    this.config = {};
  }

  take(config) {
    this.config = structuredClone(config);
    delete this.config.$schema;
    this.fields = new Map();
    replace(this.element, this.sections().map(([section, node]) => el("details", {
      class: "card", open: FIRST.includes(section),
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
    for (const name of path.slice(0, -1)) node = node[name] ??= {};
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
    const control = this.control(path, kind, isNullable);
    const id = path.join(".");
    const mistake = el("span", { class: "mistake", id: `mistake-${id}`, role: "alert" });
    control.setAttribute("aria-describedby", `help-${id} mistake-${id}`);
    this.fields.set(id, { control, mistake });
    return el("div", { class: "field" }, el("label", { for: `field-${id}` }, path.at(-1).replaceAll("_", " ")),
      control, this.help(path, kind, isNullable), mistake);
  }

  help(path, node, isNullable) {
    const bounds = [node.minimum ?? node.exclusiveMinimum, node.maximum ?? node.exclusiveMaximum];
    const parts = [node.description, bounds.some((bound) => bound !== undefined) ? `From ${bounds[0] ?? "…"} to ${bounds[1] ?? "…"}.` : null,
      isNullable && !node.properties && node.type !== "array" ? "Empty: null." : null,
      node.default || node.default === 0 || node.default === false ? defaultOf(node.default) : null];
    return el("small", { class: "note", id: `help-${path.join(".")}` }, parts.filter(Boolean).join(" "));
  }

  control(path, node, isNullable) {
    const id = `field-${path.join(".")}`;
    const value = this.at(path);
    const names = node.enum ?? node.anyOf?.find((option) => option.enum)?.enum;
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
    if (node.type === "array" && items) return this.list(path, id, items, value ?? node.default ?? []);
    return this.json(path, id, value);
  }

  choice(path, id, names, value, node, isNullable) {
    const chosen = value === undefined ? node.default : value;
    return el("select", { id, onchange: (event) => this.put(path, event.target.value === "" ? null : event.target.value) },
      isNullable ? el("option", { value: "", selected: chosen === null }, "null") : null,
      names.map((name) => el("option", { value: name, selected: name === chosen }, name)));
  }

  text(path, id, names, value, isNullable) {
    const list = names ? el("datalist", { id: `${id}-names` }, names.map((name) => el("option", { value: name }))) : null;
    if (list) this.element.append(list);
    return el("input", { id, value: value ?? "", list: list ? `${id}-names` : null, placeholder: isNullable ? "null" : "",
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
