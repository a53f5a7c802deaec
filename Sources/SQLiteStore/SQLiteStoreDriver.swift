internal import Glibc
package import JobModel

/// Opens `sqlite:FILE`.
package struct SQLiteStoreDriver: StoreDriver {
  package init() {}

  package var schemes: [String] { ["sqlite"] }
  package var example: String { "sqlite:FILE" }
  package var hasDurability: Bool { true }
  package func accepts(_ address: StoreAddress) -> Bool { !address.rest.isEmpty }

  package func location(of address: StoreAddress, in directory: String?) -> StoreLocation? {
    let path = path(of: address, in: directory)
    var status = stat()
    // Safe: fills the local struct; on failure it is not read.
    let isSeen = unsafe stat(path, &status) == 0
    // What may not be looked at is there, for all that is known: opening it says why it cannot be.
    let exists = isSeen ? status.st_mode & S_IFMT != S_IFDIR : errno == EACCES
    return StoreLocation(path, exists: exists)
  }

  package func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    var options = SQLiteStore.Options()
    options.synchronous = request.durability
    options.retention = request.retention
    options.threadRefused = request.threadRefused
    options.clock = request.clock
    return try SQLiteStore(path(of: address, in: request.directory), mode: request.access, options: options)
  }

  private func path(of address: StoreAddress, in directory: String?) -> String {
    let file = address.rest
    guard let directory, !file.hasPrefix("/") else { return file }
    return directory + "/" + file
  }
}
