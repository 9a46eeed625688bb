// Elements are made here and nowhere else: texts from outside become text, never markup.

const HEARING = new WeakSet();  // elements with listeners of their own

export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
      HEARING.add(made);
    } else if (name === "class") made.className = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...shown(children));
  return made;
}

const shown = (children) => children.flat().filter((child) => child !== null && child !== undefined);

export function replace(parent, ...children) {
  parent.replaceChildren(...shown(children));
}

// What `replace` would show, with as few changes as possible: what has the focus keeps it, and what a person
// opened, ticked or scrolled stays so. Elements are found again by `data-key`, those without by their tag. What has
// a listener is found again by its key alone, and keeps the listener that it has.
export function renew(parent, ...children) {
  const old = [...parent.childNodes];
  const keyed = new Map(old.filter((node) => node.dataset?.key).map((node) => [node.dataset.key, node]));
  const others = old.filter((node) => !node.dataset?.key && !HEARING.has(node));
  settle(parent, shown(children).map((child) => {
    const made = child instanceof Node ? child : document.createTextNode(child);
    const kept = made.dataset?.key ? keyed.get(made.dataset.key) : HEARING.has(made) ? undefined : taken(others, made.nodeName);
    if (kept?.nodeName !== made.nodeName) return made;
    if (kept !== made) become(kept, made);
    return kept;
  }));
}

function taken(nodes, name) {
  const index = nodes.findIndex((node) => node.nodeName === name);
  return index < 0 ? undefined : nodes.splice(index, 1)[0];
}

function become(kept, made) {
  if (kept.nodeType === Node.TEXT_NODE) {
    if (kept.data !== made.data) kept.data = made.data;
    return;
  }
  for (const { name } of [...kept.attributes]) {
    if (name !== "open" && !made.hasAttribute(name)) kept.removeAttribute(name);
  }
  for (const { name, value } of made.attributes) {
    // The page's policy forbids styles as attributes, not as properties.
    if (name === "style") kept.style.cssText = value;
    else if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
  }
  renew(kept, ...made.childNodes);
}

// These nodes and no others in the parent, in this order; those that are in place are not touched.
export function settle(parent, nodes) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!wanted.has(node)) node.remove();
  let place = parent.firstChild;
  for (const node of nodes) {
    if (node === place) place = place.nextSibling; else parent.insertBefore(node, place);
  }
  if (!focused || document.activeElement === focused) return;
  // What had the focus was moved, or is gone: then what it was in is nearer than the top of the page.
  (focused.isConnected ? focused : parent.closest("[tabindex]"))?.focus({ preventScroll: true });
}

// The heading of a view, which gets the focus when the view is come to.
export function heading(text) {
  return el("h1", { tabindex: "-1" }, text);
}

let hide = 0;

// A line at the bottom for a moment, which screen readers read out.
export function tell(text, isBad = false) {
  const told = document.getElementById("told");
  told.textContent = text;
  told.className = isBad ? "shown bad" : "shown";
  clearTimeout(hide);
  hide = setTimeout(() => { told.className = ""; }, 7000);
}

// `act`, which asks the server for something; what goes wrong is told.
export function telling(act) {
  return async (...given) => {
    try { await act(...given); } catch (error) { tell(error.message, true); }
  };
}

// What `act` shows in a place; what went wrong instead, until it is asked for again.
export async function showing(place, act) {
  try {
    await act();
  } catch (error) {
    replace(place, el("p", { class: "mistake", role: "alert" }, error.message),
      el("button", { type: "button", onclick: () => showing(place, act) }, "Try again"));
  }
}

// At most once per `milliseconds`, and once more after the last call.
export function seldom(act, milliseconds) {
  let timer = 0;
  let last = -Infinity;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + milliseconds - performance.now());
    timer = setTimeout(() => { timer = 0; last = performance.now(); act(); }, wait);
  };
}

// `joinsOnlyUnused`: the cell's output joins the blocks that no other one takes, as the run's configuration has it.
export function drawing(cell, joinsOnlyUnused) {
  return el("img", {
    class: "drawing",
    alt: `Drawing of the cell ${cell}`,
    loading: "lazy",
    src: `/api/drawing?cell=${encodeURIComponent(cell)}&joins_only_unused=${joinsOnlyUnused}`,
  });
}

// What went wrong, with each mistake and its place.
export function words(error) {
  return [error.message, ...(error.problems ?? []).map((item) => `${item.place}: ${item.message}`)].join("\n");
}

// A question in a dialog; `fields` are elements, `act` is called when it is agreed to. Gives the dialog.
export function ask(title, fields, word, act, isDangerous = false) {
  const said = el("p", { class: "mistake", role: "alert" });
  const agree = el("button", { type: "submit", class: isDangerous ? "danger" : "primary" }, word);
  const form = el("form", { method: "dialog" },
    el("h2", {}, title), ...fields, said,
    el("div", { class: "row end" },
      el("button", { type: "button", onclick: () => box.close() }, "Cancel"), agree));
  const box = el("dialog", { "aria-label": title }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    agree.disabled = true;
    try {
      await act();
      box.close();
    } catch (error) {
      said.textContent = words(error);
    }
    agree.disabled = false;
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}
