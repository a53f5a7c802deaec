import Glibc

/// A fresh directory for one measurement: its script, and its database. Removed at the end.
///
/// It is made in `BENCH_ENV`, where the other schedulers' harnesses write too (a real disk, if durability is measured),
/// or in `TMPDIR`, or in `/tmp`.
final class BenchDirectory {
  let path: String
  private var files: [String] = []

  init() throws {
    let parent = Environment["BENCH_ENV"] ?? Environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(parent)/moondial-bench-XXXXXX".utf8CString)
    // Safe: the array ends in a zero, and mkdtemp changes only its six Xs.
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    guard made else {
      throw CommandFailure(
        "no temporary directory can be made in \(parent): set BENCH_ENV to a directory that can be written")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Safe here and below: C strings of Swift's own, for the length of the call.
    guard unsafe mkdir(scripts, 0o700) == 0 else { throw CommandFailure("cannot make \(scripts): error \(errno)") }
  }

  deinit {
    for file in files { unsafe unlink(file) }
    unsafe rmdir(scripts)
    unsafe rmdir(path)
  }

  /// The scripts directory.
  var scripts: String { path + "/scripts" }

  /// Where the database goes; SQLite's own files beside it are removed too.
  var database: String {
    let file = path + "/bench.db"
    if !files.contains(file) { files += [file, file + "-wal", file + "-shm", file + "-journal", file + ".lock"] }
    return file
  }

  /// Writes one script.
  func write(script: String) throws { try write(script, as: "bench.lua") }

  /// Writes a script of that name, once or again.
  func write(_ script: String, as name: String) throws {
    let file = scripts + "/" + name
    if !files.contains(file) { files.append(file) }
    let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw CommandFailure("cannot write \(file): error \(errno)") }
    defer { close(descriptor) }
    let bytes = Array(script.utf8)
    // Safe: writes the array's own bytes, all of them.
    guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw CommandFailure("cannot write \(file): error \(errno)")
    }
  }
}
