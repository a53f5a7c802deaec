package import JobModel
package import Lua

/// A job that a Swift program declares: the fields of a job's table, given as values, and checked by the very rules of
/// scripts.
///
///     let job = NativeJob(name: "sweep", fields: LuaTable(fields: [("every", "90s")]), source: here, payload: payload)
///     let definition = try job.definition(in: environment)
package struct NativeJob: Sendable {
  package var name: String
  /// As in `job "name" { … }`, without functions. A trigger is a ``TriggerSpecification``.
  package var fields: LuaTable
  package var source: SourceLocation
  package var payload: any JobPayload

  package init(name: String, fields: LuaTable, source: SourceLocation, payload: any JobPayload) {
    self.name = name
    self.fields = fields
    self.source = source
    self.payload = payload
  }

  /// The definition under the host's defaults.
  ///
  /// - Throws: everything that is wrong, each as one sentence that names the job. Complexity: O(fields).
  package func definition(in environment: DeclareEnvironment) throws(NativeJobError) -> JobDefinition {
    var draft = JobDraft(zone: environment.zone)
    var defaults = JobDecoder(environment, .hostDefaults)
    defaults.apply(environment.hostDefaults, to: &draft)
    draft.definition.name = name
    draft.definition.source = source
    draft.definition.payload = payload
    var decoder = JobDecoder(environment, .job)
    decoder.apply(fields, to: &draft)
    var complaints = defaults.reading.complaints + decoder.reading.complaints
    if let complaint = DeclareSession.complaint(aboutName: name) { complaints.append(complaint) }
    var assembly = TriggerAssembly(draft, environment)
    draft.definition.trigger = assembly.assemble()
    complaints += assembly.complaints + assembly.specificationProblems.map(\.message)
    if environment.processExecutors.contains(draft.definition.executor) {
      complaints.append(
        "it is a Swift closure, and executor \(quoted(draft.definition.executor)) runs scripts in processes of their "
          + "own: give it an executor of threads")
    }
    guard complaints.isEmpty else {
      throw NativeJobError(messages: complaints.map { "job \(quoted(name)): \($0)" })
    }
    return draft.definition
  }
}

/// What is wrong with a job of a program.
package struct NativeJobError: Error, Sendable {
  /// At least one.
  package let messages: [String]
}
