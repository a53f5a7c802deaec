// The pages. Each is an async function that asks the host and answers the elements to show.

import { ask, part, remove, tell } from "./host.js";
import {
  bytes, button, card, dialog, element, facts, hostNow, jobLink, json, link, minute, outcome, pill, progress, runLink, span,
  table, time, toast,
} from "./elements.js";

const failures = "failed,timed_out,out_of_memory,crashed,stuck,interrupted";

// MARK: Orders

const runNow = (job, again) => dialog(
  `Run ${job.name}`, "It runs in addition to its schedule, as soon as its limits allow.",
  job.params ? [["params", "Parameters (JSON)", "text", json(job.params)]] : [], "Run", async ({ params }) => {
    let body = {};
    if (params?.trim()) {
      try { body = { params: JSON.parse(params) }; } catch { throw new Error("the parameters are no JSON"); }
    }
    const run = await tell(`jobs/${part(job.name)}/run`, body);
    toast(`Run #${run.id} of ${job.name} was accepted.`);
    again();
  });

const pause = (name, again) => dialog(
  name ? `Pause ${name}` : "Pause everything", "What falls due is skipped until somebody resumes it. What runs goes on.",
  [["reason", "Reason, for those who wonder", "line"]], "Pause", async ({ reason }) => {
    await tell(name ? `jobs/${part(name)}/pause` : "pause", reason ? { reason } : {});
    toast(name ? `${name} is paused.` : "Everything is paused.");
    again();
  });

export async function resume(name, again) {
  await tell(name ? `jobs/${part(name)}/resume` : "resume");
  toast(name ? `${name} goes on.` : "Everything goes on.");
  again();
}

async function cancel(id, again) {
  const answer = await tell(`runs/${id}/cancel`);
  toast(answer.state === "cancelled" ? `Run #${id} is cancelled.` : `Run #${id} is told to end.`);
  again();
}

async function retry(id, again) {
  const run = await tell(`runs/${id}/retry`);
  toast(`Run #${run.id} does it again.`);
  again();
}

async function reload(again) {
  const answer = await tell("reload");
  const errors = answer.errors?.length ?? 0;
  toast(`Generation ${answer.generation}: ${answer.added} added, ${answer.changed} changed, ${answer.removed} removed`
    + `${errors ? `, ${errors} with errors` : ""}.`, errors > 0);
  again();
}

const drain = (name, isOwn, again) => dialog(
  `Drain ${name}`, `It gives up what it leads when its runs have ended, and leads nothing until it is resumed or started again. Another host takes over at once.${isOwn ? " This page is of that host, and ends with it: run moondial dashboard on the machine of the one that takes over." : ""}`,
  [], "Drain", async () => {
    await tell(`nodes/${part(name)}/drain`);
    toast(`${name} is drained.`);
    again();
  }, "danger");

async function undrain(name, again) {
  await tell(`nodes/${part(name)}/resume`);
  toast(`${name} is not drained any more.`);
  again();
}

// MARK: Parts

const nodeKinds = { leads: "good", draining: "warn", drained: "warn", gone: "bad" };
const nodeRows = (nodes, own, again) => nodes.map((node) => [
  node.name, pill(node.state.replaceAll("_", " "), nodeKinds[node.state] ?? ""), time(node.leads_since ?? node.started_at),
  node.leader ? String(node.runs) : "", `${node.scripts.slice(0, 8)}${node.same_scripts === false && node.state !== "gone" ? ", others than the leader's" : ""}`,
  node.labels.join(", "), `${node.machine}, ${node.version}`,
  node.state === "gone" ? ""
    : node.state === "draining" || node.state === "drained" ? button("Resume", () => undrain(node.name, again))
      : button("Drain", () => drain(node.name, node.name === own, again), "danger"),
]);

