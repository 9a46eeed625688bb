// The fields of a configuration, made from its JSON Schema: its help, bounds and choices.

import { el, replace } from "./dom.js";

const FIRST = ["dataset", "search_space", "search_strategy"];

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function withoutSchema(config) {
  const found = structuredClone(config);
  delete found.$schema;
  return found;
}

const suggestions = (id, names) => el("datalist", { id }, names.map((name) => el("option", { value: name })));

const defaultOf = (value) => (Array.isArray(value) && !value.length ? null : `Default: ${JSON.stringify(value)}.`);

export class Form {
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
