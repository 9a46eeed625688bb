// Elements are made here and nowhere else: texts from outside become text, never markup.

export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
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

// At most once per `milliseconds`, and once more after the last call.
export function seldom(act, milliseconds) {
  let timer = 0;
  let last = 0;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + milliseconds - performance.now());
    timer = setTimeout(() => { timer = 0; last = performance.now(); act(); }, wait);
  };
}

export function drawing(cell, isOnlyUnused = true) {
  return el("img", {
    class: "drawing",
    alt: `Drawing of the cell ${cell}`,
    loading: "lazy",
    src: `/api/drawing?cell=${encodeURIComponent(cell)}&joins_only_unused=${isOnlyUnused}`,
  });
}

// A question in a dialog; `fields` are elements, `act` is called with the dialog when it is agreed to.
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
      said.textContent = error.message;
    }
    agree.disabled = false;
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}