function runRows(runs, again) {
  return runs.map((run) => [
    runLink(run.id), jobLink(run.job), time(run.scheduled_at), stateOf(run),
    span(run.duration_ms), run.error ? element("span", {}, run.error.message) : run.progress ? progress(run.progress) : until(run),
    run.outcome ? button("Retry", () => retry(run.id, again)) : button("Cancel", () => cancel(run.id, again), "danger"),
  ]);
}
const runColumns = ["Run", "Job", ["Due", "time extra"], "Outcome", ["Took", "num extra"], ["Error or progress", "wide"], ["", "actions"]];

const openRows = (runs, again) => runs.map((run) => [
  runLink(run.id), jobLink(run.job), stateOf(run), run.started_at ? time(run.started_at, true) : "",
  run.progress ? progress(run.progress) : until(run), button("Cancel", () => cancel(run.id, again), "danger"),
]);

const stateKinds = { running: "good", retrying: "warn", stuck: "bad" };
/** How a run has ended, or where it stands. */
const stateOf = (run) => outcome(run.outcome) || pill(run.state ?? "open", stateKinds[run.state]);

/** What a run waits for that goes on by itself. */
function until(run) {
  if (run.state === "retrying") return element("small", {}, "next attempt ", time(run.next_attempt_at, true));
  if (run.state !== "parked") return "";
  return element("small", {}, run.waits_for ? `for ${run.waits_for}` : "", run.waits_for && run.parked_until ? ", at the latest " : "", time(run.parked_until, true));
}

/** What a job does and whether anything keeps it from that. */
function standing(job) {
  const pills = [];
  if (job.orphaned) pills.push(pill("orphaned", "warn"));
  else if (job.paused) pills.push(pill("paused", "warn"));
  else if (job.paused_with_everything) pills.push(pill("paused with everything", "warn"));
  else if (!job.enabled) pills.push(pill("disabled"));
  if (job.now) pills.push(pill(job.now, job.now.includes("stuck") ? "bad" : job.running ? "good" : ""));
  return element("span", {}, pills.flatMap((made) => [made, " "]));
}

function jobActions(job, again) {
  if (job.orphaned) return "";
  return element("span", {}, button("Run", () => runNow(job, again)),
    job.paused ? button("Resume", () => resume(job.name, again)) : button("Pause", () => pause(job.name, again)));
}

const problems = (list) => list.map((problem) => element("pre", {}, pill(problem.error ? "error" : "note", problem.error ? "bad" : "warn"),
  ` ${problem.file}${problem.line ? `:${problem.line}` : ""}: ${problem.message}`));

function lines(log) {
  if (!log.lines.length) return element("div.panel", {}, element("p.empty", {}, "Nothing was written."));
  return element("div.panel.log", { tabindex: "0" }, element("pre", {}, log.cut ? element("span.dim", {}, "… earlier lines are left out\n") : "",
    log.lines.map((line) => element(`span.${line.level}`, {},
      element("span.at", {}, `${line.at.slice(11, 23)} `), line.message, line.fields === undefined ? "" : ` ${JSON.stringify(line.fields)}`, "\n"))));
}

/** The fires of a span, counted by the host: what is listed may be less. */
function strip(upcoming) {
  const start = Date.parse(upcoming.from);
  const width = (Date.parse(upcoming.to) - start) / upcoming.counts.length;
  const most = Math.max(1, ...upcoming.counts);
  const at = (index) => new Date(start + index * width);
  const columns = upcoming.counts.map((count, index) => {
    const made = element(count ? "div" : "div.none", { title: `${minute(at(index))} to ${minute(at(index + 1))}: ${count} fire times` });
    made.style.height = `${Math.max(3, (count / most) * 100)}%`;
    return made;
  });
  const words = `Fire times in each half hour of the next 24 hours, without those of frequent jobs: ${upcoming.counts.join(", ")}`;
  return element("div.panel", {}, element("div.strip", { role: "img", "aria-label": words }, columns),
    element("div.hours", { "aria-hidden": "true" }, Array.from({ length: 12 }, (_, index) => element("span", {}, minute(at(index * upcoming.counts.length / 12))))));
}

