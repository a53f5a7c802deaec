package import Hosting
internal import JobModel

/// The page `/metrics`: what a host counts, under its names. The page of a host with 10,000 jobs has no more series
/// than that of one with as many as `HostControl` names; the others stand together under `job="(other)"`.
package enum MetricsPage {
  package static func text(_ metrics: HostMetrics, version: String) -> String {
    var page = MetricsText()
    host(metrics, version, &page)
    runs(metrics, &page)
    stores(metrics, &page)
    nodes(metrics.nodes, &page)
    scripts(metrics.scripts, &page)
    return page.text
  }

  private static func host(_ metrics: HostMetrics, _ version: String, _ page: inout MetricsText) {
    page.family("moondial_build_info", .gauge, "The version that runs.") { $0.add(1, ("version", version)) }
    page.family("moondial_uptime_seconds", .gauge, "Time since the start of the host.") {
      $0.add(metrics.uptimeSeconds)
    }
    page.family("moondial_ready", .gauge, "1: its loop runs, stores are writable, scripts are loaded.") {
      $0.add(metrics.isReady ? 1 : 0)
    }
    page.family("moondial_paused", .gauge, "1: everything is paused.") { $0.add(metrics.isPaused ? 1 : 0) }
    page.family("moondial_generation", .gauge, "The set of scripts in force.") { $0.add(metrics.generation) }
    page.family("moondial_reloads_total", .counter, "Sets of scripts that were put in force.") {
      $0.add(metrics.reloads)
    }
    page.family("moondial_reload_failures_total", .counter, "Reloads after which a script was not as its file.") {
      $0.add(metrics.failedReloads)
    }
    page.family("moondial_clock_steps_total", .counter, "How often somebody set the clock.") {
      $0.add(metrics.clockSteps)
    }
    page.family("moondial_memory_resident_bytes", .gauge, "Memory of the process.") { $0.add(metrics.memory.resident) }
    if let states = metrics.memory.luaStates {
      page.family("moondial_lua_memory_bytes", .gauge, "Memory of Lua states.") { $0.add(states) }
    }
    page.family("moondial_jobs", .gauge, "Jobs by what they are; each also counts as declared.") { family in
      let jobs = metrics.jobs
      family.add(jobs.total, ("state", "declared"))
      family.add(jobs.paused, ("state", "paused"))
      family.add(jobs.disabled, ("state", "disabled"))
      family.add(jobs.orphaned, ("state", "orphaned"))
    }
    page.family("moondial_schedules", .gauge, "Dynamic schedules.") {
      $0.add(metrics.jobs.schedules)
    }
  }

  private static func runs(_ metrics: HostMetrics, _ page: inout MetricsText) {
    page.family("moondial_fires_total", .counter, "Fire times that got a run.") { $0.add(metrics.fires) }
    page.family("moondial_decisions_total", .counter, "Fire times that got no run of their own, and why.") { family in
      for decision in metrics.decisions {
        family.add(decision.count, ("kind", decision.kind.rawValue), ("reason", decision.reason?.rawValue ?? ""))
      }
    }
    page.family("moondial_runs_total", .counter, "Runs that ended.") { family in
      for ended in metrics.ended {
        family.add(ended.count, ("job", ended.job ?? "(other)"), ("outcome", ended.outcome.rawValue))
      }
    }
    page.family("moondial_run_retries_total", .counter, "Attempts after the first.") { $0.add(metrics.retries) }
    page.family("moondial_runs", .gauge, "Runs that have not ended, by where they are.") { family in
      let runs = metrics.runs
      family.add(runs.waiting, ("state", "waiting"))
      family.add(runs.claimed, ("state", "claimed"))
      family.add(runs.running, ("state", "running"))
      family.add(runs.retrying, ("state", "retrying"))
      family.add(runs.parked, ("state", "parked"))
      family.add(runs.stuck, ("state", "stuck"))
    }
    histogram("moondial_run_lateness_seconds", "From a fire time to the start of its run.", metrics.lateness, &page)
    histogram("moondial_run_duration_seconds", "Time of a run's attempts together.", metrics.durations, &page)
    page.family("moondial_executor_workers", .gauge, "Threads that run jobs.") { family in
      for executor in metrics.executors { family.add(executor.workers, ("executor", executor.name)) }
    }
    page.family("moondial_executor_runs", .gauge, "Runs that an executor has: queued, running, suspended.") { family in
      for executor in metrics.executors { family.add(executor.runs, ("executor", executor.name)) }
    }
  }

  private static func stores(_ metrics: HostMetrics, _ page: inout MetricsText) {
    page.family("moondial_store_writable", .gauge, "1: its last batch was written.") { family in
      for store in metrics.stores { family.add(store.isWritable ? 1 : 0, ("store", store.name)) }
    }
    page.family("moondial_store_queue", .gauge, "Changes that wait to be written.") { family in
      for store in metrics.stores { family.add(store.queued, ("store", store.name)) }
    }
    page.family("moondial_store_batches_total", .counter, "Batches that were written.") { family in
      for store in metrics.stores { family.add(store.batches, ("store", store.name)) }
    }
    page.family("moondial_store_failures_total", .counter, "Batches that were not written.") { family in
      for store in metrics.stores { family.add(store.failures, ("store", store.name)) }
    }
    page.family("moondial_store_latency_seconds", .histogram, "From a batch to its completion.") { family in
      for store in metrics.stores {
        let latency = store.latency
        family.add(
          bounds: latency.bounds, counts: latency.counts, count: latency.count, sum: latency.sum, ("store", store.name))
      }
    }
  }

  /// Only of a host that shares a store.
  private static func nodes(_ stores: [HostMetrics.NodeMetrics], _ page: inout MetricsText) {
    guard !stores.isEmpty else { return }
    page.family("moondial_nodes", .gauge, "Hosts that share a store, by what they do.") { family in
      for store in stores {
        for state in store.states { family.add(state.count, ("store", store.store), ("state", state.state.rawValue)) }
      }
    }
    page.family("moondial_nodes_other_scripts", .gauge, "Live hosts with other scripts than this one.") { family in
      for store in stores { family.add(store.otherScripts, ("store", store.store)) }
    }
    page.family("moondial_clock_ahead_seconds", .gauge, "How far this clock is ahead of the store's server.") {
      family in
      for store in stores { family.add(store.clockAhead, ("store", store.store)) }
    }
  }

  private static func histogram(_ name: String, _ help: String, _ counts: Histogram, _ page: inout MetricsText) {
    page.family(name, .histogram, help) {
      $0.add(bounds: counts.bounds, counts: counts.counts, count: counts.count, sum: counts.sum)
    }
  }

  // MARK: Scripts

  /// What scripts count, each series with its script. A name that the host has itself, or that a counter of this format
  /// may not have, is changed: `moondial_x` to `script_moondial_x`, a counter `x` to `x_total`.
  private static func scripts(_ series: [HostMetrics.ScriptSeries], _ page: inout MetricsText) {
    let names = Set(series.map(\.name))
    var families: [String: [HostMetrics.ScriptSeries]] = [:]
    for one in series { families[name(of: one, among: names), default: []].append(one) }
    for (name, members) in families.sorted(by: { $0.key < $1.key }) {
      let kinds = Set(members.map(\.kind))
      let kind: MetricsText.Kind =
        if kinds == ["counter"], name.hasSuffix("_total") {
          .counter
        } else if kinds == ["gauge"],
          !name.hasSuffix("_total")
        { .gauge } else { .untyped }
      page.family(name, kind, "Counted or measured by scripts.") { family in
        for one in members {
          let own = "script=\"\(MetricsText.escaped(one.script, quotes: true))\""
          family.add(one.value, rendered: one.labels.isEmpty ? own : "\(own),\(renamed(one.labels))")
        }
      }
    }
  }

  /// The labels without one that is called as the host's own: `script` becomes `exported_script`, as a scraper would
  /// call it.
  private static func renamed(_ labels: String) -> String {
    guard labels.contains("script=\"") else { return labels }
    var (text, name) = ("", "")
    var (isValue, isEscaped) = (false, false)
    for character in labels {
      if isValue {
        text.append(character)
        if character == "\"", !isEscaped { isValue = false }
        isEscaped = character == "\\" && !isEscaped
      } else if character == "\"" {
        text += (name == "script=" ? "exported_script=" : name) + "\""
        (name, isValue) = ("", true)
      } else if character == "," {
        text.append(character)
      } else {
        name.append(character)
      }
    }
    return text
  }

  private static func name(of series: HostMetrics.ScriptSeries, among names: Set<String>) -> String {
    var name = series.name
    if series.kind == "counter", !name.hasSuffix("_total"), !names.contains(name + "_total") { name += "_total" }
    return name.hasPrefix("moondial_") ? "script_" + name : name
  }
}
