import ArgumentParser
import Glibc
import Hosting
import JobModel
import ScriptLoading

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a scripts directory with an example job and editor types. Overwrites nothing.",
    discussion: "Example:\n  moondial init scripts && moondial run scripts")

  @Argument(help: "The directory to make.") var directory = "scripts"

  func run() throws {
    guard !directory.isEmpty else {
      throw CommandFailure(.usage, "the name of the directory to make is empty: give one, such as scripts")
    }
    do throws(HostError) {
      _ = try StateDirectory(making: directory, as: "directory")
      _ = try StateDirectory(making: directory + "/_types", as: "directory")
    } catch { throw CommandFailure(error.message) }
    try write("hello.lua", Self.example)
    try write(".luarc.json", EditorFiles.settings)
    try write(EditorFiles.typeStubsPath, EditorFiles.typeStubs)
    try write(EditorFiles.testStubsPath, EditorFiles.testStubs)
    Terminal.line("\(directory)/hello.lua is ready: start it with `moondial run \(directory)`, then edit it")
  }

  private func write(_ name: String, _ text: String) throws {
    let path = directory + "/" + name
    // Safe: the path is passed as a C string for the call only.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      if errno == EEXIST { return Terminal.line("\(path) exists already and stays as it is") }
      // Safe: strerror returns a C string of its own for a known errno; copied at once.
      throw CommandFailure("cannot write \(path): \(unsafe String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var text = text
    let isWritten = text.withUTF8 { bytes in
      // Safe: `bytes` is valid for this closure.
      unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count
    }
    guard isWritten else { throw CommandFailure("cannot write \(path): the disk is full, or the file system refused") }
  }

  static let example = """
    -- A job script: edit and save it while the host runs.
    job "hello" {
      every = "5s",
      run = function(ctx)
        log.info("hello", { due = ctx.scheduled_at })
      end,
    }

    """
}