/** The fires to come are looked up again when something changed them, and now and then: the host looks at every schedule for it. */
let known, knownAt = 0;
async function fires() {
  if (!known || hostNow() - knownAt > 15_000) {
    knownAt = hostNow();
    known = ask("upcoming", { limit: 100 });
    known.catch(() => { known = undefined; });
  }
  return known;
}
const movers = /^(gap|host_|job_|schedule_|script_|clock_)/;
/** An event was heard. */
export function heard(type) { if (movers.test(type)) known = undefined; }

/** How many pages the list that is looked at was made to show; a list that is shown again has as many. */
let grown = { address: "", pages: 1 };

/** A list that grows by pages. */
async function more(path, query, show) {
  if (grown.address !== location.hash) grown = { address: location.hash, pages: 1 };
  const items = [];
  let next;
  // Answers how many pages came. One in which the host looked for a text may be short, or empty, before the end: the
  // whole history is searched for it only page by page, as far as somebody asks.
  const fetch = async (pages) => {
    const answer = await ask(path, { ...query, limit: Math.min(1_000, query.limit * pages), after: next });
    items.push(...answer.items);
    next = answer.next;
    return Math.max(1, Math.ceil(answer.items.length / query.limit));
  };
  let left = grown.pages;
  do left -= await fetch(left); while (next && left > 0);
  const frame = element("div", {}, show(items));
  const further = button("Show more", async () => {
    grown.pages += await fetch(1);
    frame.replaceChildren(show(items));
    further.hidden = !next;
  });
  further.hidden = !next;
  return element("div", {}, frame, element("p", {}, further));
}

function filters(path, query, fields) {
  const form = element("form.filters", { role: "search" }, fields, element("button", { type: "submit" }, "Filter"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = [...new FormData(form)].filter(([, value]) => value);
    location.hash = values.length ? `#/${path}?${new URLSearchParams(values)}` : `#/${path}`;
  });
  for (const [name, value] of query) if (form.elements[name]) form.elements[name].value = value;
  return form;
}
const field = (name, label) => element("input", { name, placeholder: label, "aria-label": label });
const choice = (name, label, values) => element("select", { name, "aria-label": label },
  element("option", { value: "" }, label), values.map((value) => (Array.isArray(value) ? value : [value, value.replaceAll("_", " ")]))
    .map(([value, words]) => element("option", { value }, words)));

// MARK: Pages

