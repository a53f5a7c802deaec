/// Changes of one commit or several, in the order of the commits: of each document one.
struct PendingChanges: Sendable {
  private struct Place: Hashable {
    let collection: String
    let id: [UInt8]
  }
  private(set) var all: [Change] = []
  private var indices: [Place: Int] = [:]
  /// Of all documents.
  private(set) var bytes = 0

  var isEmpty: Bool { all.isEmpty }
  var count: Int { all.count }

  /// - Parameter change: of a commit that is not earlier than any that is there.
  mutating func add(_ change: Change) {
    let place = Place(collection: change.collection, id: change.id)
    if let index = indices[place] {
      bytes -= all[index].size
      all[index] = all[index].followed(by: change)
      bytes += all[index].size
    } else {
      indices[place] = all.count
      all.append(change)
      bytes += change.size
    }
  }
}
