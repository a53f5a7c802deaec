// Shows the page that the address names, and shows it again when the host does something.

import { ask, listen } from "./host.js";
import { button, clock, element, setClock } from "./elements.js";
import * as pages from "./pages.js";

const routes = [
  [/^\/?$/, pages.overview], [/^\/jobs$/, pages.jobs], [/^\/jobs\/(.+)$/, pages.job], [/^\/runs$/, pages.runs],
  [/^\/runs\/(\d+)$/, pages.run], [/^\/upcoming$/, pages.upcoming], [/^\/scripts$/, pages.scripts], [/^\/audit$/, pages.audit],
];
/** Milliseconds between two answers to what the host does, and between two looks when it does nothing. */
const soonest = 1_000, latest = 15_000;

const main = document.getElementById("main");
const live = document.getElementById("live");
const banner = document.getElementById("banner");
let shown = "";
let latestShow = 0;
let shownAt = 0;
let timer;

function address() {
  const [path, query] = (location.hash.slice(1) || "/").split("?");
  return { path, query: new URLSearchParams(query ?? "") };
}

function mark(path) {
  for (const link of document.querySelectorAll("nav a")) {
    const own = link.getAttribute("href").slice(1);
    const isHere = own === "/" ? path === "/" || path === "" : path.startsWith(own);
    if (isHere) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

function warn(words, isBad, ...actions) {
  banner.hidden = !words;
  banner.className = isBad ? "bad" : "";
  banner.replaceChildren(...(words ? [words, ...actions] : []));
}

async function tellState() {
  const status = await ask("status");
  setClock(status.timezone, status.now);
  if (status.state === "paused") {
    const pause = status.pause;
    warn(`Everything is paused${pause ? ` by ${pause.by}${pause.reason ? `: ${pause.reason}` : ""}` : ""}.`, false, button("Resume", () => pages.resume(null, show)));
  } else if (status.state === "stopping") warn("The host is stopping: what runs may end, nothing new starts.", false);
  else if (!status.ready) warn(status.problems[0] ?? "The host is not ready.", true);
  else warn("");
}

/** Whether somebody is writing into the page, which must not be replaced under them. */
const isInUse = () => document.getElementById("dialog").open || main.querySelector("input:focus, select:focus, textarea:focus") !== null
  || String(getSelection()) !== "";

async function show() {
  const own = ++latestShow;
  clearTimeout(timer);
  const { path, query } = address();
  const isNew = shown !== location.hash;
  mark(path);
  const route = routes.find(([pattern]) => pattern.test(path));
  try {
    await tellState();
    const found = route ? await route[1](path.match(route[0]).slice(1).map(decodeURIComponent), query, show) : [element("p.empty", {}, "There is no such page.")];
    if (own !== latestShow) return;
    if (isNew || !isInUse()) {
      const scroll = isNew ? 0 : scrollY;
      const log = main.querySelector(".log")?.scrollTop;
      main.replaceChildren(...found);
      if (isNew) main.focus({ preventScroll: true });
      scrollTo(0, scroll);
      if (!isNew && log !== undefined && main.querySelector(".log")) main.querySelector(".log").scrollTop = log;
      shown = location.hash;
      document.title = `${main.querySelector("h1")?.textContent ?? ""} · Moondial`;
    }
  } catch (error) {
    if (own !== latestShow) return;
    if (error.status === 401) return signedOut();
    if (isNew) { main.replaceChildren(element("p.empty", {}, error.message)); shown = location.hash; }
    else if (error.status === 0) warn("The host does not answer. What you see is how it was.", true);
    else warn(error.message, true);
  }
  shownAt = Date.now();
  timer = setTimeout(show, latest);
}

function signedOut() {
  latestShow += 1;
  source.close();
  live.className = "live off";
  live.textContent = "signed out";
  main.replaceChildren(element("h1", {}, "Signed out"), element("p", {}, "Run ", element("code", {}, "moondial dashboard"), " on the host's machine and open the link that it prints."));
}

function soon() {
  if (document.hidden) return;
  clearTimeout(timer);
  timer = setTimeout(show, Math.max(0, shownAt + soonest - Date.now()));
}

const source = listen((type) => { pages.heard(type); soon(); }, (isOn) => {
  live.className = isOn ? "live on" : "live off";
  live.textContent = isOn ? "live" : "not connected";
  if (isOn) { pages.heard("gap"); soon(); }
});
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", soon);
setInterval(() => { document.getElementById("clock").textContent = clock(); }, 1_000);
show();