export async function overview(_, __, again) {
  const [status, open, failed, upcoming, scripts] = await Promise.all([
    ask("status"), ask("runs", { open: "true", limit: 20 }), ask("runs", { outcome: failures, limit: 8 }), fires(), ask("scripts"),
  ]);
  const now = hostNow();
  const next = [...upcoming.fires.filter((fire) => Date.parse(fire.at) > now).map((fire) => ({ at: Date.parse(fire.at), job: fire.job, note: fire.run && `run #${fire.run} goes on` })),
    ...upcoming.frequent.map((line) => ({ at: Math.max(now, Date.parse(line.first)), job: line.job, note: line.trigger }))]
    .sort((a, b) => a.at - b.at).slice(0, 8);
  const hosts = status.node ? (await ask("nodes")).nodes : [];
  const broken = scripts.scripts.flatMap((script) => script.problems).concat(scripts.problems);
  return [
    element("div.head", {},
      element("div", {}, element("h1", {}, "Overview"), element("p.sub", {}, `${status.scripts ?? "no scripts"} · generation ${status.generation} · version ${status.version}`)),
      element("div", {}, button("Reload scripts", () => reload(again)),
        status.state === "paused" ? button("Resume everything", () => resume(null, again), "main") : button("Pause everything", () => pause(null, again)))),
    element("div.cards", {},
      card("jobs", status.jobs.total, [status.jobs.paused && `${status.jobs.paused} paused`, status.jobs.disabled && `${status.jobs.disabled} disabled`].filter(Boolean).join(", ")),
      card("running", status.runs.running, status.runs.stuck ? `${status.runs.stuck} stuck` : ""),
      card("waiting", status.runs.waiting + status.runs.claimed, status.runs.retrying ? `${status.runs.retrying} to be retried` : ""),
      card("parked", status.runs.parked),
      card("ended", status.runs.ended.toLocaleString("en"), "since the start"),
      card("memory", bytes(status.memory.resident_bytes), `Lua ${bytes(status.memory.lua_states_bytes) || "0 KB"}`),
      card("workers", status.executors.map((pool) => pool.workers).reduce((a, b) => a + b, 0))),
    status.problems.length ? [element("h2", {}, "What the host cannot do"), element("div.panel", {}, status.problems.map((text) => element("pre", {}, text)))] : [],
    broken.length ? [element("h2", {}, "What is wrong with the scripts"), element("div.panel", {}, problems(broken))] : [],
    hosts.length ? [element("h2", {}, "The hosts that share a store"), table(["Host", "State", ["Since", "time"], ["Runs", "num"], ["Scripts", "extra"], ["Labels", "extra"], ["On", "extra"], ["", "actions"]], nodeRows(hosts, status.node, again), "")] : [],
    element("h2", {}, "The next 24 hours"), strip(upcoming),
    element("div.columns", {},
      element("section", {}, element("h2", {}, "Open runs"), table(["Run", "Job", "State", ["Began", "time"], "", ["", "actions"]], openRows(open.items, again), "No run is open at the moment."),
        open.next ? element("p", {}, link("#/runs?open=true", "All open runs")) : ""),
      element("section", {}, element("h2", {}, "Next"), table(["When", "Job", ["", "extra"]], next.map(({ at, job, note }) => [time(new Date(at).toISOString(), true), jobLink(job), element("small", {}, note ?? "")]), "Nothing will fire."))),
    element("h2", {}, "Latest failures"), table(runColumns, runRows(failed.items, again), "No run has failed."),
  ].flat();
}

export async function jobs(_, query, again) {
  const wanted = { text: query.get("text"), tag: query.get("tag"), state: query.get("state"), limit: 100 };
  const show = (items) => table(["Job", ["Trigger", "extra"], ["Next", "time"], "Last", "Now", ["", "actions"]], items.map((job) => [
    element("span", {}, jobLink(job.name), " ", job.tags.map((tag) => element("span.tag", {}, tag)), job.description ? [element("br"), element("small", {}, job.description)] : []),
    job.trigger, time(job.next_run_time, true), outcome(job.last_outcome), standing(job), jobActions(job, again)]), "No job is like that.");
  return [
    element("h1", {}, "Jobs"),
    filters("jobs", query, [field("text", "Name or description"), field("tag", "Tag"), choice("state", "Any state", ["enabled", "disabled", "paused", "orphaned", "running", "failing"])]),
    await more("jobs", wanted, show),
  ];
}

