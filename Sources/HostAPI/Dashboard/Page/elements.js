// Small builders of elements, and how values are written. Text only ever becomes a text node: what a script calls its
// job cannot become a part of the page.

/** An element: `element("p.sub", { title: "x" }, "text", other)`. */
export function element(kind, attributes = {}, ...children) {
  const [name, ...classes] = kind.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

export const link = (address, text) => element("a", { href: address }, text);
export const jobLink = (name) => link(`#/jobs/${encodeURIComponent(name)}`, name);
export const runLink = (id) => link(`#/runs/${id}`, `#${id}`);

export function button(text, act, kind = "") {
  const made = element(`button${kind ? `.${kind}` : ""}`, { type: "button" }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try { await act(); } catch (error) { toast(error.message, true); }
    made.disabled = false;
  });
  return made;
}

/** A table in a panel; `empty` is said when there are no rows. A column is a title, or [title, class of its cells]. */
export function table(columns, rows, empty) {
  if (!rows.length) return element("div.panel", {}, element("p.empty", {}, empty));
  const kinds = columns.map((column) => (Array.isArray(column) ? column : [column, ""]));
  const cell = (kind, tag) => (kind ? `${tag}.${kind}` : tag);
  return element("div.panel", {}, element("table", {},
    element("thead", {}, element("tr", {}, kinds.map(([title, kind]) => element(cell(kind, "th"), { scope: "col" }, title)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((value, index) => element(cell(kinds[index][1], "td"), {}, value ?? "")))))));
}

export function facts(pairs) {
  return element("div.panel", {}, element("dl", {}, pairs.filter(([, value]) => value)
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])));
}

export function card(label, value, note) {
  return element("div.card", {}, element("div.value", {}, String(value)), element("div.label", {}, label, note ? ` · ${note}` : ""));
}

export function toast(text, isBad = false) {
  const made = element(`div.toast${isBad ? ".bad" : ""}`, {}, text);
  document.getElementById("toasts").append(made);
  setTimeout(() => made.remove(), isBad ? 9000 : 4500);
}

const kinds = { succeeded: "good", cancelled: "warn", interrupted: "warn" };
export function outcome(word) { return word ? element(`span.pill.${kinds[word] ?? "bad"}`, {}, word.replaceAll("_", " ")) : ""; }
export function pill(text, kind = "") { return element(`span.pill${kind ? `.${kind}` : ""}`, {}, text); }

export function progress(info) {
  if (!info) return "";
  const bar = info.fraction === undefined || info.fraction === null ? "" : element("progress", { max: 1, value: info.fraction });
  return element("span", {}, bar, ` ${info.text}`);
}

/** Asks a person for some values. `fields`: [name, label, "line" or "text", what stands there]. */
export function dialog(title, words, fields, verb, act, kind = "main") {
  const frame = document.getElementById("dialog");
  const inputs = fields.map(([name, label, form, value]) => {
    const input = element(form === "text" ? "textarea" : "input", { id: `field-${name}`, spellcheck: "false" });
    input.value = value ?? "";
    return [name, element("label", { for: `field-${name}` }, label), input];
  });
  const wrong = element("p.wrong", { role: "alert" });
  const form = element("form", { method: "dialog" },
    element("h2", {}, title), words ? element("p.sub", {}, words) : "",
    inputs.flatMap(([, label, input]) => [label, input]), wrong,
    element("div.buttons", {},
      element("button", { type: "button", onclick: () => frame.close() }, "Cancel"),
      element(`button.${kind}`, { type: "submit" }, verb)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await act(Object.fromEntries(inputs.map(([name, , input]) => [name, input.value])));
      frame.close();
    } catch (error) { wrong.textContent = error.message; }
  });
  frame.replaceChildren(form);
  frame.showModal();
}

// MARK: Values as text

let zone;
let offset = 0;
/** What the host says its zone and its clock are. */
export function setClock(name, now) {
  offset = Date.parse(now) - Date.now();
  try { new Intl.DateTimeFormat("en", { timeZone: name }); zone = name; } catch { zone = undefined; }
}
export const hostNow = () => Date.now() + offset;

const formats = new Map();
function format(options) {
  const key = JSON.stringify([zone, options]);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...options }));
  return formats.get(key);
}
/** A time in the host's zone; or, as people say it, how long ago or from now. */
export function time(text, isRelative = false) {
  if (!text) return "";
  const at = new Date(text);
  const words = format({ dateStyle: "short", timeStyle: "medium" }).format(at);
  if (!isRelative) return element("time", { datetime: text, title: text }, words);
  return element("time", { datetime: text, title: words }, relative(at.getTime() - hostNow()));
}
export const clock = () => format({ timeStyle: "medium" }).format(new Date(hostNow()));
export const minute = (at) => format({ hour: "2-digit", minute: "2-digit" }).format(at);

const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"]];
function relative(milliseconds) {
  const size = Math.abs(milliseconds);
  if (size < 1_000) return "now";
  const [unit, name] = units.find(([unit]) => size >= unit);
  const count = `${Math.round(size / unit)} ${name}`;
  return milliseconds > 0 ? `in ${count}` : `${count} ago`;
}
export function span(milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return "";
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1_000) return `${milliseconds.toPrecision(3)} ms`;
  if (milliseconds < 120_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${(milliseconds / 60_000).toFixed(1)} min`;
}
export function bytes(count) {
  if (!count) return "";
  return count < 1 << 20 ? `${Math.round(count / 1024)} KB` : `${(count / 1048576).toFixed(1)} MB`;
}
export const json = (value) => (value === undefined ? "" : JSON.stringify(value, null, 2));
