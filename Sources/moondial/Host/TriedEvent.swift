import Glibc
import Hosting
import JobModel
import Lua
import ScriptLoading
import ScriptRuntime

/// `ctx.event` of a run that somebody tries: of the shape that a host gives it.
enum TriedEvent {
  /// `{"name": …, "data": …}`, or `{"name": "watch", "paths": […]}`; nil when none was given.
  ///
  /// - Parameter log: is told what no host would give this job.
  static func json(
    _ event: String?, files: [String], of job: JobDefinition, _ log: LogRenderer
  ) throws -> JSONText? {
    guard let event else {
      if !files.isEmpty { return try watched(files, job, log) }
      if let hint = missing(job) { log.write(.warn, hint) }
      return nil
    }
    guard files.isEmpty else { throw CommandFailure(.usage, "give either --event or --file: a run has one event") }
    guard let value = LuaValue.parseJSON(event) else {
      throw CommandFailure(.usage, "--event \(event): write JSON, e.g. --event '{\"to\": 3}', or --event null")
    }
    if case .table(let table) = value, case .string(let upstream)? = table["job"], !job.upstreams.isEmpty {
      if !job.upstreams.contains(upstream.text) {
        log.write(
          .warn, "\(job.name) does not run after \(upstream.text) but after \(job.upstreams.joined(separator: ", "))")
      }
      return finished(table)
    }
    var object = JSONObject()
    if case .table(let table) = value, let name = wholeName(table, event) {
      if !job.events.contains(name) { log.write(.warn, unheard(name, job)) }
      return JSONText(event)
    }
    guard let name = job.events.first else {
      if let upstream = job.upstreams.first {
        let example = "--event '{\"job\": \(JSONObject.quote(upstream)), \"result\": …}'"
        throw CommandFailure(
          .usage, "\(job.name) listens to no event but runs after \(upstream): say how that ended with \(example)")
      }
      throw CommandFailure(
        .usage, "\(job.name) listens to no event: name one with --event '{\"name\": \"…\", \"data\": …}'")
    }
    if job.events.count > 1 {
      log.write(
        .warn,
        "\(job.name) listens to \(job.events.joined(separator: ", ")); this is tried as \(name): name another with "
          + "--event '{\"name\": \"…\", \"data\": …}'")
    }
    object.set("name", name)
    object.set("data", json: event)
    return JSONText(object.json)
  }

  /// What a run lacks that is tried without what would cause it; nil when nothing does, or something else can.
  private static func missing(_ job: JobDefinition) -> String? {
    guard job.trigger == nil else { return nil }
    let options =
      (job.watch == nil ? [] : ["--file PATH"])
      + (job.events.isEmpty && job.upstreams.isEmpty
        ? [] : [job.events.isEmpty ? "--event '{\"job\": \"\(job.upstreams[0])\"}'" : "--event JSON"])
    guard !options.isEmpty else { return nil }
    return "ctx.event is nil in this run; \(options.joined(separator: " or ")) gives it one"
  }

  /// The end of another job's run, as `after` gives it.
  private static func finished(_ table: LuaTable) -> JSONText? {
    var fields = table.fields.filter { $0.key != "name" }
    fields.append(("name", .string(LuaString("after"))))
    if table["outcome"] == nil { fields.append(("outcome", .string(LuaString("succeeded")))) }
    return (try? LuaValue.table(LuaTable(fields: fields)).json()).map { JSONText($0) }
  }

  /// The name, when the text is a whole event: an object with a name, and nothing but data beside it.
  private static func wholeName(_ table: LuaTable, _ text: String) -> String? {
    let keys = Set(table.fields.map(\.key))
    guard keys == ["name"] || keys == ["name", "data"], case .string(let name)? = table["name"] else { return nil }
    return name.text
  }

  private static func unheard(_ name: String, _ job: JobDefinition) -> String {
    job.events.isEmpty
      ? "\(job.name) listens to no event: a host would not start it with \"\(name)\""
      : "\(job.name) does not listen to \"\(name)\" but to \(job.events.joined(separator: ", "))"
  }

  private static func watched(_ files: [String], _ job: JobDefinition, _ log: LogRenderer) throws -> JSONText {
    if job.watch == nil { log.write(.warn, "\(job.name) watches no files: a host would not start it with one") }
    let paths = try files.map { file in
      guard !file.isEmpty else { throw CommandFailure(.usage, "--file is empty: name a file") }
      // Safe: realpath allocates the answer, which is copied and freed here.
      guard let found = unsafe realpath(file, nil) else {
        throw CommandFailure("--file \(file): \(unsafe String(cString: strerror(errno)))")
      }
      defer { unsafe free(found) }
      return unsafe String(cString: found)
    }
    var object = JSONObject()
    object.set("name", "watch")
    object.set("paths", json: JSONObject.array(paths.map(JSONObject.quote)))
    return JSONText(object.json)
  }
}
