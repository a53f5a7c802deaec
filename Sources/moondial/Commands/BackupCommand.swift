import ArgumentParser
import Glibc
import Hosting
import JobModel

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the store to a file, whole and consistent, while a host uses it.",
    discussion: "Example:\n  moondial backup /var/backups/moondial.db")

  @Argument(help: "The file to write; it must not exist.") var file: String
  @OptionGroup var options: StoreOptions

  func run() throws {
    guard !file.isEmpty else { throw CommandFailure(.usage, "the name of the file to write is empty: name a new file") }
    if case .missing = FileKind(file) {
    } else {
      throw CommandFailure(.usage, "\(file) exists already: name a new file")
    }
    let stores = try options.open()
    let location = stores.members[0].store.location
    guard let store = stores.members[0].store as? any BackupStore else {
      let advice = stores.members[0].store.copyAdvice
      throw CommandFailure("\(location) is no file that could be copied: \(advice)")
    }
    try ReadStores.orFail { try store.backup(to: file) }
    Terminal.line("\(location) is copied to \(file)")
    for other in stores.members.dropFirst() {
      Terminal.error("the store \(other.name) is not in it: --store \(other.store.location) copies that one")
    }
  }
}
