internal import JobModel
internal import ScriptRuntime

/// What the host itself needs of its secrets.
extension SchedulerAssembly {
  /// The text of a secret, for the host's own use; no script's grants are asked. Blocks on files.
  ///
  /// - Throws: one sentence, without the secret: it is not there, cannot be read, or only `secrets.command` knows it.
  package func secret(_ name: String) throws(HostError) -> String {
    guard let luaHost else { throw HostError("there are no secrets without scripts") }
    switch luaHost.services.secrets.textForHost(name) {
    case .success(let text): return text
    case .failure(let refusal): throw HostError(refusal.message)
    }
  }
}