export async function job([name], _, again) {
  const [job, runs, decisions, log] = await Promise.all([
    ask(`jobs/${part(name)}`), ask("runs", { job: name, limit: 15 }), ask("decisions", { job: name, limit: 8 }),
    ask(`jobs/${part(name)}/log`, { limit: 100 }),
  ]);
  return [
    element("div.head", {}, element("div", {}, element("h1", {}, job.name, " ", standing(job)), element("p.sub", {}, job.description ?? "")), jobActions(job, again)),
    facts([
      ["Trigger", job.trigger], ["Next", job.next_run_time && element("span", {}, time(job.next_run_time), " · ", time(job.next_run_time, true))],
      ["Last", job.last_outcome && element("span", {}, outcome(job.last_outcome), " ", time(job.last_run_time))],
      ["Paused", job.pause && `by ${job.pause.by}${job.pause.reason ? `: ${job.pause.reason}` : ""}`], ["Progress", job.progress && progress(job.progress)],
      ["Script", job.file && `${job.file}:${job.line}`], ["Zone", job.timezone], ["Overlap", `${job.overlap}, at most ${job.max_instances} at a time`],
      ["Group", job.group], ["Executor", job.executor], ["Store", job.store], ["Hosts with", job.on_nodes?.join(", ")], ["Tags", job.tags.join(", ")], ["Parameters", job.params && JSON.stringify(job.params)],
      ["Orphaned", job.orphaned && (job.orphan_reason ?? "no script declares it")],
    ]),
    job.schedules.length ? [element("h2", {}, "Dynamic schedules"), table(["Id", "Trigger", ["Next", "time"], ["", "actions"]],
      job.schedules.map((schedule) => [schedule.id, schedule.trigger, time(schedule.next_run_time, true), button("Unschedule", async () => {
        await remove(`schedules/${part(schedule.id)}`);
        toast(`${schedule.id} was removed.`);
        again();
      }, "danger")]), "")] : [],
    element("h2", {}, "Runs"), table(runColumns, runRows(runs.items, again), "It has not run so far."),
    runs.next ? element("p", {}, link(`#/runs?job=${part(name)}`, "All runs")) : [],
    decisions.items.length ? [element("h2", {}, "Fire times without a run of their own"), element("div.panel", {}, decisions.items.map((decision) => element("pre", {}, decision.sentence)))] : [],
    element("h2", {}, "Log of the latest runs"), lines(log),
  ].flat();
}

export async function runs(_, query, again) {
  const wanted = { job: query.get("job"), outcome: query.get("outcome"), text: query.get("text"), open: query.get("open"), limit: 50 };
  return [
    element("h1", {}, "Runs"),
    filters("runs", query, [field("job", "Job"), field("text", "Text in error or log"),
      choice("outcome", "Any outcome", ["succeeded", "failed", "timed_out", "cancelled", "out_of_memory", "interrupted", "crashed", "stuck"]),
      choice("open", "Ended or open", [["true", "open"]])]),
    await more("runs", wanted, (items) => table(runColumns, runRows(items, again), "No run is like that.")),
  ];
}

export async function run([id], _, again) {
  const [run, log] = await Promise.all([ask(`runs/${part(id)}`), ask(`runs/${part(id)}/log`, { limit: 1000 })]);
  return [
    element("div.head", {}, element("div", {}, element("h1", {}, `Run #${run.id} of `, jobLink(run.job)), element("p.sub", {}, stateOf(run))),
      run.outcome ? button("Retry", () => retry(run.id, again)) : button("Cancel", () => cancel(run.id, again), "danger")),
    facts([
      ["Due", time(run.scheduled_at)], ["Cause", run.cause], ["Schedule", run.schedule], ["Started", time(run.started_at)],
      ["Parked until", run.parked_until && time(run.parked_until)], ["Waits for", run.waits_for], ["On host", run.node],
      ["Last attempt", run.last_attempt_at && time(run.last_attempt_at)], ["Next attempt", run.next_attempt_at && time(run.next_attempt_at)],
      ["Ended", time(run.finished_at)], ["Took", span(run.duration_ms)], ["Attempts", run.attempts > 1 ? String(run.attempts) : ""],
      ["Missed fire times", run.missed ? String(run.missed) : ""], ["Memory at most", bytes(run.memory_peak_bytes)], ["Progress", run.progress && progress(run.progress)],
      ["Tried again from", run.retry_of && runLink(run.retry_of)], ["Makes good for", run.recovers && runLink(run.recovers)],
      ["Parameters", run.params && JSON.stringify(run.params)], ["Event", run.event && JSON.stringify(run.event)],
    ]),
    run.steps?.length ? [element("h2", {}, "Steps"), table([["", "num"], "Step", ["Result", "wide"], ["Attempt", "num extra"], ["Ended", "time"]], run.steps.map((step) => [
      String(step.position), step.kind === "step" ? step.name : `${step.kind.replaceAll("_", " ")} ${step.name}`, step.result === undefined ? "" : JSON.stringify(step.result),
      String(step.attempt), step.finished_at ? time(step.finished_at) : run.outcome ? "not over when the run ended"
        : element("span", {}, pill("parked"), step.until ? [" until ", time(step.until)] : "")]), "")] : [],
    run.error ? [element("h2", {}, "Error"), element("div.panel", {}, element("pre", {},
      `${run.error.file ? `${run.error.file}:${run.error.line}: ` : ""}${run.error.message}${run.error.traceback ? `\n${run.error.traceback}` : ""}${run.error.data === undefined ? "" : `\n${json(run.error.data)}`}`))] : [],
    run.result === null || run.result === undefined ? [] : [element("h2", {}, "Result"), element("div.panel", {}, element("pre", {}, json(run.result)))],
    element("h2", {}, "Log"), lines(log),
  ].flat();
}

