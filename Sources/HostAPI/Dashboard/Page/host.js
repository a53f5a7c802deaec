// Talks to the host. Everything goes through the HTTP API, with the cookie of the session.

/** A refusal of the host, as its problem document says it. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  } catch {
    throw new Refusal(0, "the host does not answer");
  }
  if (response.status === 204) return null;
  const text = await response.text();
  let body;
  try { body = JSON.parse(text); } catch { body = { detail: text }; }
  if (!response.ok) throw new Refusal(response.status, body.detail ?? response.statusText);
  return body;
}

/** Asks. `query` may hold nothing for a parameter: it is left out. */
export function ask(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, value);
  }
  const text = parameters.toString();
  return request(`/api/v1/${path}${text ? `?${text}` : ""}`);
}

/** Tells. */
export function tell(path, body = {}) {
  return request(`/api/v1/${path}`, {
    method: "POST", body: JSON.stringify(body),
    headers: { Accept: "application/json", "Content-Type": "application/json" },
  });
}

/** Removes. */
export function remove(path) { return request(`/api/v1/${path}`, { method: "DELETE" }); }

/** A name as a part of a path. */
export const part = encodeURIComponent;

const types = [
  "host_started", "job_added", "job_changed", "job_orphaned", "job_back", "orphans_kept", "job_paused", "job_resumed", "host_paused",
  "host_resumed", "schedule_ended", "schedule_made", "schedule_removed", "run_claimed", "run_started", "run_progress",
  "run_finished", "run_retrying", "run_parked", "run_stepped", "operation_refused", "run_stuck", "decided", "claim_failed",
  "script_failed", "script_repaired", "failure_hook_ended", "store_failed", "store_lost", "not_written", "store_recovered",
  "clock_changed", "draining", "stopped", "gap",
];

/** Hears what the host does. `heard` is called for each event, `changed` when the line to the host comes or goes. */
export function listen(heard, changed) {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => changed(true));
  source.addEventListener("error", () => changed(false));
  for (const type of types) source.addEventListener(type, (event) => heard(type, event.data));
  return source;
}
