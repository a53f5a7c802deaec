package import JobModel

extension FileWatch {
  /// The same watch for a program, which has no `moondial.lua` beside it: relative patterns begin at the working
  /// directory of the process, as it is now. Reads it from the system.
  package var fromHere: FileWatch {
    var watch = self
    watch.paths = paths.map { $0.hasPrefix("/") ? $0 : AbsolutePath.appending($0, to: SystemCall.workingDirectory) }
    return watch
  }
}