export async function upcoming() {
  const list = await ask("upcoming", { limit: 1000 });
  return [
    element("h1", {}, "Upcoming"), element("p.sub", {}, "What falls due in the next 24 hours."), strip(list),
    element("h2", {}, "Frequent jobs"), table(["Job", "Trigger", ["First", "time"], ["Fire times", "num"]], list.frequent.map((entry) => [
      jobLink(entry.job), entry.trigger, time(entry.first, true), `${entry.at_least ? "at least " : ""}${entry.count.toLocaleString("en")}${entry.paused ? " (paused)" : ""}`]), "None."),
    element("h2", {}, "Fire times"), table([["When", "time"], ["", "time extra"], "Job", ""], list.fires.map((fire) => [
      time(fire.at), time(fire.at, true), jobLink(fire.job), fire.paused ? pill("paused", "warn") : ""]), "None."),
    list.cut ? element("p.sub", {}, "There are more than are shown here.") : [],
  ].flat();
}

export async function scripts(_, __, again) {
  const [list, generations] = await Promise.all([ask("scripts"), ask("generations")]);
  const kinds = { current: "good", stale: "warn", broken: "bad", loading: "" };
  return [
    element("div.head", {}, element("div", {}, element("h1", {}, "Scripts"), element("p.sub", {}, `${list.directory ?? ""} · generation ${list.generation}`)), button("Reload scripts", () => reload(again))),
    list.problems.length ? element("div.panel", {}, problems(list.problems)) : [],
    table(["Script", "Status", ["Jobs", "num"], ["Problems", "wide"]], list.scripts.map((script) => [
      script.path, pill(script.status, kinds[script.status]), String(script.jobs), problems(script.problems)]), "There are no scripts."),
    element("h2", {}, "Generations"), table([["", "num"], ["When", "time"], "Added", "Changed", "Removed", "Errors"], generations.items.map((entry) => [
      String(entry.number), time(entry.at), String(entry.added), String(entry.changed), String(entry.removed), String(entry.errors)]), "None."),
  ].flat();
}

export async function audit(_, query) {
  const wanted = { action: query.get("action"), subject: query.get("subject"), by: query.get("by"), limit: 100 };
  return [
    element("h1", {}, "Audit"), element("p.sub", {}, "Who changed what."),
    filters("audit", query, [field("action", "Action"), field("subject", "Job or run"), field("by", "By")]),
    await more("audit", wanted, (items) => table([["When", "time"], "Who", ["Door", "extra"], "What", "Subject", ["Details", "wide extra"]], items.map((entry) => [
      time(entry.at), entry.by, entry.door, entry.action.replaceAll("_", " "), entry.subject, entry.details === undefined ? "" : JSON.stringify(entry.details)]), "Nobody has changed anything.")),
  ];
}
