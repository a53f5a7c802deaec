package import JobModel
internal import SchedulerService
package import Scheduling

/// Jobs that the program itself declares, in addition to those of scripts.
extension SchedulerAssembly {
  /// Why a program's job is not taken.
  package enum DeclarationFailure: Error, Sendable {
    case taken(by: SourceLocation)
    /// It would run after itself, by way of these.
    case circle([String])
    case refused(SchedulerCore.Refusal)
  }

  /// Adds a job to the running scheduler. Blocks for one tick. O(1) in the number of jobs, but for jobs that listen to
  /// others.
  ///
  /// - Parameter replacing: a job of the program with that name gets this definition; otherwise its name is taken.
  package func declare(_ definition: JobDefinition, replacing: Bool) throws(DeclarationFailure) {
    declared.indexNames()
    try engine.ask(recalling: [definition], from: stored) {
      [declared, files] core, now, actions -> Result<Void, DeclarationFailure> in
      if let owner = declared.owner(of: definition.name, replacing: replacing) { return .failure(.taken(by: owner)) }
      if let circle = declared.circle(with: definition) { return .failure(.circle(circle)) }
      declared.add([definition])
      core.declare(definition, at: now, into: &actions)
      files.follow(definition.name, definition)
      return .success(())
    }.get()
  }

  /// Takes a job of the program away. What runs goes on; its history stays. Blocks for one tick.
  package func withdraw(_ name: String) throws(DeclarationFailure) {
    declared.indexNames()
    try engine.ask { [declared, files] core, now, actions -> Result<Void, DeclarationFailure> in
      if let owner = declared.owner(of: name, replacing: true) { return .failure(.taken(by: owner)) }
      return Result { () throws(DeclarationFailure) in
        do throws(SchedulerCore.Refusal) {
          try core.withdraw(name, at: now, into: &actions)
        } catch { throw .refused(error) }
        declared.remove(name)
        files.follow(name, nil)
      }
    }.get()
  }

  /// The definition of a job of the program.
  package func nativeJob(_ name: String) -> JobDefinition? { declared.nativeJob(name) }
}
