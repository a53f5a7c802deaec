import Basics
import Chronology
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime

/// What a job's name on a command line means: the one place that says so. A name that nobody knows is an error that
/// names the nearest ones, with exit code 1.
enum JobLookup {
  /// The job that a script declares.
  static func declared(
    _ name: String, in generation: LoadedGeneration, _ directory: String, storedIn stores: ReadStores? = nil
  ) throws -> JobDefinition {
    if let job = generation.job(named: name) { return job }
    if let stores, try ReadStores.orFail({ try knowing(name, stores) }).isEmpty == false {
      throw CommandFailure(
        "no script in \(directory) declares \"\(name)\" any more; `moondial history \(name)` shows what it did")
    }
    let broken = generation.errors.isEmpty ? "" : " (not all of its scripts could be loaded)"
    throw CommandFailure(
      "no job is named \"\(name)\" in \(directory)\(broken)" + hint(name, generation.jobs.map(\.name)))
  }

  /// The stores that have anything of a job; none when a script declares it and it never ran. Throws for a name that
  /// neither a store nor a script knows.
  static func stored(_ name: String, in stores: ReadStores) throws -> [ReadStores.Member] {
    try ReadStores.orFail {
      let known = try knowing(name, stores)
      // Scripts are asked last: loading them takes its time.
      if !known.isEmpty || stores.generation?.job(named: name) != nil { return known }
      var names = Set(stores.generation?.jobs.map(\.name) ?? [])
      for member in stores.members { names.formUnion(try member.store.jobNames()) }
      let locations = stores.members.map(\.store.location)
      let who =
        locations.count == 1
        ? "the store \(locations[0]) knows" : "none of the stores \(locations.joined(separator: ", ")) knows"
      let what = locations.count == 1 ? "no job" : "a job"
      let scripts = stores.generation == nil ? "" : ", nor does a script in \(stores.directory) declare it"
      throw CommandFailure("\(who) \(what) \"\(name)\"\(scripts)\(hint(name, names.sorted()))")
    }
  }

  private static func knowing(_ name: String, _ stores: ReadStores) throws -> [ReadStores.Member] {
    try stores.members.filter { member in
      if try !member.store.schedules(of: [name]).isEmpty { return true }
      if try !member.store.runs(RunQuery(job: name, limit: 1)).isEmpty { return true }
      return try !member.store.decisions(DecisionQuery(job: name, limit: 1)).isEmpty
    }
  }

  /// `; did you mean "a", "b" or "c"?`, or nothing.
  static func hint(_ name: String, _ names: [String]) -> String {
    let near = Spelling.closest(to: name, among: names).map { "\"\($0)\"" }
    guard let last = near.last else { return "" }
    let others = near.dropLast().joined(separator: ", ")
    return "; did you mean \(others.isEmpty ? last : "\(others) or \(last)")?"
  }
}
